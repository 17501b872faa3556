//! On which CPUs runs are kept, and the harness itself: set once, and nobody's unless it was.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::sync::OnceLock;

static RUN_CPUS: OnceLock<CpuSet> = OnceLock::new();
const THIS_THREAD: Pid = Pid::from_raw(0);

/// Keeps every run started from now on on `cpus`, and this thread and those it starts on the others that it may use,
/// where there are any. An error where a CPU is not there or not ours, or where runs are kept already.
pub fn keep_runs_on(cpus: &[u32]) -> std::io::Result<()> {
    let ours = sched_getaffinity(THIS_THREAD)?;
    let (mut runs, mut rest, mut any) = (CpuSet::new(), CpuSet::new(), false);
    for cpu in cpus {
        let cpu = *cpu as usize;
        if !ours.is_set(cpu).unwrap_or(false) {
            let what = format!("CPU {cpu} is not among those that this process may use");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
        }
        runs.set(cpu)?;
    }
    for cpu in (0..CpuSet::count()).filter(|c| ours.is_set(*c).unwrap_or(false)) {
        if !runs.is_set(cpu)? {
            rest.set(cpu)?;
            any = true;
        }
    }
    RUN_CPUS.set(runs).map_err(|_| std::io::Error::other("runs are kept on CPUs already"))?;
    if any {
        sched_setaffinity(THIS_THREAD, &rest)?;
    }
    Ok(())
}

/// Where a thread was before it started a run.
pub(super) struct Home(Option<CpuSet>);

/// Moves this thread to the CPUs of runs, which its next child inherits.
pub(super) fn enter_run_cpus() -> std::io::Result<Home> {
    let Some(runs) = RUN_CPUS.get() else { return Ok(Home(None)) };
    let home = sched_getaffinity(THIS_THREAD)?;
    sched_setaffinity(THIS_THREAD, runs)?;
    Ok(Home(Some(home)))
}

impl Home {
    /// Moves it back.
    pub(super) fn go_back(self) {
        if let Some(home) = self.0 {
            let _ = sched_setaffinity(THIS_THREAD, &home);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::spawn::Spawn;
    use std::io::Read;

    #[test]
    fn runs_are_kept_and_the_harness_is_not() {
        let e = keep_runs_on(&[100_000]).expect_err("no such CPU");
        assert!(e.to_string().contains("CPU 100000"), "{e}");
        // On a thread of its own: the other tests' stay where they are.
        std::thread::spawn(|| {
            let before = sched_getaffinity(THIS_THREAD).expect("own CPUs");
            let first = (0..CpuSet::count()).find(|c| before.is_set(*c).unwrap_or(false)).expect("a CPU");
            keep_runs_on(&[first as u32]).expect("pinned");
            let (r, w) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
            let argv = ["sh", "-c", "grep Cpus_allowed_list /proc/self/status"].map(String::from);
            let env = ["PATH=/usr/bin:/bin".to_owned()];
            let spawn = Spawn::new(std::path::Path::new("/bin/sh"), &argv, &env).expect("spawn").fd(&w, 1);
            let child = spawn.start().expect("start");
            drop(w);
            let mut text = String::new();
            std::fs::File::from(r).read_to_string(&mut text).expect("read");
            child.wait().expect("wait");
            assert_eq!(text.split_whitespace().last(), Some(first.to_string().as_str()), "{text}");
            let now = sched_getaffinity(THIS_THREAD).expect("own CPUs");
            assert!(!now.is_set(first).expect("CPU") || before == now, "the harness keeps off, where it can");
        })
        .join()
        .expect("test");
    }
}
