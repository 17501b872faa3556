//! `rm`: everything of a container goes.

use super::error::LifeError;
use super::folder::Folder;
use super::spec::Spec;
use super::state::Status;
use super::stop::stop;
use super::volume;
use std::time::{Duration, Instant};

/// For the monitor to be gone after the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Removes it; with `force` one that runs, too.
/// `volumes`: with those of its volumes that nobody gave a name.
pub fn rm(folder: &Folder, spec: &Spec, force: bool, volumes: bool) -> Result<(), LifeError> {
    let state = folder.state()?;
    let never_started = state.status == Status::Created && !state.monitor.is_alive();
    if state.status != Status::Exited && !never_started {
        if !force {
            let paused = super::pause::is_paused(spec, &state);
            let is = if paused { "paused" } else { state.status.as_str() };
            let is = format!("{is} - it has to be stopped first, or removed with force");
            return Err(LifeError::State { verb: "remove", id: spec.short_id().to_owned(), is });
        }
        stop(folder, spec, Some(libc::SIGKILL), Duration::from_secs(1))?;
    }
    // The monitor has a word left for its client; it needs nothing of the folder for that.
    let until = Instant::now() + PATIENCE;
    while folder.path().exists() && folder.is_watched()? && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    if volumes { volume::gone(folder, spec) } else { folder.remove() }
}
