//! How a container's init comes into its cgroup, and who makes that.

use super::cgroup::{CgroupError, RunCgroup, join};
use super::config::{NamespaceKind, RuntimeConfig};
use super::error::RuntimeError;
use super::rootfs::Step;
use std::os::fd::OwnedFd;

/// What is left to do in the init.
pub struct Place<'a> {
    /// The cgroup.
    pub cgroup: &'a RunCgroup,
    task: Task,
}

enum Task {
    /// v1: makes it and joins it.
    Make,
    /// v1, in a user namespace: joins what the runtime has made and opened.
    Join(Vec<OwnedFd>),
    /// systemd does, and moves it, see [`super::systemd`]: it waits for that.
    Systemd,
    /// v2: nothing, it is born there. Or there is none.
    None,
}

/// `cgroup`, or none, with a warning, where it cannot be made and the container `may_lack` it: that of an ordinary user
/// (which root in a user namespace is, too) to whom none is delegated. Others are told by the error.
pub fn reachable(cgroup: RunCgroup, may_lack: bool) -> RunCgroup {
    if !may_lack || cgroup.may_be_made() {
        return cgroup;
    }
    super::warning::warn("no cgroup is delegated to this user: the container runs without limits");
    cgroup.nowhere()
}

impl<'a> Place<'a> {
    /// Before the clone: makes the cgroup where the init cannot.
    pub fn prepare(
        cgroup: &'a RunCgroup,
        config: &RuntimeConfig,
        by_systemd: bool,
    ) -> Result<Self, RuntimeError> {
        let mut place = Self { cgroup, task: Task::Make };
        // Here, as the init cannot see processes that are not of its pid namespace.
        cgroup.refuse_if_in_use()?;
        if by_systemd {
            place.task = Task::Systemd;
        } else if cgroup.is_nowhere() {
            place.task = Task::None;
        } else if cgroup.hierarchies().is_v2() {
            place.make(config)?;
            place.task = Task::None;
        } else if config.namespace(NamespaceKind::User).is_some() {
            place.make(config)?;
            place.task = Task::Join(cgroup.open_tasks()?);
        }
        Ok(place)
    }

    /// Whether the init has to be there before its cgroup is.
    pub fn is_by_systemd(&self) -> bool {
        matches!(self.task, Task::Systemd)
    }

    fn make(&self, config: &RuntimeConfig) -> Result<(), CgroupError> {
        self.cgroup.make_for(&config.linux.resources)
    }

    /// In the init, before anything is mounted.
    pub fn enter(&self, config: &RuntimeConfig) -> Result<(), Step> {
        let joined = |e| Step::new("join", "the cgroup", e);
        match &self.task {
            Task::Make => {
                let opened = self.make(config).and_then(|()| self.cgroup.open_tasks());
                join(&opened.map_err(|e| Step::told("cgroup", &e))?).map_err(joined)
            }
            Task::Join(tasks) => join(tasks).map_err(joined),
            Task::Systemd | Task::None => Ok(()),
        }
    }
}
