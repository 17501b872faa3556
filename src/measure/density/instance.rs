//! One of many that run at the same time.

use super::super::error::MeasureError;
use super::{Settings, interrupted, ms};
use crate::sys::clock::monotonic_ns;
use crate::target::{Armed, EventKind, Place, Running, Target};
use crate::workload::Readiness;
use crate::workload::ready::LineWatch;
use std::time::Duration;

/// For one to end after SIGTERM.
const STOP: Duration = Duration::from_secs(10);

fn failed(step: &'static str) -> impl Fn(crate::target::TargetError) -> MeasureError {
    move |source| MeasureError::Target { step, source }
}

/// It has only to be launched.
pub(super) struct Waiting {
    armed: Armed,
    place: Place,
    line: LineWatch,
    name: String,
}

/// It runs.
pub(super) struct Instance {
    pub running: Running,
    pub place: Place,
    line: LineWatch,
    name: String,
    ready_ns: Option<u64>,
}

impl Instance {
    /// Its place and all before the launch, and the milliseconds that took.
    pub fn arm(
        target: &mut dyn Target,
        settings: &Settings,
        name: &str,
    ) -> Result<(Waiting, f64), MeasureError> {
        let from = monotonic_ns();
        let job = &settings.ready.job;
        let limits = target.outer_limits(job);
        let session = settings.session;
        let whole = format!("{}-{name}", session.name);
        let place =
            Place::create(&session.dir, &whole, &limits).map_err(failed("make an instance's place"))?;
        let line = match &settings.ready.workload.ready {
            Readiness::Line(text) => LineWatch::new(text),
            _ => LineWatch::new(""),
        };
        match target.arm(job, &place) {
            Ok(armed) => {
                Ok((Waiting { armed, place, line, name: name.to_owned() }, ms(monotonic_ns() - from)))
            }
            Err(e) => {
                let _ = place.remove();
                Err(failed("prepare an instance")(e))
            }
        }
    }

    /// Takes in what it told. An error if it has ended.
    fn look(&mut self, timeout: Duration) -> Result<(), MeasureError> {
        let Some(event) = self.running.next(timeout) else { return Ok(()) };
        let broke = |why: String| MeasureError::Broke { target: self.name.clone(), why };
        match event.kind {
            EventKind::Output { ref bytes, .. } => {
                if self.line.feed(bytes) {
                    self.ready_ns.get_or_insert(event.at_ns);
                }
            }
            EventKind::Exited { code } => return Err(broke(format!("it ended with code {code}"))),
            EventKind::Closed { error } => return Err(broke(error)),
            EventKind::Milestone { .. } => {}
        }
        Ok(())
    }

    /// Stops it and removes what is left of it.
    pub fn end(mut self) -> Result<(), MeasureError> {
        let stopped = self.running.stop(STOP).map_err(failed("stop an instance"));
        let killed = self.place.cgroup.kill_all();
        let finished = self.running.finish().map_err(failed("clean up an instance"));
        let removed = self.place.remove().map_err(failed("remove an instance's place"));
        killed.map_err(|e| MeasureError::System {
            step: "kill what is left of an instance",
            source: std::io::Error::other(e),
        })?;
        stopped.and(finished).and(removed)
    }
}

impl Waiting {
    pub fn launch(self, target: &mut dyn Target) -> Result<Instance, MeasureError> {
        let Self { armed, place, line, name } = self;
        match target.launch(armed, &place) {
            Ok(running) => Ok(Instance { running, place, line, name, ready_ns: None }),
            Err(e) => {
                let _ = place.remove();
                Err(failed("launch an instance")(e))
            }
        }
    }
}

/// Waits until all are ready, and gives when each was.
pub(super) fn wait_for(instances: &mut [Instance], settings: &Settings) -> Result<Vec<u64>, MeasureError> {
    let workload = &settings.ready.workload;
    let allowance = instances.first().map(|i| i.running.boot_allowance()).unwrap_or_default();
    let seconds = workload.deadline_s + allowance.as_secs();
    let deadline = monotonic_ns() + seconds * 1_000_000_000;
    // Stamps are taken where output arrives, so the time between two looks costs no accuracy.
    let tick = if instances.len() == 1 { Duration::from_millis(20) } else { Duration::from_millis(1) };
    while instances.iter().any(|i| i.ready_ns.is_none()) {
        for instance in instances.iter_mut().filter(|i| i.ready_ns.is_none()) {
            instance.look(tick)?;
        }
        interrupted(settings)?;
        if monotonic_ns() > deadline {
            let ready = workload.ready.to_string();
            return Err(MeasureError::NotReady { ready, seconds, tail: String::new() });
        }
    }
    Ok(instances.iter().filter_map(|i| i.ready_ns).collect())
}
