//! One run: launch, wait until ready, weigh, stop, and see that it is gone.

use super::error::MeasureError;
use super::ready::Prober;
use super::timeline::{Slice, slices};
use super::{memory, reply};
use crate::sys::clock::monotonic_ns;
use crate::target::{Event, EventKind, Job, Place, Running, Stream, Target};
use crate::workload::output::{Output, split};
use crate::workload::ready::LineWatch;
use crate::workload::{Readiness, Workload};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a workload may take to end after SIGTERM.
const STOP: Duration = Duration::from_secs(10);
/// How long the harness sleeps at most before it looks at its own deadlines and at Ctrl-C.
const TICK: Duration = Duration::from_millis(20);
/// How long the output of an ended workload may take to come.
const DRAIN: Duration = Duration::from_millis(200);
/// Granularity of waiting for a network reply: the prober's stamp is exact, this only delays our noticing.
const PROBE_TICK: Duration = Duration::from_millis(2);
/// Most output that is kept of a run.
const KEPT_OUTPUT: usize = 1 << 20;

/// What one run gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// (metric, value in its unit), see [`crate::record::schema::METRICS`].
    pub samples: Vec<(String, f64)>,
    /// The start's time line.
    pub slices: Vec<Slice>,
    /// Digest of what the target was told.
    pub job_digest: String,
    /// Digest of the checked output, or of the checked reply.
    pub output_digest: String,
    /// Exit code, where there was one.
    pub exit_code: Option<i32>,
    /// Settling and probing, milliseconds: neither the workload's time nor the harness's own.
    pub paused_ms: f64,
}

impl Outcome {
    /// One of its figures.
    pub fn value(&self, metric: &str) -> Option<f64> {
        self.samples.iter().find(|s| s.0 == metric).map(|s| s.1)
    }

    /// What the harness itself cost: of the wall time around the run, what was neither set-up, nor the run, nor waiting on
    /// purpose; and the processor time of the harness's own process. Only of a run whose end was seen.
    pub fn add_harness(&mut self, wall_ms: f64, cpu_ms: f64) {
        let (Some(setup), Some(total)) = (self.value("setup_ms"), self.value("total_ms")) else { return };
        let rest = wall_ms - setup - total - self.paused_ms;
        self.samples.push(("harness_ms".into(), rest.max(0.0)));
        self.samples.push(("harness_cpu_ms".into(), cpu_ms));
    }
}

/// What a run is done with.
pub struct Setting<'a> {
    /// Folder of the session.
    pub session_dir: &'a Path,
    /// Name of the run, unique on this host.
    pub name: &'a str,
    /// Between ready and the probes.
    pub settle: Duration,
    /// Set by Ctrl-C.
    pub interrupted: &'a AtomicBool,
}

/// Runs it. Whatever happens, what was started is gone when this returns.
pub fn run_once(
    target: &mut dyn Target,
    workload: &Workload,
    job: &Job,
    setting: &Setting,
) -> Result<Outcome, MeasureError> {
    let failed = |step| move |source| MeasureError::Target { step, source };
    let available_before = memory::available_bytes();
    let set_up_from = monotonic_ns();
    let limits = target.outer_limits(job);
    let place =
        Place::create(setting.session_dir, setting.name, &limits).map_err(failed("make the run's place"))?;
    let started = target.arm(job, &place).and_then(|armed| {
        let told = armed.told.digest();
        let set_up_ns = monotonic_ns() - set_up_from;
        target.launch(armed, &place).map(|running| (told, set_up_ns, running))
    });
    let (job_digest, set_up_ns, running) = match started {
        Ok(started) => started,
        Err(source) => {
            let _ = place.remove();
            return Err(MeasureError::Target { step: "start", source });
        }
    };
    let mut watch = Watch::new(target.facts().name.clone(), running, workload, setting);
    watch.available_before = available_before;
    watch.outcome.job_digest = job_digest;
    watch.sample("setup_ms", ms(set_up_ns));
    let measured = watch.until_ready().and_then(|()| watch.weigh_and_end(&place));
    let cleaned = watch.until_gone(place);
    measured?;
    cleaned?;
    Ok(watch.outcome)
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// A run under way.
struct Watch<'a> {
    target: String,
    running: Running,
    workload: &'a Workload,
    setting: &'a Setting<'a>,
    lines: Option<LineWatch>,
    prober: Option<Prober>,
    milestones: Vec<Event>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exited: Option<(i32, u64)>,
    closed: Option<String>,
    ready_ns: Option<u64>,
    /// Start of what counts as stopping.
    stop_ns: Option<u64>,
    /// Settling and probing, which are not the workload's time.
    paused_ns: u64,
    /// The host's MemAvailable before the run was set up.
    available_before: Option<u64>,
    outcome: Outcome,
}

