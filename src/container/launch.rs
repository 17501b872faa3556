//! The parent's side of a start: clone, mappings, what is made beside the init, the word to go, the child's report.
//!
//! A `run` without anything that the two have to agree on (hooks, a terminal, mapped ids, `start`) lends its memory to the
//! init, see [`super::lend`]. Else the init has a copy.
//! On v1 the init makes and joins its cgroups and mounts, while the runtime makes the network namespace and writes the
//! state: the two halves take about as long. Where the init may not (in a user namespace) or need not (v2, where it is
//! born in its cgroup), the runtime makes the cgroup before the clone.

use super::agent::Agent;
use super::cgroup::{self, RunCgroup};
use super::config::{NamespaceKind, RuntimeConfig};
use super::create::CreateOptions;
use super::error::{RuntimeError, system};
use super::init::Init;
use super::listen::Preserved;
use super::place::Place;
use super::state::Saved;
use super::sync::Line;
use super::systemd::Scope;
use super::trace::{Span, Trace};
use super::{hooks, id_map, idmap, init, lend, namespaces, network, place, rlimits, seccomp, sync};
use crate::sys::process::{self, Forked, fork_into};
use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

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
    /// Time line of what was done beside both.
    pub aside_spans: Vec<Span>,
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
    /// systemd makes the cgroup.
    pub scope: Option<&'a Scope>,
    /// Whether the runtime has no power over the host.
    pub rootless: bool,
    /// For the state that hooks get; its pid is not known yet.
    pub saved: &'a Saved,
}

/// Starts the init. `started` is called with its pid before the workload runs, to write what has to be on disk then.
/// On an error nothing is left.
pub fn launch(
    wish: Wish,
    mut trace: Trace,
    mut started: impl FnMut(i32) -> Result<(), RuntimeError> + Send,
) -> Result<Launched, RuntimeError> {
    let (rootless, scope) = (wish.rootless, wish.scope);
    let result = if lend::may_lend(&wish, rootless) {
        lend::start_lending(wish, &mut trace, &mut started)
    } else {
        let cgroup = planned(&wish, rootless)?;
        discarding(cgroup, |cgroup| start(wish, cgroup, rootless, &mut trace, &mut started))
    };
    if result.is_err() {
        scope.inspect(|scope| scope.abandon());
    }
    let (cgroup, Started { pid, init, aside }) = result?;
    trace.done("wait");
    Ok(Launched { pid, cgroup, spans: trace.into_spans(), init_spans: init, aside_spans: aside })
}

/// The cgroup that is to be made.
pub fn planned(wish: &Wish, rootless: bool) -> Result<RunCgroup, RuntimeError> {
    let config = wish.config;
    let lean = config.linux.cgroups_path.is_empty() && wish.scope.is_none();
    let cgroup = RunCgroup::plan_for(&wish.saved.cgroups_path, &config.linux.resources, lean)?;
    // Below a user's systemd of v2 it is that user's.
    let is_given = wish.scope.is_some() && cgroup.hierarchies().is_v2();
    let may_lack = wish.options.may_lack_cgroup.unwrap_or(rootless);
    Ok(if is_given { cgroup } else { place::reachable(cgroup, may_lack) })
}

/// The cgroup with what `start` has started in it. On an error it is removed.
pub fn discarding<T>(
    cgroup: RunCgroup,
    start: impl FnOnce(&RunCgroup) -> Result<T, RuntimeError>,
) -> Result<(RunCgroup, T), RuntimeError> {
    match start(&cgroup) {
        Ok(started) => Ok((cgroup, started)),
        Err(e) => {
            cgroup.discard();
            Err(e)
        }
    }
}

/// An init and the time lines.
pub struct Started {
    pub pid: i32,
    pub init: Vec<Span>,
    pub aside: Vec<Span>,
}

/// See [`launch`].
pub type StartedFn<'a> = &'a mut (dyn FnMut(i32) -> Result<(), RuntimeError> + Send);

fn start(
    wish: Wish,
    cgroup: &RunCgroup,
    rootless: bool,
    trace: &mut Trace,
    started: StartedFn,
) -> Result<Started, RuntimeError> {
    let (config, saved, gated, scope) = (wish.config, wish.saved, wish.gate.is_some(), wish.scope);
    let (ours, theirs) = sync::pair()?;
    let filter = OnceLock::new();
    if let Some(profile) = &config.linux.seccomp {
        let _ = filter.set(seccomp::compile(profile)?);
    }
    trace.done("seccomp");
    let plan = plan(wish, &filter, cgroup, rootless, Line::Socket(theirs), trace)?;
    let born_in = if scope.is_some() { None } else { cgroup.open_v2()? };
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
    let placed = || scope.map_or(Ok(()), |scope| scope.start(pid, cgroup, &config.linux.resources));
    let result = first_words(pid, config, scope.is_some(), &ours, placed)
        .and_then(|()| beside(config, rootless, &ours, trace, || started(pid)))
        .and_then(|()| sync::heard(&ours, gated, || hooks_of_runtime(config, &saved.state("creating", pid))));
    if result.is_err() {
        end(pid, &pidfd);
    }
    Ok(Started { pid, init: result?, aside: Vec::new() })
}

/// Everything that the init needs; the filter may still be on its way.
pub fn plan<'a>(
    wish: Wish<'a>,
    filter: &'a OnceLock<seccomp::Filter>,
    cgroup: &'a RunCgroup,
    rootless: bool,
    sync: Line<'a>,
    trace: &mut Trace,
) -> Result<Init<'a>, RuntimeError> {
    let Wish { options, bundle, config, gate, late, console, preserved, scope, saved, .. } = wish;
    let place = Place::prepare(cgroup, config, scope.is_some())?;
    trace.done("cgroup");
    let agent = Agent::connect(config.linux.seccomp.as_ref(), saved, "creating")?;
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

/// What the init waits for before it does anything: its ids, and a cgroup that has to be made around it.
fn first_words(
    pid: i32,
    config: &RuntimeConfig,
    by_systemd: bool,
    init: &OwnedFd,
    placed: impl FnOnce() -> Result<(), RuntimeError>,
) -> Result<(), RuntimeError> {
    let mapped = config.namespace(NamespaceKind::User).is_some();
    if mapped {
        rlimits::set_of(pid, &config.process.rlimits)?;
        id_map::write(pid, &config.linux.uid_mappings, &config.linux.gid_mappings)?;
    }
    placed()?;
    if mapped || by_systemd { sync::go(init, None) } else { Ok(()) }
}

/// What the runtime does while the init mounts.
fn beside(
    config: &RuntimeConfig,
    rootless: bool,
    init: &OwnedFd,
    trace: &mut Trace,
    started: impl FnOnce() -> Result<(), RuntimeError>,
) -> Result<(), RuntimeError> {
    let network = network::is_made_beside(config, rootless).then(network::make).transpose()?;
    trace.done("network");
    started()?;
    trace.done("state");
    sync::go(init, network.as_ref())
}

/// After an error: the init does not outlive it.
pub fn end(pid: i32, pidfd: &OwnedFd) {
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

/// `linux.cgroupsPath`, or `/<id>`; for an ordinary user on v2 `<id>` beside the user's own cgroup, because that is where
/// something may be delegated. (Below the own one, which has processes, no controller could be enabled.)
pub fn cgroups_path(config: &RuntimeConfig, id: &str, rootless: bool) -> String {
    let path = config.linux.cgroups_path.as_str();
    if !path.is_empty() {
        return path.to_owned();
    }
    let above = if rootless { cgroup::parent_of_own() } else { None };
    format!("{}/{id}", above.unwrap_or_default())
}
