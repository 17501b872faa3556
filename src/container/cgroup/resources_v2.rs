//! Files of v2 (Documentation/admin-guide/cgroup-v2.rst), and what the specification's v1 values become there.

use super::CgroupError;
use super::resources::Setter;
use crate::container::config::{BlockIo, Cpu, Memory, Rdma, Resources};

pub(super) fn apply(set: &Setter, r: &Resources) -> Result<(), CgroupError> {
    r.memory.as_ref().map_or(Ok(()), |m| memory(set, m))?;
    r.cpu.as_ref().map_or(Ok(()), |c| cpu(set, c))?;
    if let Some(pids) = &r.pids {
        set.write("pids.max", or_max(pids.limit))?;
    }
    r.block_io.as_ref().map_or(Ok(()), |b| block_io(set, b))?;
    for limit in &r.hugepage_limits {
        set.write(&format!("hugetlb.{}.max", limit.page_size), limit.limit)?;
        set.write_if_there(&format!("hugetlb.{}.rsvd.max", limit.page_size), limit.limit)?;
    }
    if r.network.is_some() {
        return Err(CgroupError::NotInV2 { field: "network".into() });
    }
    r.rdma.iter().try_for_each(|(device, limit)| set.write("rdma.max", rdma(device, limit)))
}

/// Zero and less: no limit.
fn or_max(value: i64) -> String {
    if value > 0 { value.to_string() } else { "max".into() }
}

fn memory(set: &Setter, m: &Memory) -> Result<(), CgroupError> {
    // What cannot be said in v2 is an error (config-linux.md, Unified).
    let v1_alone = [
        ("kernelTCP", m.kernel_tcp.is_some_and(|l| l > 0)),
        ("swappiness", m.swappiness.is_some()),
        ("disableOOMKiller", m.disable_oom_killer),
    ];
    if let Some((field, _)) = v1_alone.iter().find(|(_, asked)| *asked) {
        return Err(CgroupError::NotInV2 { field: format!("memory.{field}") });
    }
    let limit = m.limit.filter(|l| *l != 0);
    if let Some(limit) = limit.filter(|l| m.check_before_update && *l > 0) {
        // v1's kernel refuses such a limit, v2's would kill.
        let usage = set.read("memory.current")?;
        if usage.parse::<i64>().is_ok_and(|usage| usage > limit) {
            return Err(CgroupError::BelowUsage { limit, usage });
        }
    }
    set.write_some("memory.max", limit.map(or_max))?;
    if let Some(swap) = m.swap.filter(|s| *s != 0) {
        // The specification's is memory and swap together, v2's is swap alone.
        let alone = match (swap, limit) {
            (swap, _) if swap < 0 => "max".to_owned(),
            (swap, Some(limit)) if limit > 0 => (swap - limit).max(0).to_string(),
            _ => {
                let now = set.read("memory.max")?.parse::<i64>().unwrap_or(0);
                (swap - now).max(0).to_string()
            }
        };
        set.write("memory.swap.max", alone)?;
    }
    set.write_some("memory.low", m.reservation.map(or_max))
}

/// Shares of 2 to 262144 to a weight of 1 to 10000, linear, as runc and crun documented it.
pub(super) fn weight_of(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

fn cpu(set: &Setter, c: &Cpu) -> Result<(), CgroupError> {
    if c.realtime_runtime.is_some_and(|r| r != 0) {
        return Err(CgroupError::NotInV2 { field: "cpu.realtimeRuntime".into() });
    }
    // cpu.weight cannot be set while the group is idle.
    set.write_some("cpu.idle", c.idle)?;
    set.write_some("cpu.weight", c.shares.filter(|s| *s > 0).map(weight_of))?;
    if c.quota.is_some_and(|q| q != 0) || c.period.is_some() {
        let now = set.read("cpu.max")?;
        let mut parts = now.split(' ');
        let (old_quota, old_period) = (parts.next().unwrap_or("max"), parts.next().unwrap_or("100000"));
        let quota = c.quota.filter(|q| *q != 0).map_or_else(|| old_quota.to_owned(), or_max);
        let period = c.period.filter(|p| *p > 0).map_or_else(|| old_period.to_owned(), |p| p.to_string());
        set.write("cpu.max", format!("{quota} {period}"))?;
    }
    set.write_some("cpu.max.burst", c.burst)?;
    set.write_text("cpuset.cpus", &c.cpus)?;
    set.write_text("cpuset.mems", &c.mems)
}

fn block_io(set: &Setter, b: &BlockIo) -> Result<(), CgroupError> {
    if let Some(weight) = b.weight.filter(|w| *w > 0) {
        if set.exists("io.bfq.weight") {
            set.write("io.bfq.weight", weight)?;
        } else {
            // 10 to 1000 becomes 1 to 10000.
            set.write("io.weight", 1 + (u64::from(weight).clamp(10, 1000) - 10) * 9999 / 990)?;
        }
    }
    for d in &b.weight_device {
        let line = d.weight.map(|w| format!("{}:{} {w}", d.major, d.minor));
        set.write_some("io.bfq.weight", line)?;
        if d.leaf_weight.is_some() {
            return Err(CgroupError::NotInV2 { field: "blockIO.weightDevice[].leafWeight".into() });
        }
    }
    for (key, rates) in [
        ("rbps", &b.throttle_read_bps_device),
        ("wbps", &b.throttle_write_bps_device),
        ("riops", &b.throttle_read_iops_device),
        ("wiops", &b.throttle_write_iops_device),
    ] {
        rates
            .iter()
            .try_for_each(|d| set.write("io.max", format!("{}:{} {key}={}", d.major, d.minor, d.rate)))?;
    }
    Ok(())
}

/// `rdma.max` is the same on both.
pub(super) fn rdma(device: &str, limit: &Rdma) -> String {
    let part = |name: &str, value: Option<u32>| value.map(|v| format!(" {name}={v}")).unwrap_or_default();
    format!("{device}{}{}", part("hca_handle", limit.hca_handles), part("hca_object", limit.hca_objects))
}

#[cfg(test)]
mod tests {
    use super::weight_of;

    #[test]
    fn shares_become_weights() {
        assert_eq!([2, 1024, 262_144, 0, u64::MAX].map(weight_of), [1, 39, 10_000, 1, 10_000]);
    }
}
