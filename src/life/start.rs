//! `start`: a container that was made, or has ended, once more: with the files that it has written, and its log goes on.

use super::error::{LifeError, io};
use super::folder::{Folder, Lock};
use super::run::watch;
use super::spec::Spec;
use super::state::{State, Status};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// For a monitor that is about to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts it; the socket is its monitor's client. None: it runs already.
pub fn start(folder: &Folder, spec: &Spec) -> Result<Option<UnixStream>, LifeError> {
    let Some(lock) = place(folder)? else { return Ok(None) };
    if folder.state()?.status == Status::Running {
        let is = "running, and nobody watches it yet".to_owned();
        return Err(LifeError::State { verb: "start", id: spec.short_id().to_owned(), is });
    }
    // Nothing of the last time counts any more.
    folder.save(&State::default())?;
    super::health::forget(folder)?;
    watch(folder, lock, false).map(Some)
}

/// The monitor's place, once it is free; none where one runs.
fn place(folder: &Folder) -> Result<Option<Lock>, LifeError> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(lock) = folder.claim()? {
            return Ok(Some(lock));
        }
        if folder.state()?.status == Status::Running {
            return Ok(None);
        }
        if Instant::now() > until {
            return Err(io("start", folder.path())(std::io::Error::from(std::io::ErrorKind::WouldBlock)));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
