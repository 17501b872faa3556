//! `wait`: until a container has ended.

use super::change::Watch;
use super::error::LifeError;
use super::folder::Folder;
use super::recover::recover;
use super::state::Status;
use std::time::{Duration, Instant};

/// The exit code; -1 where nobody saw it. `Ok(None)`: `timeout` is over and it still runs.
pub fn wait(folder: &Folder, timeout: Option<Duration>) -> Result<Option<i32>, LifeError> {
    let until = timeout.map(|t| Instant::now() + t);
    // One with --rm is not removed before its code is read.
    let _reading = folder.reading()?;
    let watch = Watch::new(folder)?;
    loop {
        let state = folder.state()?;
        if state.status == Status::Exited {
            return Ok(Some(state.exit_code.unwrap_or(-1)));
        }
        let mut pause = Duration::from_secs(1);
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            pause = pause.min(left);
        }
        watch.wait(pause);
        // A monitor may be killed while it is waited for.
        if !folder.is_watched()? {
            recover(&folder.root())?;
        }
    }
}
