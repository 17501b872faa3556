//! `kill`: a signal for the workload.

use super::error::{LifeError, system};
use super::folder::Folder;
use super::link::ToMonitor;
use super::monitor;
use super::spec::{Spec, TargetKind};
use super::state::Status;
use crate::guest::wire::Message;
use nix::sys::signal::Signal;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use std::io::Write;

/// A signal by number or name.
pub fn parse_signal(text: &str) -> Result<Signal, String> {
    crate::container::parse_signal(text).map_err(|e| e.to_string())
}

/// Sends it. One that does not run is an error.
pub fn kill(folder: &Folder, spec: &Spec, signal: i32, verb: &'static str) -> Result<(), LifeError> {
    let state = folder.state()?;
    if state.status != Status::Running {
        let is = format!("{}: can only {verb} running containers", state.status.as_str());
        return Err(LifeError::State { verb, id: spec.short_id().to_owned(), is });
    }
    if spec.target == TargetKind::Microvm && signal != libc::SIGKILL {
        let mut monitor = monitor::connect(folder)?;
        return monitor.write_all(&ToMonitor::Signal(signal).frame()).map_err(system("tell the monitor"));
    }
    // By a pidfd, so never to another process of the same number. SIGKILL to a machine is for QEMU.
    let pidfd = Pid::from_raw(state.process.pid).map(|p| pidfd_open(p, PidfdFlags::empty()));
    let Some(Ok(pidfd)) = pidfd else { return Ok(()) };
    if !state.process.is_alive() {
        return Ok(());
    }
    let Some(signal) = rustix::process::Signal::from_named_raw(signal) else {
        return Err(LifeError::Argument(format!("signal {signal} cannot be sent")));
    };
    let sent = pidfd_send_signal(pidfd, signal);
    if signal == rustix::process::Signal::KILL {
        // One that stands still is ended by v1's freezer only once it goes on.
        super::pause::thaw(spec, &state)?;
    }
    match sent {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(e) => Err(system("send a signal")(e)),
    }
}
