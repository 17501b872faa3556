//! `stop`: asks, and then forces.

use super::error::LifeError;
use super::folder::Folder;
use super::kill::kill;
use super::spec::Spec;
use super::state::Status;
use super::wait::wait;
use std::time::{Duration, Instant};

/// The image's stop signal, and SIGKILL after `patience`. One that does not run is no error.
pub fn stop(folder: &Folder, spec: &Spec, signal: Option<i32>, patience: Duration) -> Result<(), LifeError> {
    if !runs(folder, spec, patience)? {
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

/// Whether it runs. One that is being started is waited for: it would run on once it is.
fn runs(folder: &Folder, spec: &Spec, patience: Duration) -> Result<bool, LifeError> {
    let until = Instant::now() + patience;
    loop {
        let state = folder.state()?;
        if state.status != Status::Created || !state.monitor.is_alive() {
            return Ok(state.status == Status::Running);
        }
        if Instant::now() > until {
            let is = "still being started - try again, or remove it with force".to_owned();
            return Err(LifeError::State { verb: "stop", id: spec.short_id().to_owned(), is });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
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
