//! A run that has been started.

use super::error::TargetError;
use super::event::{Event, EventKind};
use super::place::Undo;
use crate::machine::RunningMachine;
use crate::sys::clock::monotonic_ns;
use crate::sys::spawn::Child;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// A started run. Dropping it kills and reaps what is left of it.
pub struct Running {
    /// CLOCK_MONOTONIC right before the first clone3.
    pub t0_ns: u64,
    /// When that call returned: the first program of the target has been executed.
    pub spawned_ns: u64,
    /// Where a server in it is reached.
    pub address: Ipv4Addr,
    pub(super) undo: Undo,
    pub(super) body: Body,
}

pub(super) enum Body {
    Program {
        child: Arc<Child>,
        events: Receiver<Event>,
        trace: Option<PathBuf>,
        threads: Vec<std::thread::JoinHandle<()>>,
        reaped: bool,
    },
    Machine {
        machine: Box<RunningMachine>,
        /// Configured RAM, for the share that the guest's kernel keeps.
        memory_bytes: u64,
    },
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// Exit code of the workload, where it gave one.
    pub exit_code: Option<i32>,
}

impl Running {
    /// Waits for the next event. None after `timeout`.
    pub fn next(&mut self, timeout: Duration) -> Option<Event> {
        match &mut self.body {
            Body::Program { events, reaped, .. } => match events.recv_timeout(timeout) {
                Ok(event) => {
                    *reaped |= matches!(event.kind, EventKind::Exited { .. });
                    Some(event)
                }
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    Some(Event { at_ns: monotonic_ns(), kind: EventKind::Closed { error: String::new() } })
                }
            },
            Body::Machine { machine, .. } => super::in_guest::next_event(machine, timeout),
        }
    }

    /// The channel's latency, and what only a machine can tell: (metric, value in its unit).
    pub fn own_figures(&mut self) -> Result<Vec<(&'static str, f64)>, TargetError> {
        match &mut self.body {
            Body::Program { .. } => {
                let failed = |source| TargetError::System { step: "measure the channel", source };
                Ok(vec![("channel_ms", super::output::latency_ms().map_err(failed)?)])
            }
            Body::Machine { machine, memory_bytes } => super::in_guest::figures(machine, *memory_bytes),
        }
    }

    /// How much longer than other targets it may take until it is ready: a whole operating system comes up first.
    pub fn boot_allowance(&self) -> Duration {
        match &self.body {
            Body::Program { .. } => Duration::ZERO,
            Body::Machine { machine, .. } => machine.boot_allowance(),
        }
    }

    /// Whether an end is told after all output that came before it, because both come by one channel.
    pub fn tells_in_order(&self) -> bool {
        matches!(self.body, Body::Machine { .. })
    }

    /// Milestones that the target wrote to a file instead of sending them.
    pub fn written_milestones(&self) -> Vec<Event> {
        match &self.body {
            Body::Program { trace: Some(path), .. } => super::trace::milestones(path),
            _ => Vec::new(),
        }
    }

    /// Asks the workload to end with SIGTERM, kills it at the deadline, and waits until it is reaped.
    pub fn stop(&mut self, deadline: Duration) -> Result<Gone, TargetError> {
        match &mut self.body {
            Body::Program { .. } => self.stop_program(deadline),
            Body::Machine { machine, .. } => Ok(Gone { exit_code: machine.stop(deadline)? }),
        }
    }

    fn stop_program(&mut self, deadline: Duration) -> Result<Gone, TargetError> {
        let Body::Program { child, events, reaped, .. } = &mut self.body else {
            return Ok(Gone { exit_code: None });
        };
        let system = |step| move |source| TargetError::System { step, source };
        if *reaped {
            return Ok(Gone { exit_code: None });
        }
        child.signal(libc::SIGTERM).map_err(system("send SIGTERM"))?;
        if !child.ended_within(deadline) {
            child.signal(libc::SIGKILL).map_err(system("send SIGKILL"))?;
        }
        while let Ok(event) = events.recv_timeout(Duration::from_secs(10)) {
            if let EventKind::Exited { code } = event.kind {
                *reaped = true;
                return Ok(Gone { exit_code: Some(code) });
            }
        }
        Ok(Gone { exit_code: None })
    }

    /// Kills what is left, waits for its threads and removes what arming made (mounts, links): the end of the run.
    pub fn finish(&mut self) -> Result<(), TargetError> {
        let quit = match &mut self.body {
            Body::Program { threads, .. } => {
                for thread in threads.drain(..) {
                    let _ = thread.join();
                }
                Ok(())
            }
            Body::Machine { machine, .. } => machine.quit(),
        };
        let undone = self.undo.run();
        Ok(quit?).and(undone)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Body::Program { child, reaped: false, .. } = &self.body {
            let _ = child.signal(libc::SIGKILL);
        }
    }
}

/// Waits for the child on a thread of its own and reports its end with a stamp.
pub(super) fn watch(child: &Arc<Child>, events: Sender<Event>) -> std::thread::JoinHandle<()> {
    let child = Arc::clone(child);
    std::thread::spawn(move || {
        let kind = match child.wait() {
            Ok(code) => EventKind::Exited { code },
            Err(e) => EventKind::Closed { error: format!("wait for process {}: {e}", child.pid) },
        };
        let _ = events.send(Event { at_ns: monotonic_ns(), kind });
    })
}
