//! The parent's side of a start: clone, mappings, what is made beside the init, the word to go, the child's report.
//!
//! A `run` without anything that the two have to agree on (hooks, a terminal, mapped ids, `start`) lends its memory to the
//! init and stands still meanwhile: no copy, no messages, no switching between them. Else both run side by side.
//! On v1 the init makes and joins its cgroups and mounts, while the runtime makes the network namespace and writes the
//! state: the two halves take about as long. Where the init may not (in a user namespace) or need not (v2, where it is
//! born in its cgroup), the runtime makes the cgroup before the clone.

use super::agent::Agent;
use super::cgroup::RunCgroup;
use super::config::{NamespaceKind, RuntimeConfig};
use super::create::CreateOptions;
use super::error::{RuntimeError, system};
use super::init::Init;
use super::listen::Preserved;
use super::place::Place;
use super::state::Saved;
use super::sync::Line;
use super::trace::{Span, Trace};
use super::{hooks, id_map, idmap, init, namespaces, network, place, rlimits, seccomp, sync};
use crate::sys::process::{self, Forked, exit_now, fork_into, in_user_namespace};
use crate::sys::vfork;
use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// A container whose init is about to execute the workload, or waits for `start`.
pub struct Launched {
    /// Of the init, in the runtime's pid namespace.
    pub pid: i32,
    /// Its cgroup.
    pub cgroup: RunCgroup,
    /// Time line of the runtime.
    pub spans: Vec<Span>,
    /// Time line of the init.
    pub init_spans: Vec<Span>,
}

/// What is to be started.
pub struct Wish<'a> {
    /// Of the verb.
    pub options: &'a CreateOptions,
    /// Absolute.
    pub bundle: &'a Path,
    /// What it says.
    pub config: &'a RuntimeConfig,
    /// With it the init waits for `start`.
    pub gate: Option<OwnedFd>,
    /// Gets what goes wrong behind the gate.
    pub late: Option<OwnedFd>,
    /// Where the master of the terminal goes.
    pub console: Option<&'a OwnedFd>,
    /// Descriptors that are handed through.
    pub preserved: &'a Preserved,
    /// For the state that hooks get; its pid is not known yet.
    pub saved: &'a Saved,
}

/// Starts the init. `started` is called with its pid before the workload runs, to write what has to be on disk then.
/// On an error nothing is left.
pub fn launch(
    wish: Wish,
    mut trace: Trace,
    mut started: impl FnMut(i32) -> Result<(), RuntimeError>,
) -> Result<Launched, RuntimeError> {
    let config = wish.config;
    let filter = config.linux.seccomp.as_ref().map(seccomp::compile).transpose()?;
    trace.done("seccomp");
    let (path, lean) = (cgroups_path(config, &wish.options.id), config.linux.cgroups_path.is_empty());
    let cgroup = RunCgroup::plan_for(&path, &config.linux.resources, lean)?;
    let rootless = !nix::unistd::geteuid().is_root() || in_user_namespace();
    let cgroup = place::reachable(cgroup, rootless);
    let start = if may_lend(&wish, rootless) { start_lending } else { start };
    match start(wish, filter, &cgroup, rootless, &mut trace, &mut started) {
        Ok((pid, init_spans)) => {
            trace.done("wait");
            Ok(Launched { pid, cgroup, spans: trace.into_spans(), init_spans })
        }
        Err(e) => {
            cgroup.discard();
            Err(e)
        }
    }
}

type Started = (i32, Vec<Span>);
type StartedFn<'a> = &'a mut dyn FnMut(i32) -> Result<(), RuntimeError>;

fn start(
    wish: Wish,
    filter: Option<seccomp::Filter>,
    cgroup: &RunCgroup,
    rootless: bool,
    trace: &mut Trace,
    started: StartedFn,
) -> Result<Started, RuntimeError> {
    let (config, saved, gated) = (wish.config, wish.saved, wish.gate.is_some());
    let (ours, theirs) = sync::pair()?;
    let plan = plan(wish, filter, cgroup, rootless, Line::Socket(theirs), trace)?;
    let born_in = cgroup.open_v2()?;
    if config.namespace(NamespaceKind::User).is_none() {
        // Before the clone, which hands it on: whoever shares the pid namespace does not see into the init, not even in
        // its first moment; the exec undoes it. In a user namespace its files in /proc would no longer be its own.
        process::not_dumpable().map_err(system("make the init undumpable"))?;
    }
    let flags = namespaces::clone_flags(config, network::is_made_beside(config, rootless));
    let (pid, pidfd) =
        match fork_into(flags, born_in.as_ref().map(AsRawFd::as_raw_fd)).map_err(system("clone3"))? {
            Forked::Child => {
                drop(ours);
                init::run(&plan)
            }
            Forked::Parent { pid, pidfd } => (pid, pidfd),
        };
    drop(plan);
    trace.done("clone");
    let result = beside(pid, config, rootless, &ours, trace, started)
        .and_then(|()| sync::heard(&ours, gated, || hooks_of_runtime(config, &saved.state("creating", pid))));
    if result.is_err() {
        end(pid, &pidfd);
    }
    Ok((pid, result?))
}

