//! `linux.resources`: limits of the container's cgroup (runtime-spec, config-linux.md, Control groups).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! part {
    ($(#[$doc:meta])* $name:ident { $($(#[$more:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[allow(missing_docs)]
        pub struct $name {
            $($(#[$more])* #[serde(skip_serializing_if = "crate::container::config::is_default")] pub $field: $kind,)*
        }
    };
}

part! {
    /// `linux.resources`.
    Resources {
        memory: Option<Memory>,
        cpu: Option<Cpu>,
        pids: Option<Pids>,
        devices: Vec<DeviceRule>,
        #[serde(rename = "blockIO")]
        block_io: Option<BlockIo>,
        hugepage_limits: Vec<HugepageLimit>,
        network: Option<Network>,
        rdma: BTreeMap<String, Rdma>,
        unified: BTreeMap<String, String>,
    }
}

part! {
    /// `linux.resources.memory`, bytes; -1: no limit. `kernel` is read and passed over: the kernel dropped it.
    Memory {
        limit: Option<i64>,
        reservation: Option<i64>,
        swap: Option<i64>,
        kernel: Option<i64>,
        #[serde(rename = "kernelTCP")]
        kernel_tcp: Option<i64>,
        swappiness: Option<u64>,
        #[serde(rename = "disableOOMKiller")]
        disable_oom_killer: bool,
        check_before_update: bool,
    }
}

part! {
    /// `linux.resources.cpu`; times in microseconds.
    Cpu {
        shares: Option<u64>,
        quota: Option<i64>,
        burst: Option<u64>,
        period: Option<u64>,
        realtime_runtime: Option<i64>,
        realtime_period: Option<u64>,
        cpus: String,
        mems: String,
        idle: Option<i64>,
    }
}

part! {
    /// `linux.resources.pids`.
    Pids {
        limit: i64,
    }
}

part! {
    /// `linux.resources.blockIO`.
    BlockIo {
        weight: Option<u16>,
        leaf_weight: Option<u16>,
        weight_device: Vec<DeviceWeight>,
        throttle_read_bps_device: Vec<DeviceRate>,
        throttle_write_bps_device: Vec<DeviceRate>,
        #[serde(rename = "throttleReadIOPSDevice")]
        throttle_read_iops_device: Vec<DeviceRate>,
        #[serde(rename = "throttleWriteIOPSDevice")]
        throttle_write_iops_device: Vec<DeviceRate>,
    }
}

part! {
    /// Weight of one block device; of weight and leafWeight there has to be one.
    DeviceWeight {
        major: i64,
        minor: i64,
        weight: Option<u16>,
        leaf_weight: Option<u16>,
    }
}

part! {
    /// Limit of one block device, bytes or operations a second.
    DeviceRate {
        major: i64,
        minor: i64,
        rate: u64,
    }
}

part! {
    /// `linux.resources.hugepageLimits[]`.
    HugepageLimit {
        page_size: String,
        limit: u64,
    }
}

part! {
    /// `linux.resources.network`: v1 only.
    Network {
        #[serde(rename = "classID")]
        class_id: Option<u32>,
        priorities: Vec<Priority>,
    }
}

part! {
    /// Priority of an interface.
    Priority {
        name: String,
        priority: u32,
    }
}

part! {
    /// `linux.resources.rdma.<device>`.
    Rdma {
        hca_handles: Option<u32>,
        hca_objects: Option<u32>,
    }
}

/// `linux.resources.devices[]`: a rule of the device cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct DeviceRule {
    pub allow: bool,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}
