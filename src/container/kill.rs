//! `kill` and `delete`.

use super::cgroup::RunCgroup;
use super::error::{RuntimeError, system};
use super::launch::cgroups_path;
use super::state::{Saved, StateDir, Status};
use super::{freezer, hooks, processes, systemd};
use crate::sys::process::is_rootless;
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
    let cgroup = RunCgroup::open_at(&saved.cgroups_path)?;
    if all {
        for pid in processes::of(&saved, &cgroup)? {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
        }
    } else {
        if dir.status(&saved) == Status::Stopped {
            return Err(RuntimeError::NotRunning { id: id.to_owned() });
        }
        let known = rustix::process::Signal::from_named_raw(signal as i32);
        let known = known.ok_or_else(|| RuntimeError::Signal(signal.to_string()))?;
        rustix::process::pidfd_send_signal(saved.hold()?, known).map_err(system("kill"))?;
    }
    // v1 ends a frozen task only once it is let go.
    if signal == Signal::SIGKILL && freezer::is_frozen(&cgroup) { freezer::thaw(&cgroup) } else { Ok(()) }
}

/// Ends and removes a container, hooks included.
pub(super) fn destroy(saved: &Saved, dir: StateDir) -> Result<(), RuntimeError> {
    let cgroup = RunCgroup::open_at(&saved.cgroups_path)?;
    if freezer::is_frozen(&cgroup) {
        for pid in cgroup.pids()? {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
        freezer::thaw(&cgroup)?;
    }
    end_init(saved);
    clear(saved, &cgroup)?;
    dir.remove()?;
    after(saved);
    Ok(())
}

/// Ends what is still in the cgroup of a container, and removes it.
pub(super) fn clear(saved: &Saved, cgroup: &RunCgroup) -> Result<(), RuntimeError> {
    if let Some(unit) = &saved.unit {
        systemd::stop(unit, cgroup)?;
    }
    Ok(cgroup.clear()?)
}

/// The init of a container that has no cgroup of its own any more is not in [`RunCgroup::clear`]'s reach.
fn end_init(saved: &Saved) {
    if let Ok(init) = saved.hold() {
        let _ = rustix::process::pidfd_send_signal(init, rustix::process::Signal::KILL);
    }
}

/// The hooks of a container that is gone. One that fails is told, and changes nothing (runtime.md, Lifecycle).
pub(super) fn after(saved: &Saved) {
    for failure in hooks::run_all("poststop", &saved.hooks.poststop, &saved.hook_state("stopped")) {
        super::warning::warn(&failure.to_string());
    }
}

/// Removes a stopped container; with `force` one that still runs, too, and one that does not exist is no error.
pub fn delete(root: &Path, id: &str, force: bool) -> Result<(), RuntimeError> {
    let dir = match StateDir::open(root, id) {
        Err(RuntimeError::NotFound { .. }) if force => return Ok(()),
        other => other?,
    };
    let saved = match dir.load() {
        Ok(saved) => saved,
        // A create that was killed half way has a folder and no state, and maybe a cgroup, which nobody lives in: an init
        // ends with its runtime.
        Err(_) if force => {
            let path = dir.config().ok().map(|c| cgroups_path(&c, id, is_rootless()));
            if let Some(cgroup) = path.and_then(|path| RunCgroup::open_at(&path).ok()) {
                cgroup.discard();
            }
            return dir.remove();
        }
        Err(e) => return Err(e),
    };
    let status = dir.status(&saved);
    if status != Status::Stopped && !force {
        return Err(RuntimeError::State { id: id.to_owned(), is: status.as_str().into(), wanted: "stopped" });
    }
    destroy(&saved, dir)
}
