//! Files of the v1 controllers (Documentation/admin-guide/cgroup-v1/).

use super::CgroupError;
use super::resources::Setter;
use crate::container::config::{BlockIo, Cpu, Memory, Network, Resources};

pub(super) fn apply(set: &Setter, r: &Resources) -> Result<(), CgroupError> {
    r.memory.as_ref().map_or(Ok(()), |m| memory(set, m))?;
    r.cpu.as_ref().map_or(Ok(()), |c| cpu(set, c))?;
    if let Some(pids) = &r.pids {
        set.write("pids.max", if pids.limit > 0 { pids.limit.to_string() } else { "max".into() })?;
    }
    r.block_io.as_ref().map_or(Ok(()), |b| block_io(set, b))?;
    for limit in &r.hugepage_limits {
        set.write(&format!("hugetlb.{}.limit_in_bytes", limit.page_size), limit.limit)?;
        set.write_if_there(&format!("hugetlb.{}.rsvd.limit_in_bytes", limit.page_size), limit.limit)?;
    }
    r.network.as_ref().map_or(Ok(()), |n| network(set, n))?;
    r.rdma
        .iter()
        .try_for_each(|(device, limit)| set.write("rdma.max", super::resources_v2::rdma(device, limit)))
}

const MEMORY: &str = "memory.limit_in_bytes";
const SWAP: &str = "memory.memsw.limit_in_bytes";

fn memory(set: &Setter, m: &Memory) -> Result<(), CgroupError> {
    // The limit of both together may never be below that of memory alone: which one has to go first depends on the
    // way the limits move.
    let raises = |value: i64| -> Result<bool, CgroupError> {
        let now = set.read(SWAP)?.parse::<u64>().unwrap_or(u64::MAX);
        Ok(value < 0 || u64::try_from(value).is_ok_and(|v| v > now))
    };
    // Zero sets nothing, as with other runtimes: engines write it for "not given".
    let given = |value: Option<i64>| value.filter(|v| *v != 0);
    match (given(m.limit), given(m.swap)) {
        (Some(limit), Some(swap)) if raises(swap)? => {
            set.write(SWAP, swap)?;
            set.write(MEMORY, limit)?;
        }
        // No limit of memory lies above one of both together.
        (Some(limit), None) if limit < 0 && set.exists(SWAP) => {
            set.write(SWAP, limit)?;
            set.write(MEMORY, limit)?;
        }
        (limit, swap) => {
            set.write_some(MEMORY, limit)?;
            set.write_some(SWAP, swap)?;
        }
    }
    set.write_some("memory.soft_limit_in_bytes", given(m.reservation))?;
    set.write_some("memory.kmem.tcp.limit_in_bytes", given(m.kernel_tcp))?;
    set.write_some("memory.swappiness", m.swappiness)?;
    if m.disable_oom_killer { set.write("memory.oom_control", 1) } else { Ok(()) }
}

fn cpu(set: &Setter, c: &Cpu) -> Result<(), CgroupError> {
    set.write_some("cpu.shares", c.shares.filter(|s| *s > 0))?;
    // A quota that is there must fit the new period, and the other way round: the period is tried again after it.
    let period = c.period.filter(|p| *p > 0);
    let first = set.write_some("cpu.cfs_period_us", period);
    if let Some(quota) = c.quota.filter(|q| *q != 0) {
        set.write("cpu.cfs_quota_us", quota.max(-1))?;
    }
    if first.is_err() {
        set.write_some("cpu.cfs_period_us", period)?;
    }
    set.write_some("cpu.cfs_burst_us", c.burst)?;
    set.write_some("cpu.rt_period_us", c.realtime_period.filter(|p| *p > 0))?;
    set.write_some("cpu.rt_runtime_us", c.realtime_runtime.filter(|r| *r != 0))?;
    set.write_some("cpu.idle", c.idle)?;
    set.write_text("cpuset.cpus", &c.cpus)?;
    set.write_text("cpuset.mems", &c.mems)
}

fn block_io(set: &Setter, b: &BlockIo) -> Result<(), CgroupError> {
    // The weights are the BFQ scheduler's on kernels from 5.0 on.
    let bfq = !set.exists("blkio.weight");
    let name = |plain: &'static str, bfq_name: &'static str| if bfq { bfq_name } else { plain };
    set.write_some(name("blkio.weight", "blkio.bfq.weight"), b.weight.filter(|w| *w > 0))?;
    set.write_some("blkio.leaf_weight", b.leaf_weight.filter(|w| *w > 0))?;
    for d in &b.weight_device {
        let weight = d.weight.map(|w| format!("{}:{} {w}", d.major, d.minor));
        set.write_some(name("blkio.weight_device", "blkio.bfq.weight_device"), weight)?;
        let leaf = d.leaf_weight.map(|w| format!("{}:{} {w}", d.major, d.minor));
        set.write_some("blkio.leaf_weight_device", leaf)?;
    }
    for (file, rates) in [
        ("blkio.throttle.read_bps_device", &b.throttle_read_bps_device),
        ("blkio.throttle.write_bps_device", &b.throttle_write_bps_device),
        ("blkio.throttle.read_iops_device", &b.throttle_read_iops_device),
        ("blkio.throttle.write_iops_device", &b.throttle_write_iops_device),
    ] {
        rates.iter().try_for_each(|d| set.write(file, format!("{}:{} {}", d.major, d.minor, d.rate)))?;
    }
    Ok(())
}

fn network(set: &Setter, n: &Network) -> Result<(), CgroupError> {
    set.write_some("net_cls.classid", n.class_id)?;
    n.priorities
        .iter()
        .try_for_each(|p| set.write("net_prio.ifpriomap", format!("{} {}", p.name, p.priority)))
}
