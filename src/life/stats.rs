//! `stats`: what containers use now.

use super::error::LifeError;
use super::spec::{Spec, TargetKind};
use super::state::State;
use crate::container::cgroup::RunCgroup;
use crate::sys::clock::monotonic_ns;

/// One reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// When, CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// Processor time so far.
    pub cpu_ns: u64,
    /// Memory without page cache that could be dropped, as podman and Docker count it.
    pub memory_bytes: u64,
    /// The limit, or the host's memory.
    pub limit_bytes: u64,
    /// Received and sent by eth0; none where it has no network of its own that the host can see into.
    pub network_bytes: Option<(u64, u64)>,
    /// Tasks.
    pub pids: u64,
}

/// Reads them.
pub fn read(spec: &Spec, state: &State) -> Result<Reading, LifeError> {
    let cgroup = RunCgroup::open_at(&spec.cgroup())?;
    let memory = cgroup.memory()?;
    let at_ns = monotonic_ns();
    let limit = match spec.target {
        TargetKind::Microvm => Some(spec.memory_bytes.unwrap_or(super::monitor::DEFAULT_MEMORY)),
        _ => spec.memory_bytes,
    };
    let pids = cgroup.pids()?;
    let tasks = |pid: &i32| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, |d| d.count() as u64);
    Ok(Reading {
        at_ns,
        cpu_ns: cgroup.cpu_ns()?,
        memory_bytes: memory.usage.saturating_sub(memory.file),
        limit_bytes: limit.unwrap_or_else(host_memory),
        network_bytes: if state.address.is_some() { network(spec, state) } else { None },
        pids: pids.iter().map(tasks).sum(),
    })
}

/// Format: proc(5), /proc/meminfo.
fn host_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The container's own eth0, in /proc/PID/net/dev (proc(5)). A machine's is in its guest.
fn network(spec: &Spec, state: &State) -> Option<(u64, u64)> {
    if spec.target != TargetKind::Container {
        return None;
    }
    let text = std::fs::read_to_string(format!("/proc/{}/net/dev", state.process.pid)).ok()?;
    let line = text.lines().find_map(|l| l.trim().strip_prefix("eth0:"))?;
    let fields: Vec<u64> = line.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    Some((*fields.first()?, *fields.get(8)?))
}

/// Share of one processor between two readings, per cent.
pub fn cpu_percent(before: &Reading, after: &Reading) -> f64 {
    let wall = after.at_ns.saturating_sub(before.at_ns).max(1);
    after.cpu_ns.saturating_sub(before.cpu_ns) as f64 / wall as f64 * 100.0
}