impl<'a> Watch<'a> {
    fn new(target: String, running: Running, workload: &'a Workload, setting: &'a Setting<'a>) -> Self {
        let lines = match &workload.ready {
            Readiness::Line(text) => Some(LineWatch::new(text)),
            _ => None,
        };
        let prober = Prober::start(&workload.ready, running.address);
        Self {
            target,
            running,
            workload,
            setting,
            lines,
            prober,
            milestones: Vec::new(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            exited: None,
            closed: None,
            ready_ns: None,
            stop_ns: None,
            paused_ns: 0,
            available_before: None,
            outcome: Outcome::default(),
        }
    }

    fn sample(&mut self, metric: &str, value: f64) {
        self.outcome.samples.push((metric.to_owned(), value));
    }

    /// Takes in one event, if one comes within `timeout`.
    fn step(&mut self, timeout: Duration) {
        let Some(event) = self.running.next(timeout) else { return };
        match event.kind {
            EventKind::Output { stream, ref bytes } => {
                let seen = self.lines.as_mut().is_some_and(|l| l.feed(bytes));
                if seen && self.ready_ns.is_none() {
                    self.ready_ns = Some(event.at_ns);
                }
                let kept = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
                if kept.len() < KEPT_OUTPUT {
                    kept.extend_from_slice(bytes);
                }
            }
            EventKind::Milestone { .. } => self.milestones.push(event),
            EventKind::Exited { code } => self.exited = Some((code, event.at_ns)),
            EventKind::Closed { error } => {
                self.closed.get_or_insert(error);
                // Nothing more will come; without this a closed channel would make the caller spin.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn until_ready(&mut self) -> Result<(), MeasureError> {
        let allowance_ns = self.running.boot_allowance().as_nanos() as u64;
        let deadline = monotonic_ns() + self.workload.deadline_s * 1_000_000_000 + allowance_ns;
        let tick = if self.prober.is_some() { PROBE_TICK } else { TICK };
        loop {
            self.step(tick);
            if let Some(at_ns) = self.prober.as_ref().and_then(Prober::answered) {
                self.ready_ns = Some(at_ns);
            }
            if self.ready_ns.is_some() {
                break;
            }
            if let (Readiness::Exit, Some((0, at_ns))) = (&self.workload.ready, self.exited) {
                self.ready_ns = Some(at_ns);
                break;
            }
            if self.exited.is_some() && self.lines.is_some() {
                self.drain();
                if self.ready_ns.is_some() {
                    break;
                }
            }
            self.still_well("before it was ready")?;
            if monotonic_ns() > deadline {
                let (ready, seconds) = (self.workload.ready.to_string(), self.workload.deadline_s);
                return Err(MeasureError::NotReady { ready, seconds, tail: self.tail() });
            }
        }
        self.prober = None;
        Ok(())
    }

    /// An error if the run has ended or broken, or Ctrl-C was pressed.
    fn still_well(&mut self, when: &'static str) -> Result<(), MeasureError> {
        if self.setting.interrupted.load(Ordering::Relaxed) {
            return Err(MeasureError::Interrupted);
        }
        if let Some((code, _)) = self.exited {
            self.drain();
            return Err(MeasureError::Ended { code, when, tail: self.tail() });
        }
        match self.closed.take() {
            Some(why) => {
                let why = if why.is_empty() { "its output ended".to_owned() } else { why };
                Err(MeasureError::Broke { target: self.target.clone(), why })
            }
            None => Ok(()),
        }
    }

    /// Takes in what an ended workload wrote last: its end and its output come by different ways.
    fn drain(&mut self) {
        if self.running.tells_in_order() {
            return;
        }
        let until = monotonic_ns() + DRAIN.as_nanos() as u64;
        while self.closed.is_none() && monotonic_ns() < until {
            self.step(TICK);
        }
    }

    /// Last line that the workload wrote, for an error.
    fn tail(&self) -> String {
        let all = if self.stderr.is_empty() { &self.stdout } else { &self.stderr };
        let text = String::from_utf8_lossy(all);
        match text.lines().rev().find(|l| !l.trim().is_empty()) {
            Some(line) => format!("; its last words: {}", line.chars().take(200).collect::<String>()),
            None => String::new(),
        }
    }

    fn weigh_and_end(&mut self, place: &Place) -> Result<(), MeasureError> {
        let ready_ns = self.ready_ns.unwrap_or_default();
        self.sample("startup_ms", ms(ready_ns.saturating_sub(self.running.t0_ns)));
        if self.workload.service {
            self.weigh(place)?;
            self.stop_ns = Some(monotonic_ns());
            let gone =
                self.running.stop(STOP).map_err(|source| MeasureError::Target { step: "stop", source })?;
            self.outcome.exit_code = gone.exit_code.or(self.exited.map(|e| e.0));
        } else {
            self.until_exit()?;
        }
        self.drain();
        self.check_output()
    }

    fn until_exit(&mut self) -> Result<(), MeasureError> {
        let deadline = monotonic_ns() + self.workload.deadline_s * 1_000_000_000;
        while self.exited.is_none() {
            self.step(TICK);
            if self.setting.interrupted.load(Ordering::Relaxed) {
                return Err(MeasureError::Interrupted);
            }
            if let Some(why) = self.closed.clone().filter(|why| !why.is_empty() && self.exited.is_none()) {
                return Err(MeasureError::Broke { target: self.target.clone(), why });
            }
            if monotonic_ns() > deadline {
                return Err(MeasureError::NotEnded { seconds: self.workload.deadline_s, tail: self.tail() });
            }
        }
        let (code, at_ns) = self.exited.unwrap_or_default();
        self.stop_ns = Some(at_ns);
        self.outcome.exit_code = Some(code);
        if code == 0 {
            Ok(())
        } else {
            Err(MeasureError::Ended { code, when: "instead of 0", tail: self.tail() })
        }
    }

    /// Settles, asks the service its question, and takes the memory figures.
    fn weigh(&mut self, place: &Place) -> Result<(), MeasureError> {
        let from = monotonic_ns();
        if let Some(ask) = &self.workload.reply {
            self.outcome.output_digest = reply::check(ask, self.running.address)?;
        }
        while monotonic_ns() < from + self.setting.settle.as_nanos() as u64 {
            self.step(TICK);
            self.still_well("before it was asked to")?;
        }
        let group = place.cgroup.memory().map_err(|e| probe_error("read the run's cgroup", e))?;
        let pids = place.cgroup.pids().map_err(|e| probe_error("list the run's processes", e))?;
        let processes = memory::of_processes(&pids);
        self.sample("pss_bytes", processes.pss_bytes as f64);
        self.sample("uss_bytes", processes.uss_bytes as f64);
        self.sample("rss_bytes", processes.rss_bytes as f64);
        self.sample("page_tables_bytes", processes.page_tables_bytes as f64);
        self.sample("cgroup_bytes", group.usage as f64);
        self.sample("cgroup_anon_bytes", group.anon as f64);
        self.sample("cgroup_file_bytes", group.file as f64);
        self.sample("cgroup_shmem_bytes", group.shmem as f64);
        self.sample("cgroup_kernel_bytes", group.kernel as f64);
        if let (Some(before), Some(now)) = (self.available_before, memory::available_bytes()) {
            self.sample("available_fall_bytes", before as f64 - now as f64);
        }
        let figures = self.running.own_figures();
        for (metric, value) in
            figures.map_err(|source| MeasureError::Target { step: "weigh the machine", source })?
        {
            self.sample(metric, value);
        }
        self.paused_ns += monotonic_ns() - from;
        Ok(())
    }

    /// Splits figures from checked text, and compares the text with what the workload must print.
    fn check_output(&mut self) -> Result<(), MeasureError> {
        let Output { figures, checked_digest, .. } = split(&self.stdout);
        for (metric, value) in figures {
            self.sample(&metric, value);
        }
        if self.outcome.output_digest.is_empty() {
            self.outcome.output_digest = checked_digest;
        }
        Ok(())
    }

    /// Ends whatever still runs, removes the place, and notes when all was gone.
    fn until_gone(&mut self, place: Place) -> Result<(), MeasureError> {
        self.prober = None;
        let peak = place.cgroup.memory().map(|m| m.peak);
        let cpu = place.cgroup.cpu_ns();
        if self.exited.is_none() && self.stop_ns.is_none() {
            let _ = self.running.stop(Duration::from_millis(500));
        }
        self.milestones.extend(self.running.written_milestones());
        // A process that outlived the workload holds its pipes open, and finishing would wait for their end.
        let killed = place.cgroup.kill_all();
        let undone = self.running.finish();
        let removed = place.remove();
        let gone_ns = monotonic_ns();
        let failed = |step| move |source| MeasureError::Target { step, source };
        killed.map_err(|e| probe_error("kill what is left of the run", e))?;
        undone.map_err(failed("clean up"))?;
        removed.map_err(failed("remove the run's place"))?;
        let (t0_ns, Some(ready_ns)) = (self.running.t0_ns, self.ready_ns) else { return Ok(()) };
        if let Some(stop_ns) = self.stop_ns {
            self.sample("stop_ms", ms(gone_ns.saturating_sub(stop_ns)));
            self.sample("total_ms", ms(gone_ns.saturating_sub(t0_ns + self.paused_ns)));
        }
        if let (Ok(peak), Ok(cpu)) = (peak, cpu) {
            self.sample("cgroup_peak_bytes", peak as f64);
            self.sample("cpu_ms", ms(cpu));
        }
        self.outcome.paused_ms = ms(self.paused_ns);
        self.outcome.slices = slices(t0_ns, ready_ns, &self.milestones);
        Ok(())
    }
}

fn probe_error(step: &'static str, e: impl std::error::Error + Send + Sync + 'static) -> MeasureError {
    MeasureError::System { step, source: std::io::Error::other(e) }
}
