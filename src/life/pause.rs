//! `pause` and `unpause`: the freezer of its cgroup, on every target alike; of a machine QEMU stands still.

use super::error::LifeError;
use super::folder::Folder;
use super::spec::Spec;
use super::state::{State, Status};
use crate::container::cgroup::RunCgroup;
use crate::container::freezer;

fn cgroup(spec: &Spec) -> Result<RunCgroup, LifeError> {
    Ok(RunCgroup::open_joined(&spec.cgroup(), &["freezer"])?)
}

/// Whether it stands still.
pub fn is_paused(spec: &Spec, state: &State) -> bool {
    state.status == Status::Running
        && RunCgroup::open_at(&spec.cgroup()).is_ok_and(|c| freezer::is_frozen(&c))
}

/// Freezes (`on`) or thaws one that runs.
pub fn pause(folder: &Folder, spec: &Spec, on: bool) -> Result<(), LifeError> {
    let state = folder.state()?;
    let verb = if on { "pause" } else { "unpause" };
    let paused = is_paused(spec, &state);
    if state.status != Status::Running || paused == on {
        let is = if paused { "paused" } else { state.status.as_str() };
        return Err(LifeError::State { verb, id: spec.short_id().to_owned(), is: is.to_owned() });
    }
    let cgroup = cgroup(spec)?;
    if on {
        freezer::freeze(&cgroup)?
    } else {
        freezer::thaw(&cgroup)?
    }
    Ok(())
}

/// Lets it go on, where it stands still: before it is asked to end, as one that stands still hears nothing.
pub fn thaw(spec: &Spec, state: &State) -> Result<(), LifeError> {
    if is_paused(spec, state) {
        freezer::thaw(&cgroup(spec)?)?;
    }
    Ok(())
}
