//! `exec`: another process in a running container.

use super::agent::Agent;
use super::cgroup::{CgroupError, RunCgroup};
use super::config::{NamespaceKind, Process, RuntimeConfig};
use super::console::{self, Console};
use super::error::{RuntimeError, io, system};
use super::exec_child::{self, Joining};
use super::state::{Saved, StateDir, Status};
use super::{exec_process, listen, namespaces, relay, seccomp, sync, systemd};
use crate::sys::process::{
    Forked, catch_signals, fork_into, forward_to, is_rootless, not_dumpable, wait_for,
};
use nix::sched::{CloneFlags, setns};
use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

pub use super::exec_process::Changes;

/// What `exec` is given.
#[derive(Debug, Clone, Default)]
pub struct ExecOptions {
    /// Container's id.
    pub id: String,
    /// Where states are kept.
    pub root: PathBuf,
    /// File with a process in JSON, in place of `changes`.
    pub process: Option<PathBuf>,
    /// What differs from the container's own process.
    pub changes: Changes,
    /// Do not wait for its end.
    pub detach: bool,
    /// Gets its pid.
    pub pid_file: Option<PathBuf>,
    /// Gets the master of its terminal.
    pub console_socket: Option<PathBuf>,
    /// Descriptors that are handed through.
    pub preserve_fds: u32,
    /// Also in a paused container, where it waits.
    pub ignore_paused: bool,
}

/// Runs it. Its exit code, or 128 + signal; 0 when detached.
pub fn exec(options: &ExecOptions) -> Result<i32, RuntimeError> {
    let dir = StateDir::open(&options.root, &options.id)?;
    let saved = dir.load()?;
    match dir.status(&saved) {
        Status::Created | Status::Running => {}
        Status::Paused if options.ignore_paused => {}
        Status::Stopped => return Err(RuntimeError::NotRunning { id: options.id.clone() }),
        Status::Paused => {
            let id = options.id.clone();
            return Err(RuntimeError::State { id, is: "paused".into(), wanted: "created or running" });
        }
    }
    let config = dir.config()?;
    let process = exec_process::process(options.process.as_deref(), &options.changes, &config)?;
    let console = console::open(process.terminal, options.console_socket.as_deref(), !options.detach)?;
    if !options.detach {
        catch_signals(&super::run::FORWARDED);
    }
    let pid = start(options, &saved, &config, &process, console.as_ref())?;
    if let Some(path) = &options.pid_file {
        std::fs::write(path, pid.to_string()).map_err(io("write", path))?;
    }
    if options.detach {
        return Ok(0);
    }
    forward_to(pid);
    if let Some(ours) = console.and_then(|c| c.ours) {
        relay::copy(relay::receive(&ours)?, pid)?;
    }
    super::run::wait(pid)
}

fn start(
    options: &ExecOptions,
    saved: &Saved,
    config: &RuntimeConfig,
    process: &Process,
    console: Option<&Console>,
) -> Result<i32, RuntimeError> {
    let preserved = listen::preserved(options.preserve_fds)?;
    let filter = config.linux.seccomp.as_ref().map(seccomp::compile).transpose()?;
    let agent = Agent::connect(config.linux.seccomp.as_ref(), saved, "running")?;
    let init = saved.hold()?;
    let cgroup = RunCgroup::open_at(&saved.cgroups_path)?;
    let born_in = cgroup.open_v2()?;
    let (ours, theirs) = sync::pair()?;
    let mut namespaces = namespaces::all_flags(config);
    if namespaces.contains(CloneFlags::CLONE_NEWUSER) && is_rootless() {
        // Only in it has an ordinary user rights over the others.
        setns(&init, CloneFlags::CLONE_NEWUSER).map_err(system("enter the user namespace"))?;
        namespaces.remove(CloneFlags::CLONE_NEWUSER);
    }
    let joining = Joining {
        init: &init,
        namespaces,
        tasks: cgroup.open_tasks()?,
        config,
        process,
        filter: filter.as_ref(),
        agent,
        console: console.map(|c| &c.to),
        preserved: &preserved,
        sync: sync::Line::Socket(theirs),
        // With the controllers in v1, systemd keeps its units in hierarchies of its own, which only it writes to. An ordinary
        // user's container is in no cgroup there.
        waits: Cell::new(saved.unit.is_some() && !cgroup.is_nowhere() && !cgroup.hierarchies().is_v2()),
    };
    if config.namespace(NamespaceKind::User).is_none() {
        // Before the clone, which hands it on: the container's processes see this one, and must not see into it, as it is
        // the runtime until the exec.
        not_dumpable().map_err(system("make the process undumpable"))?;
    }
    if config.namespace(NamespaceKind::Pid).is_some() {
        // A pid namespace takes in children only.
        setns(&init, CloneFlags::CLONE_NEWPID).map_err(system("enter the pid namespace"))?;
    }
    let pid = match fork(&joining, born_in.as_ref(), saved, &cgroup)? {
        Forked::Child => {
            drop(ours);
            exec_child::run(&joining)
        }
        Forked::Parent { pid, .. } => pid,
    };
    let waits = joining.waits.get();
    drop(joining);
    if let Some(unit) = saved.unit.as_deref().filter(|_| waits) {
        systemd::attach(unit, pid)?;
        sync::go(&ours, None)?;
    }
    match sync::heard(&ours, false, || Ok(())) {
        Ok(_) => Ok(pid),
        Err(e) => {
            while let Ok(None) = wait_for(pid) {}
            Err(e)
        }
    }
}

/// v2: the child is born in the container's cgroup. An ordinary user may do that only from below what is delegated to the
/// user; from elsewhere, as from a login's session, the user's systemd has to move it.
fn fork(
    joining: &Joining,
    born_in: Option<&OwnedFd>,
    saved: &Saved,
    cgroup: &RunCgroup,
) -> Result<Forked, RuntimeError> {
    match fork_into(0, born_in.map(AsRawFd::as_raw_fd)) {
        Err(e) if born_in.is_some() && e.raw_os_error() == Some(nix::libc::EACCES) => {
            if saved.unit.is_none() {
                let path = cgroup.dir("memory").unwrap_or_default();
                return Err(CgroupError::Outside { path }.into());
            }
            joining.waits.set(true);
            fork_into(0, None).map_err(system("clone3"))
        }
        other => other.map_err(system("clone3")),
    }
}
