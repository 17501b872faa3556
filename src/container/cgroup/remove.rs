//! Ends and removes cgroups.

use super::{CgroupError, figures::pids_below, io};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(5);

/// SIGKILL to all until none is left: a fork between reading and killing is caught by the next round.
pub(super) fn kill_all(dir: &Path) -> Result<(), CgroupError> {
    let from = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        let pids = pids_below(dir)?;
        if pids.is_empty() {
            return Ok(());
        }
        for pid in pids {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if from.elapsed() > DEADLINE {
            return Err(CgroupError::Busy { path: dir.to_owned() });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// True when `dir` is gone: nearly always nothing is below it and nobody is in it.
pub(super) fn at_once(dir: &Path) -> bool {
    match std::fs::remove_dir(dir) {
        Ok(()) => true,
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Removes `dir` unless somebody is in it; waits a moment for tasks that are about to be gone.
pub(super) fn if_empty(dir: &Path) -> bool {
    (0..50).any(|_| {
        at_once(dir) || {
            std::thread::sleep(Duration::from_millis(1));
            false
        }
    })
}

/// Removes `dir` and the cgroups below it. A task that has just ended keeps its cgroup busy for a moment, hence the
/// tries.
pub(super) fn tree(dir: &Path) -> Result<(), CgroupError> {
    if at_once(dir) {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            tree(&entry.path())?;
        }
    }
    let from = Instant::now();
    let mut pause = Duration::from_micros(100);
    loop {
        match std::fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.raw_os_error() != Some(libc::EBUSY) => return Err(io("remove", dir)(e)),
            Err(_) if from.elapsed() > DEADLINE => return Err(CgroupError::Busy { path: dir.to_owned() }),
            Err(_) => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}
