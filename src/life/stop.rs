//! `stop`: asks, and then forces.

use super::error::LifeError;
use super::folder::Folder;
use super::kill::kill;
use super::spec::Spec;
use super::state::Status;
use super::wait::wait;
use std::time::Duration;

/// The image's stop signal, and SIGKILL after `patience`. One that does not run is no error.
pub fn stop(folder: &Folder, spec: &Spec, signal: Option<i32>, patience: Duration) -> Result<(), LifeError> {
    if folder.state()?.status != Status::Running {
        return Ok(());
    }
    super::pause::thaw(spec, &folder.state()?)?;
    let asked = kill(folder, spec, signal.unwrap_or(spec.stop_signal), "stop");
    if gone_meanwhile(folder, asked)? || ended(folder, Some(patience))? {
        return Ok(());
    }
    let forced = kill(folder, spec, libc::SIGKILL, "stop");
    if !gone_meanwhile(folder, forced)? {
        ended(folder, None)?;
    }
    Ok(())
}

/// One with --rm may vanish at any moment, which is what was wanted.
fn gone_meanwhile(folder: &Folder, result: Result<(), LifeError>) -> Result<bool, LifeError> {
    match result {
        Ok(()) => Ok(false),
        Err(_) if folder.state().map_or(true, |s| s.status == Status::Exited) => Ok(true),
        Err(e) => Err(e),
    }
}

fn ended(folder: &Folder, patience: Option<Duration>) -> Result<bool, LifeError> {
    match wait(folder, patience) {
        Ok(code) => Ok(code.is_some()),
        Err(_) if !folder.path().exists() => Ok(true),
        Err(e) => Err(e),
    }
}
