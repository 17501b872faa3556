//! Limits of a cgroup.

use super::{CgroupError, RunCgroup, io};
use std::path::Path;

/// Period of the CPU quota, microseconds: the kernel's default.
const PERIOD_US: u64 = 100_000;

/// None: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// CPUs, by quota over a period of 100 ms.
    pub cpus: Option<f64>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Number of tasks.
    pub pids: Option<u64>,
}

impl Limits {
    pub(super) fn apply(&self, group: &RunCgroup) -> Result<(), CgroupError> {
        let v2 = group.hierarchies.is_v2();
        if let Some(bytes) = self.memory_bytes {
            let file = if v2 { "memory.max" } else { "memory.limit_in_bytes" };
            set(group, "memory", file, &bytes.to_string())?;
        }
        if let Some(cpus) = self.cpus {
            let quota = (cpus * PERIOD_US as f64).round() as u64;
            if v2 {
                set(group, "cpu", "cpu.max", &format!("{quota} {PERIOD_US}"))?;
            } else {
                set(group, "cpu", "cpu.cfs_period_us", &PERIOD_US.to_string())?;
                set(group, "cpu", "cpu.cfs_quota_us", &quota.to_string())?;
            }
        }
        match self.pids {
            Some(pids) => set(group, "pids", "pids.max", &pids.to_string()),
            None => Ok(()),
        }
    }
}

fn set(group: &RunCgroup, controller: &str, file: &str, value: &str) -> Result<(), CgroupError> {
    let dir = group.dir(controller).ok_or(CgroupError::NoHierarchy)?;
    write(&dir.join(file), value)
}

/// Writes one value to a control file.
pub(crate) fn write(path: &Path, value: &str) -> Result<(), CgroupError> {
    std::fs::write(path, value).map_err(io("write", path))
}
