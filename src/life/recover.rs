//! What every command does first: finds containers whose monitor is gone, and sets that right.

use super::attach::{End, first_word};
use super::error::LifeError;
use super::folder::{Folder, Lock, Root};
use super::monitor;
use super::spec::{Spec, TargetKind};
use super::state::{State, Status};
use super::volume;
use crate::sys::pidfd::zombie_exit_code;
use std::time::{Duration, Instant};

/// Containers whose workload still runs get a new monitor; of the others the end is written down, and those with
/// `--rm` are removed. What killed commands left half made goes, too.
pub fn recover(root: &Root) -> Result<(), LifeError> {
    root.clear_leavings()?;
    let mut first = Ok(());
    for (folder, spec) in root.all()? {
        match one(&folder, &spec) {
            // Its monitor, or another command, was quicker.
            Err(LifeError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            other if first.is_ok() => first = other,
            _ => {}
        }
    }
    first
}

fn one(folder: &Folder, spec: &Spec) -> Result<(), LifeError> {
    if folder.state()?.status == Status::Exited {
        // A monitor that was killed between the end and the removal.
        return if spec.remove && folder.claim()?.is_some() { volume::gone(folder, spec) } else { Ok(()) };
    }
    let before = folder.state()?;
    if before.status == Status::Created && before.monitor.pid == 0 {
        // Made by `create`, or by a `run` that was killed before it started anything: `start` and `rm` take it up.
        return Ok(());
    }
    let Some(lock) = place_of_dead(folder)? else { return Ok(()) };
    let state = folder.state()?;
    match state.status {
        Status::Exited => Ok(()),
        Status::Running if state.process.is_alive() && spec.target != TargetKind::Microvm => {
            let mut socket = super::run::watch(folder, lock, true)?;
            match first_word(&mut socket)? {
                End::Failed(_, text) => Err(LifeError::NotStarted { code: 125, text }),
                _ => Ok(()),
            }
        }
        _ => settle(folder, spec, state),
    }
}

/// The monitor's place, if it is free. A killed monitor may be dead and its last thread not yet, or the runtime that it was
/// starting the workload by: that takes a moment.
fn place_of_dead(folder: &Folder) -> Result<Option<Lock>, LifeError> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(lock) = folder.claim()? {
            return Ok(Some(lock));
        }
        let monitor = folder.state()?.monitor;
        if monitor.pid == 0 || monitor.is_alive() || Instant::now() > until {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn settle(folder: &Folder, spec: &Spec, mut state: State) -> Result<(), LifeError> {
    // One that nobody has reaped yet still tells.
    let ended = state.process;
    let mut code = state.exit_code.or_else(|| zombie_exit_code(ended.pid, ended.start_time));
    if state.status == Status::Created || spec.target == TargetKind::Microvm {
        code = state.exit_code;
    }
    if code.is_none() {
        state.error = "its monitor was killed, and nobody saw how it ended".into();
        if spec.target == TargetKind::Microvm && state.status == Status::Running {
            state.error = "its monitor was killed, and the machine with it".into();
            code = Some(128 + libc::SIGKILL);
        }
    }
    monitor::settle(folder, spec, state, code)?;
    if spec.remove { volume::gone(folder, spec) } else { Ok(()) }
}
