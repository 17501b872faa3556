//! What the child of `exec` does: into the cgroup, into the namespaces, then as a container's init does.

use super::agent::Agent;
use super::cgroup::join;
use super::config::{Process, RuntimeConfig};
use super::confine::Confine;
use super::listen::Preserved;
use super::procfs::Procfs;
use super::rootfs::{self, Step};
use super::sync::{Line, Report, tell};
use super::terminal::Terminal;
use super::{scheduling, seccomp};
use crate::sys::process;
use nix::sched::CloneFlags;
use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Everything it needs, made before the clone.
pub struct Joining<'a> {
    /// The container's init, by a pidfd.
    pub init: &'a OwnedFd,
    /// Namespaces that the container has of its own.
    pub namespaces: CloneFlags,
    /// v1: files by which it joins the cgroups.
    pub tasks: Vec<OwnedFd>,
    /// The container's.
    pub config: &'a RuntimeConfig,
    /// What is to run.
    pub process: &'a Process,
    /// Compiled filter.
    pub filter: Option<&'a seccomp::Filter>,
    /// Who answers for the calls that it asks about.
    pub agent: Option<Agent<'a>>,
    /// Where the master of the terminal goes.
    pub console: Option<&'a OwnedFd>,
    /// Descriptors that it keeps.
    pub preserved: &'a Preserved,
    /// To the parent.
    pub sync: Line<'a>,
}

/// Runs in the child and never returns.
pub fn run(joining: &Joining) -> ! {
    let Err(step) = steps(joining);
    tell(&joining.sync, step.report());
    process::exit_now(255)
}

fn steps(j: &Joining) -> Result<Infallible, Step> {
    let named = |what: &'static str, object: &'static str| move |e| Step::new(what, object, e);
    nix::unistd::setsid().map_err(|e| named("make", "a session")(e.into()))?;
    let affinity = j.process.exec_cpu_affinity.clone().unwrap_or_default();
    scheduling::keep_on(&affinity.initial).map_err(named("set", "process.execCPUAffinity.initial"))?;
    join(&j.tasks).map_err(named("join", "the cgroup"))?;
    let procfs = Procfs::open()?;
    // All at once, so that the kernel takes the rights from the user namespace that is entered (setns(2), PID file
    // descriptors). Its root and working directory are then the container's.
    nix::sched::setns(j.init, j.namespaces.difference(CloneFlags::CLONE_NEWPID))
        .map_err(|e| named("enter", "the container's namespaces")(e.into()))?;
    scheduling::keep_on(&affinity.last).map_err(named("set", "process.execCPUAffinity.final"))?;
    if let Some(console) = j.console {
        let root = rootfs::open_root(Path::new("/"))?;
        Terminal::open(&root, j.process.console_size, j.process.user.uid)?.hand_over(console)?;
    }
    let confine = Confine {
        process: j.process,
        filter: j.filter,
        agent: j.agent.as_ref(),
        personality: j.config.linux.personality.as_ref(),
        preserve_fds: j.preserved.count,
        env: &j.preserved.env,
        home: super::home::is_ours_to_set(j.config),
        keyring: true,
        procfs: &procfs,
    };
    let program = confine.limit()?;
    tell(&j.sync, Report::Ready(Vec::new()));
    Err(confine.execute(&program))
}
