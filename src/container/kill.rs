//! `kill` and `delete`.

use super::cgroup::RunCgroup;
use super::error::{RuntimeError, system};
use super::state::{StateDir, Status};
use nix::sys::signal::Signal;
use std::path::Path;
use std::str::FromStr;

/// A signal by number or name, with or without SIG.
pub fn parse_signal(text: &str) -> Result<Signal, RuntimeError> {
    let unknown = |_| RuntimeError::Signal(text.to_owned());
    if let Ok(number) = text.parse::<i32>() {
        return Signal::try_from(number).map_err(unknown);
    }
    let name = text.to_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    Signal::from_str(&name).map_err(unknown)
}

/// Sends a signal to the init, or to every process of the container.
pub fn kill(root: &Path, id: &str, signal: Signal, all: bool) -> Result<(), RuntimeError> {
    let dir = StateDir::open(root, id)?;
    let saved = dir.load()?;
    let send = |pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
    if all {
        for pid in RunCgroup::open_at(&saved.cgroups_path)?.pids()? {
            let _ = send(pid);
        }
        return Ok(());
    }
    if dir.status(&saved) == Status::Stopped {
        return Err(RuntimeError::State {
            id: id.to_owned(),
            is: "stopped".into(),
            wanted: "created or running",
        });
    }
    send(saved.pid).map_err(system("kill"))
}

/// Removes a stopped container; with `force` one that still runs, too, and one that does not exist is no error.
pub fn delete(root: &Path, id: &str, force: bool) -> Result<(), RuntimeError> {
    let dir = match StateDir::open(root, id) {
        Err(RuntimeError::NotFound { .. }) if force => return Ok(()),
        other => other?,
    };
    let saved = match dir.load() {
        Ok(saved) => saved,
        // A create that was killed half way has a folder and no state.
        Err(_) if force => return dir.remove(),
        Err(e) => return Err(e),
    };
    let status = dir.status(&saved);
    if status != Status::Stopped && !force {
        return Err(RuntimeError::State { id: id.to_owned(), is: status.as_str().into(), wanted: "stopped" });
    }
    RunCgroup::open_at(&saved.cgroups_path)?.clear()?;
    dir.remove()
}
