//! `run`: create and start in one, and wait for the end unless detached.

use super::cgroup::RunCgroup;
use super::create::{CreateOptions, Prepared, prepare};
use super::error::{RuntimeError, system};
use super::{hooks, relay};
use crate::sys::process::{catch_signals, ends_within, forward_to, kill_with_parent, wait_for};
use crate::sys::slim;
use nix::libc;
use std::time::Duration;

/// Signals that are passed on to the workload.
pub(super) const FORWARDED: [i32; 12] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCONT,
    libc::SIGWINCH,
    libc::SIGALRM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// From now on the container of [`run`] is killed when the thread that started this process ends; what it leaves is
/// removed as at any other end.
pub fn die_with_parent() -> Result<(), RuntimeError> {
    kill_with_parent().map_err(system("ask for a signal at the parent's end"))
}

/// Runs the container. The exit code of the workload, or 128 + signal; 0 when detached.
pub fn run(options: &CreateOptions, detach: bool, keep: bool) -> Result<i32, RuntimeError> {
    if !detach {
        catch_signals(&FORWARDED);
    }
    let Prepared { launched, dir, console, saved } = prepare(options, false, !detach)?;
    if let Err(e) = hooks::run("poststart", &saved.hooks.poststart, &saved.hook_state("running")) {
        super::kill::destroy(&saved, dir)?;
        return Err(e.into());
    }
    if detach {
        return Ok(0);
    }
    forward_to(launched.pid);
    if let Some(ours) = console.and_then(|c| c.ours) {
        relay::copy(relay::receive(&ours)?, launched.pid)?;
    }
    let code = wait(launched.pid)?;
    if !keep {
        // With a pid namespace the kernel has killed what the init left; without one, this does.
        let joined = dir.has_joined().then(|| RunCgroup::open_at(&saved.cgroups_path)).transpose()?;
        super::kill::clear(&saved, &joined.unwrap_or(launched.cgroup))?;
        dir.remove()?;
        super::kill::after(&saved);
    }
    Ok(code)
}

/// A runtime that waits longer than this is not waiting for a short run.
const LONG: Duration = Duration::from_millis(200);

/// Until a child has ended: its exit code, or 128 + signal.
pub(super) fn wait(pid: i32) -> Result<i32, RuntimeError> {
    if !ends_within(pid, LONG) {
        // Beside a container that stays, this process has nothing to do and should weigh next to nothing.
        slim::down();
    }
    loop {
        match wait_for(pid) {
            Ok(Some(code)) => return Ok(code),
            Ok(None) => {}
            Err(e) => return Err(system("wait for the container's process")(e)),
        }
    }
}
