//! What every command does first: finds containers whose monitor is gone, and sets that right.

use super::attach::{End, first_word};
use super::error::LifeError;
use super::folder::{Folder, Root};
use super::monitor;
use super::spec::{Spec, TargetKind};
use super::state::{State, Status};

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
        return if spec.remove && folder.claim()?.is_some() { folder.remove() } else { Ok(()) };
    }
    let Some(lock) = folder.claim()? else { return Ok(()) };
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

fn settle(folder: &Folder, spec: &Spec, mut state: State) -> Result<(), LifeError> {
    let mut code = state.exit_code;
    if code.is_none() {
        state.error = "its monitor was killed, and nobody saw how it ended".into();
        if spec.target == TargetKind::Microvm && state.status == Status::Running {
            state.error = "its monitor was killed, and the machine with it".into();
            code = Some(128 + libc::SIGKILL);
        }
    }
    monitor::settle(folder, spec, state, code)?;
    if spec.remove { folder.remove() } else { Ok(()) }
}
