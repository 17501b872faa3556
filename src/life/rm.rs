//! `rm`: everything of a container goes, once nobody makes more of it.

use super::error::LifeError;
use super::folder::{Folder, Lock};
use super::recover;
use super::spec::Spec;
use super::state::{State, Status};
use super::stop::stop;
use super::volume;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::time::{Duration, Instant};

/// For the monitor to be gone after the end.
const PATIENCE: Duration = Duration::from_secs(5);
/// For a monitor to say its first word, and for the runtime of a killed one to end.
const START: Duration = Duration::from_secs(10);

/// Removes it; with `force` one that runs or is being started, too.
/// `volumes`: with those of its volumes that nobody gave a name.
pub fn rm(folder: &Folder, spec: &Spec, force: bool, volumes: bool) -> Result<(), LifeError> {
    // Held until all is gone, so that nobody starts it meanwhile.
    let mut _place = None;
    if folder.state()?.status == Status::Created {
        _place = not_started(folder, spec, force)?;
        if !folder.path().exists() {
            // One with --rm.
            return Ok(());
        }
    }
    let state = folder.state()?;
    if state.status == Status::Running {
        if !force {
            let paused = super::pause::is_paused(spec, &state);
            let is = if paused { "paused" } else { state.status.as_str() };
            return Err(refused(spec, format!("{is} - it has to be stopped first, or removed with force")));
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

fn refused(spec: &Spec, is: String) -> LifeError {
    LifeError::State { verb: "remove", id: spec.short_id().to_owned(), is }
}

/// The place of the monitor of one that does not run yet; none if it does by now. A monitor that is at work is killed by
/// force, and what it made so far is removed: it may take long, and must not go on below a folder that is gone.
fn not_started(folder: &Folder, spec: &Spec, force: bool) -> Result<Option<Lock>, LifeError> {
    let until = Instant::now() + START;
    loop {
        let place = folder.claim()?;
        let state = folder.state()?;
        match (place, state.status) {
            (_, Status::Running | Status::Exited) => return Ok(None),
            (Some(place), Status::Created) => {
                if state.monitor.pid != 0 {
                    recover::settle(folder, spec, state)?;
                }
                return Ok(Some(place));
            }
            (None, Status::Created) if state.monitor.is_alive() => {
                if !force {
                    let is = "being started - it can be removed with force";
                    return Err(refused(spec, is.to_owned()));
                }
                kill_monitor(&state);
            }
            // A command that has made the folder and starts the monitor, or what a killed one was starting.
            (None, Status::Created) => {}
        }
        if Instant::now() > until {
            let is = "being started by a command or a runtime that has not ended for ten seconds - try again";
            return Err(refused(spec, is.to_owned()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kill_monitor(state: &State) {
    let pidfd = Pid::from_raw(state.monitor.pid).map(|p| pidfd_open(p, PidfdFlags::empty()));
    let Some(Ok(pidfd)) = pidfd else { return };
    if state.monitor.is_alive() {
        // One that has ended meanwhile is what is wanted.
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }
}