/// Everything that the init needs.
fn plan<'a>(
    wish: Wish<'a>,
    filter: Option<seccomp::Filter>,
    cgroup: &'a RunCgroup,
    rootless: bool,
    sync: Line<'a>,
    trace: &mut Trace,
) -> Result<Init<'a>, RuntimeError> {
    let Wish { options, bundle, config, gate, late, console, preserved, saved } = wish;
    let place = Place::prepare(cgroup, config)?;
    trace.done("cgroup");
    let agent = Agent::connect(config.linux.seccomp.as_ref(), filter.as_ref(), saved, "creating")?;
    let entered = namespaces::open(config)?;
    namespaces::enter_pid(&entered).map_err(system("enter the pid namespace"))?;
    let idmapped = idmap::prepare(config, bundle)?;
    let (no_pivot, keyring) = (options.no_pivot, !options.no_new_keyring);
    let (started, trace) = (Cell::new(false), trace.again());
    Ok(Init {
        config,
        bundle,
        entered,
        filter,
        agent,
        place,
        sync,
        gate,
        console,
        preserved,
        idmapped,
        no_pivot,
        rootless,
        keyring,
        saved,
        late,
        started,
        trace,
    })
}

/// Whether the init may run on the runtime's memory: it has nothing to ask of it, and nobody is in its pid namespace who
/// could look into it.
fn may_lend(wish: &Wish, rootless: bool) -> bool {
    let config = wish.config;
    let own_pids = config.namespace(NamespaceKind::Pid).is_some_and(|n| n.path.is_none());
    let hooks = config.hooks.as_ref().is_some_and(|h| !h.is_empty());
    // The kernel lets a process change these two only while nobody shares its memory.
    let alone = [NamespaceKind::User, NamespaceKind::Time].iter().any(|k| config.namespace(*k).is_some());
    own_pids && !hooks && !rootless && !alone && wish.gate.is_none() && wish.console.is_none()
}

/// As [`start`], by [`vfork`]. The init then also writes the state, as the runtime stands still.
fn start_lending(
    wish: Wish,
    filter: Option<seccomp::Filter>,
    cgroup: &RunCgroup,
    rootless: bool,
    trace: &mut Trace,
    started: StartedFn,
) -> Result<Started, RuntimeError> {
    let flags = namespaces::clone_flags(wish.config, false);
    let (report, unsaved) = (Cell::new(None), Cell::new(None));
    let plan = plan(wish, filter, cgroup, rootless, Line::Shared(&report), trace)?;
    let born_in = cgroup.open_v2()?;
    // As in `start`; a user namespace has no part in this.
    process::not_dumpable().map_err(system("make the init undumpable"))?;
    let mut body = |pid| {
        if let Err(e) = started(pid) {
            unsaved.set(Some(e));
            exit_now(1)
        }
        init::run(&plan)
    };
    let (pid, pidfd) =
        vfork::run(flags, born_in.as_ref().map(AsRawFd::as_raw_fd), &mut body).map_err(system("clone3"))?;
    let result = unsaved.take().map_or_else(|| sync::judged(report.take()), Err);
    if result.is_err() {
        end(pid, &pidfd);
    }
    Ok((pid, result?))
}

/// What the runtime does while the init mounts.
fn beside(
    pid: i32,
    config: &RuntimeConfig,
    rootless: bool,
    init: &OwnedFd,
    trace: &mut Trace,
    started: StartedFn,
) -> Result<(), RuntimeError> {
    if config.namespace(NamespaceKind::User).is_some() {
        rlimits::set_of(pid, &config.process.rlimits)?;
        id_map::write(pid, &config.linux.uid_mappings, &config.linux.gid_mappings)?;
        sync::go(init, None)?;
    }
    let network = network::is_made_beside(config, rootless).then(network::make).transpose()?;
    trace.done("network");
    started(pid)?;
    trace.done("state");
    sync::go(init, network.as_ref())
}

/// After an error: the init does not outlive it.
fn end(pid: i32, pidfd: &OwnedFd) {
    let _ = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
    while let Ok(None) = process::wait_for(pid) {}
}

/// `prestart` and `createRuntime`: in the runtime's namespaces, once the container's are there and all is mounted.
fn hooks_of_runtime(config: &RuntimeConfig, state: &serde_json::Value) -> Result<(), RuntimeError> {
    let Some(all) = &config.hooks else { return Ok(()) };
    let state = state.to_string().into_bytes();
    hooks::run("prestart", &all.prestart, &state)?;
    Ok(hooks::run("createRuntime", &all.create_runtime, &state)?)
}

/// `linux.cgroupsPath`, or `/<id>`.
pub fn cgroups_path(config: &RuntimeConfig, id: &str) -> String {
    let path = config.linux.cgroups_path.as_str();
    if path.is_empty() { format!("/{id}") } else { path.to_owned() }
}
