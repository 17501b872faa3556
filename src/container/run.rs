//! `run`: create and start in one, and wait for the end unless detached.

use super::create::{CreateOptions, prepare};
use super::error::{RuntimeError, system};
use crate::sys::process::{forward_signals, wait_for};
use nix::libc;

/// Signals that are passed on to the workload.
const FORWARDED: [i32; 12] = [
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

/// Runs the container. The exit code of the workload, or 128 + signal; 0 when detached.
pub fn run(options: &CreateOptions, detach: bool, keep: bool) -> Result<i32, RuntimeError> {
    let (launched, dir) = prepare(options, false)?;
    if detach {
        return Ok(0);
    }
    forward_signals(launched.pid, &FORWARDED);
    let code = loop {
        match wait_for(launched.pid) {
            Ok(Some(code)) => break code,
            Ok(None) => {}
            Err(e) => return Err(system("wait for the container's init")(e)),
        }
    };
    if !keep {
        // With a pid namespace the kernel has killed what the init left; without one, this does.
        launched.cgroup.clear()?;
        dir.remove()?;
    }
    Ok(code)
}
