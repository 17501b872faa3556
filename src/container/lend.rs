//! A start in which the init runs on the runtime's memory ([`vfork`]) and the runtime's half of the work is done by a thread
//! meanwhile: the network namespace, which takes the kernel as long as everything else together, the state, the filter.
//!
//! ```text
//! runtime   plan ─ clone ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ stands still ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ goes on
//! init                   └ cgroup ─ mounts ─ … ─ sysfs, cgroups ─ masks ─ … ─ exec
//! thread    └ network ───────────────────────┘ state ─ filter ───────────┘
//! ```
//!
//! Memory is one, so what the thread leaves there is the init's as well; descriptors are not, hence the socket.

use super::cgroup::RunCgroup;
use super::config::{NamespaceKind, RuntimeConfig};
use super::error::{RuntimeError, system};
use super::launch::{Started, StartedFn, discarding, end, plan, planned};
use super::sync::{self, Line};
use super::trace::{Span, Trace};
use super::{idmap, init, launch::Wish, namespaces, network, seccomp};
use crate::sys::process::{exit_now, not_dumpable};
use crate::sys::vfork;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::thread::Builder;

/// Of the thread; what is not touched costs nothing.
const STACK: usize = 256 << 10;

/// Whether the init may run on the runtime's memory: it has no question to the runtime, and nobody is in its pid namespace
/// who could look into it.
pub fn may_lend(wish: &Wish, rootless: bool) -> bool {
    let config = wish.config;
    let own_pids = config.namespace(NamespaceKind::Pid).is_some_and(|n| n.path.is_none());
    let hooks = config.hooks.as_ref().is_some_and(|h| !h.is_empty());
    // The kernel lets a process change these two only while nobody shares its memory.
    let alone = [NamespaceKind::User, NamespaceKind::Time].iter().any(|k| config.namespace(*k).is_some());
    // Which are made by a fork, and that is for a process of one thread.
    let forks = config.mounts.iter().any(idmap::is_wanted);
    // Who has to be told of the filter has to be known before it is compiled.
    let told = config.linux.seccomp.as_ref().is_some_and(|s| s.listener_path.is_some());
    let quiet = wish.gate.is_none() && wish.console.is_none() && wish.scope.is_none() && !hooks && !told;
    own_pids && quiet && !rootless && !alone && !forks
}

/// Starts the init so, in its cgroup. On an error neither is left.
pub fn start_lending(
    wish: Wish,
    trace: &mut Trace,
    started: StartedFn,
) -> Result<(RunCgroup, Started), RuntimeError> {
    let (ours, theirs) = sync::pair()?;
    let (pid, filter) = (OnceLock::new(), OnceLock::new());
    let half = Half { config: wish.config, init: &ours, pid: &pid, filter: &filter, trace: trace.again() };
    // The thread hardly allocates.
    crate::sys::process::one_arena();
    std::thread::scope(|scope| {
        // Before all else, as its half is the longer one.
        let thread = Builder::new().stack_size(STACK).spawn_scoped(scope, || half.run(started));
        let thread = thread.map_err(system("make a thread"))?;
        let cgroup = planned(&wish, false);
        let unplanned = |_: &RuntimeError| {
            let _ = pid.set(None);
        };
        discarding(cgroup.inspect_err(unplanned)?, |cgroup| {
            let init = lend(wish, cgroup, &filter, (&ours, theirs), &pid, trace);
            // Where there was no clone the thread still waits for its outcome.
            let _ = pid.set(None);
            let ended = |_| Err(RuntimeError::Init("its other half ended".into()));
            let aside = thread.join().unwrap_or_else(ended);
            let (pid, pidfd, result) = init?;
            // Why the thread failed is why the init did.
            let result = aside.and_then(|aside| Ok(Started { pid, init: result?, aside }));
            result.inspect_err(|_| end(pid, &pidfd))
        })
    })
}

type Lent = (i32, OwnedFd, Result<Vec<Span>, RuntimeError>);

/// The clone, and what the init says once it has executed the workload or ended.
fn lend(
    wish: Wish,
    cgroup: &RunCgroup,
    filter: &OnceLock<seccomp::Filter>,
    (ours, theirs): (&OwnedFd, OwnedFd),
    started: &OnceLock<Option<i32>>,
    trace: &mut Trace,
) -> Result<Lent, RuntimeError> {
    let flags = namespaces::clone_flags(wish.config, network::is_new(wish.config));
    let report = Cell::new(None);
    let line = Line::Shared { report: &report, from: theirs };
    let plan = plan(wish, filter, cgroup, false, line, trace)?;
    let born_in = cgroup.open_v2()?;
    // As in `start`; a user namespace has no part in this.
    not_dumpable().map_err(system("make the init undumpable"))?;
    let mut body = |pid| {
        // Or a runtime that is killed would be waited for without end: for its word, or for the lock of the one heap, which its
        // thread may have held. The signal is cleared before the exec.
        vfork::close_copy(ours.as_fd());
        if set_parent_process_death_signal(Some(Signal::KILL)).is_err() || sync::is_alone(&plan.sync) {
            exit_now(1);
        }
        let _ = started.set(Some(pid));
        init::run(&plan)
    };
    let (pid, pidfd) =
        vfork::run(flags, born_in.as_ref().map(AsRawFd::as_raw_fd), &mut body).map_err(system("clone3"))?;
    Ok((pid, pidfd, sync::judged(report.take())))
}

/// What the thread does.
struct Half<'a> {
    config: &'a RuntimeConfig,
    init: &'a OwnedFd,
    /// Of the init; none where there will be none.
    pid: &'a OnceLock<Option<i32>>,
    filter: &'a OnceLock<seccomp::Filter>,
    trace: Trace,
}

impl Half<'_> {
    fn run(mut self, started: StartedFn) -> Result<Vec<Span>, RuntimeError> {
        match self.steps(started) {
            Ok(()) => Ok(self.trace.into_spans()),
            Err(e) => {
                sync::give_up(self.init);
                Err(e)
            }
        }
    }

    fn steps(&mut self, started: StartedFn) -> Result<(), RuntimeError> {
        let network = network::is_new(self.config).then(network::move_into_new).transpose()?;
        self.trace.done("network");
        sync::go(self.init, network.as_ref())?;
        let Some(pid) = self.pid.wait() else { return Ok(()) };
        started(*pid)?;
        self.trace.done("state");
        if let Some(profile) = &self.config.linux.seccomp {
            let _ = self.filter.set(seccomp::compile(profile)?);
            self.trace.done("seccomp");
        }
        sync::go(self.init, None)
    }
}
