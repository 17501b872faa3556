//! Reads the figures of a cgroup.

use super::{CgroupError, io};
use std::path::Path;

/// Bytes charged, hierarchically.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CgroupMemory {
    /// Now.
    pub usage: u64,
    /// Most ever.
    pub peak: u64,
    /// Anonymous.
    pub anon: u64,
    /// Page cache, without shared memory.
    pub file: u64,
    /// Shared memory and tmpfs.
    pub shmem: u64,
    /// Kernel memory.
    pub kernel: u64,
    /// Page tables; v2 only.
    pub page_tables: Option<u64>,
    /// Socket buffers; v2 only.
    pub sock: Option<u64>,
}

fn number(path: &Path) -> Result<u64, CgroupError> {
    let text = std::fs::read_to_string(path).map_err(io("read", path))?;
    text.trim().parse().map_err(|_| CgroupError::Io {
        step: "parse",
        path: path.to_owned(),
        source: std::io::Error::other(format!("not a number: {:?}", text.trim())),
    })
}

struct Stat(String);

impl Stat {
    fn read(dir: &Path, name: &str) -> Result<Self, CgroupError> {
        let path = dir.join(name);
        std::fs::read_to_string(&path).map(Self).map_err(io("read", &path))
    }

    fn get(&self, key: &str) -> Option<u64> {
        let line = self.0.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok())
    }
}

/// Sources: memory.usage_in_bytes, memory.max_usage_in_bytes, memory.stat (`total_*`), memory.kmem.usage_in_bytes
/// (Documentation/admin-guide/cgroup-v1/memory.rst).
pub(super) fn memory_v1(dir: &Path) -> Result<CgroupMemory, CgroupError> {
    let stat = Stat::read(dir, "memory.stat")?;
    let shmem = stat.get("total_shmem").unwrap_or(0);
    Ok(CgroupMemory {
        usage: number(&dir.join("memory.usage_in_bytes"))?,
        peak: number(&dir.join("memory.max_usage_in_bytes"))?,
        anon: stat.get("total_rss").unwrap_or(0),
        file: stat.get("total_cache").unwrap_or(0).saturating_sub(shmem),
        shmem,
        kernel: number(&dir.join("memory.kmem.usage_in_bytes")).unwrap_or(0),
        page_tables: None,
        sock: None,
    })
}

/// Sources: memory.current, memory.peak (Linux 5.19), memory.stat (Documentation/admin-guide/cgroup-v2.rst).
pub(super) fn memory_v2(dir: &Path) -> Result<CgroupMemory, CgroupError> {
    let stat = Stat::read(dir, "memory.stat")?;
    let shmem = stat.get("shmem").unwrap_or(0);
    let usage = number(&dir.join("memory.current"))?;
    Ok(CgroupMemory {
        usage,
        peak: number(&dir.join("memory.peak")).unwrap_or(usage),
        anon: stat.get("anon").unwrap_or(0),
        file: stat.get("file").unwrap_or(0).saturating_sub(shmem),
        shmem,
        kernel: stat.get("kernel").unwrap_or(0),
        page_tables: stat.get("pagetables"),
        sock: stat.get("sock"),
    })
}

pub(super) fn cpu_ns(dir: &Path, v2: bool) -> Result<u64, CgroupError> {
    if v2 {
        return Ok(Stat::read(dir, "cpu.stat")?.get("usage_usec").unwrap_or(0) * 1000);
    }
    number(&dir.join("cpuacct.usage"))
}

/// Processes in `dir` and below it. A folder that vanishes meanwhile has none.
pub(super) fn pids_below(dir: &Path) -> Result<Vec<i32>, CgroupError> {
    let path = dir.join("cgroup.procs");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => return Ok(Vec::new()),
        Err(e) => return Err(io("read", &path)(e)),
    };
    let mut pids: Vec<i32> = text.lines().filter_map(|l| l.parse().ok()).collect();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            pids.extend(pids_below(&entry.path())?);
        }
    }
    Ok(pids)
}
