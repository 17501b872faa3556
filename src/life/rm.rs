//! `rm`: everything of a container goes.

use super::error::LifeError;
use super::folder::Folder;
use super::spec::Spec;
use super::state::Status;
use super::stop::stop;
use std::time::{Duration, Instant};

/// For the monitor to be gone after the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Removes it; with `force` one that runs, too.
pub fn rm(folder: &Folder, spec: &Spec, force: bool) -> Result<(), LifeError> {
    let state = folder.state()?;
    if state.status != Status::Exited {
        if !force {
            let is = format!("{} - it has to be stopped first, or removed with force", state.status.as_str());
            return Err(LifeError::State { verb: "remove", id: spec.short_id().to_owned(), is });
        }
        stop(folder, spec, Some(libc::SIGKILL), Duration::from_secs(1))?;
    }
    // The monitor has a word left for its client; it needs nothing of the folder for that.
    let until = Instant::now() + PATIENCE;
    while folder.path().exists() && folder.is_watched()? && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    folder.remove()
}
