//! What is asked of a monitor, as data, in its order.

use super::http::Request;
use super::{Kind, VSOCK_PORT};
use crate::machine::kernel::Initialises;
use serde_json::{Value, json};

/// What a machine is made of. Paths are as the monitor sees them.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Processors.
    pub cpus: u32,
    /// RAM, bytes; Firecracker counts in MiB.
    pub memory_bytes: u64,
    /// Uncompressed.
    pub kernel: String,
    /// With our init and the drivers.
    pub initramfs: String,
    /// The image's disk, read-only.
    pub root: String,
    /// A writable disk for `/scratch`.
    pub scratch: Option<String>,
    /// Name of a tap device, and the guest's hardware address.
    pub network: Option<(String, [u8; 6])>,
    /// Socket of vsock; a guest's connection to a port comes to this name with `_PORT`.
    pub vsock: String,
    /// What its kernel initialises, as the host's does.
    pub initialises: Initialises,
    /// A distribution's kernel, which tests its cryptography unless it is told not to.
    pub distribution: bool,
}

/// Number of the guest on its vsock; the least that is not reserved.
const GUEST_CID: u32 = 3;

impl Guest {
    /// As QEMU's guest gets it, and how the init finds the host. No console: these monitors recommend that, because each
    /// byte on a serial line leaves the guest.
    fn command_line(&self, kind: Kind) -> String {
        let mut line =
            format!("quiet loglevel=1 panic=-1 no_timer_check tare.vsock={VSOCK_PORT} tare.disks=by-order");
        line = line + " " + self.initialises.parameter();
        if self.distribution {
            line += " cryptomgr.notests";
        }
        match kind {
            // A reset through the keyboard's controller is what ends it; i8042 is probed for nothing else.
            Kind::Firecracker => line += " reboot=k i8042.noaux i8042.nomux i8042.dumbkbd",
            // It starts anew after a reset, and ends when it is turned off.
            Kind::CloudHypervisor => line += " tare.end=off",
        }
        line
    }
}

fn mac(address: [u8; 6]) -> String {
    address.map(|b| format!("{b:02x}")).join(":")
}

/// All requests from a fresh monitor to a guest that boots.
pub fn requests(kind: Kind, guest: &Guest) -> Vec<Request> {
    match kind {
        Kind::Firecracker => firecracker(guest),
        Kind::CloudHypervisor => cloud_hypervisor(guest),
    }
}

fn firecracker(guest: &Guest) -> Vec<Request> {
    let mut all = vec![
        Request::put(
            "/machine-config",
            json!({ "vcpu_count": guest.cpus, "mem_size_mib": guest.memory_bytes >> 20 }),
        ),
        Request::put(
            "/boot-source",
            json!({ "kernel_image_path": guest.kernel, "initrd_path": guest.initramfs,
                "boot_args": guest.command_line(Kind::Firecracker) }),
        ),
        drive("root", &guest.root, true),
    ];
    all.extend(guest.scratch.iter().map(|path| drive("scratch", path, false)));
    if let Some((tap, address)) = &guest.network {
        let body = json!({ "iface_id": "net", "host_dev_name": tap, "guest_mac": mac(*address) });
        all.push(Request::put("/network-interfaces/net", body));
    }
    all.push(Request::put("/vsock", json!({ "guest_cid": GUEST_CID, "uds_path": guest.vsock })));
    all.push(Request::put("/actions", json!({ "action_type": "InstanceStart" })));
    all
}

/// `is_root_device` would add `root=` to the command line; our init mounts the disk itself.
fn drive(id: &str, path: &str, read_only: bool) -> Request {
    let body = json!({ "drive_id": id, "path_on_host": path, "is_root_device": false, "is_read_only": read_only,
        "cache_type": if read_only { "Unsafe" } else { "Writeback" } });
    Request::put(&format!("/drives/{id}"), body)
}

fn cloud_hypervisor(guest: &Guest) -> Vec<Request> {
    let disk =
        |path: &str, read_only: bool| json!({ "path": path, "readonly": read_only, "image_type": "Raw" });
    let mut disks = vec![disk(&guest.root, true)];
    disks.extend(guest.scratch.iter().map(|path| disk(path, false)));
    let mut config = json!({
        "cpus": { "boot_vcpus": guest.cpus, "max_vcpus": guest.cpus },
        "memory": { "size": guest.memory_bytes },
        "payload": { "kernel": guest.kernel, "initramfs": guest.initramfs,
            "cmdline": guest.command_line(Kind::CloudHypervisor) },
        "disks": disks,
        "serial": { "mode": "Null" },
        "console": { "mode": "Off" },
        "vsock": { "cid": GUEST_CID, "socket": guest.vsock },
    });
    if let Some((tap, address)) = &guest.network {
        config["net"] = Value::Array(vec![json!({ "tap": tap, "mac": mac(*address) })]);
    }
    vec![
        Request::put("/api/v1/vm.create", config),
        Request { body: None, ..Request::put("/api/v1/vm.boot", Value::Null) },
    ]
}
