//! How many fit: instances are started one after another and stay, until there are enough or memory is spent; then all are
//! stopped. And how quickly several come up that are started at once.

mod instance;
mod merge;

use self::instance::{Instance, wait_for};
use super::error::MeasureError;
use super::images::Ready;
use super::memory::{available_bytes, kernel_bytes, of_processes, total_bytes};
use super::session::Session;
use crate::record::density::{Density, Header, Start, Together};
use crate::sys::clock::monotonic_ns;
use crate::target::Target;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// This part of the host's memory is never given away.
const RESERVE: f64 = 0.08;

/// What is to be done.
pub struct Settings<'a> {
    /// The workload: a service without a network that tells by a line that it is ready.
    pub ready: &'a Ready,
    /// Where it lives.
    pub session: &'a Session,
    /// Set by Ctrl-C.
    pub interrupted: &'a AtomicBool,
    /// Instances at most.
    pub max: u32,
    /// What they may take of the host's MemAvailable, bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Between ready and the figures.
    pub settle: Duration,
    /// Has the host's kernel merge same pages when all are up.
    pub merge: bool,
    /// How many are started at once, one after another.
    pub at_once: &'a [u32],
    /// Rounds of each.
    pub rounds: u32,
}

/// Measures it. Whatever happens, nothing that was started is left.
pub fn measure(
    target: &mut dyn Target,
    settings: &Settings,
    mut progress: impl FnMut(&str),
) -> Result<Density, MeasureError> {
    let mut together = Vec::new();
    for &at_once in settings.at_once {
        progress(&format!("{at_once} at once"));
        for round in 1..=settings.rounds {
            together.extend(start_together(target, settings, at_once, round)?);
        }
    }
    let before = available()?;
    let ksm_was_on = merge::is_on();
    let mut instances = Vec::new();
    let mut starts = Vec::new();
    let ended_by = loop {
        if instances.len() as u32 == settings.max {
            break "as many as were wanted".to_owned();
        }
        if let Some(why) = spent(settings, before, starts.last()) {
            break why;
        }
        let number = instances.len() as u32 + 1;
        let (instance, start) = add(target, settings, number)?;
        instances.push(instance);
        starts.push(start);
        progress(&format!("{number} of {}", settings.max));
    };
    // Right after its start a cgroup is charged for pages that the kernel holds ready for it, 64 for each processor; another
    // cgroup's start gives them back.
    for (instance, start) in instances.iter().zip(&mut starts) {
        charge(start, instance)?;
    }
    let merged = if settings.merge { Some(merge::until_settled(settings.interrupted)?) } else { None };
    progress("stopping");
    let from = monotonic_ns();
    instances.into_iter().try_for_each(Instance::end)?;
    let header = Header {
        schema: 1,
        target: target.facts().clone(),
        workload: settings.ready.workload.name.clone(),
        cpus: settings.ready.job.cpus,
        memory_bytes: settings.ready.job.memory_bytes,
        wanted: settings.max,
        host_bytes: total_bytes().unwrap_or_default(),
        available_before_bytes: before,
        ended_by,
        stop_ms: ms(monotonic_ns() - from),
        available_after_bytes: available()?,
        ksm_was_on,
        merged,
    };
    Ok(Density { header, starts, together })
}

/// Why no more may be started.
fn spent(settings: &Settings, before: u64, last: Option<&Start>) -> Option<String> {
    let now = last.map_or(before, |s| s.available_bytes);
    let used = before.saturating_sub(now);
    if settings.memory_limit_bytes.is_some_and(|limit| used >= limit) {
        return Some("the memory that they may take is spent".into());
    }
    let kept = total_bytes().unwrap_or_default() as f64 * RESERVE;
    ((now as f64) < kept).then(|| "the host's memory is nearly spent".into())
}

fn add(target: &mut dyn Target, settings: &Settings, number: u32) -> Result<(Instance, Start), MeasureError> {
    let (armed, setup_ms) = Instance::arm(target, settings, &format!("density-{number}"))?;
    let mut instance = armed.launch(target)?;
    let ready_ns = wait_for(std::slice::from_mut(&mut instance), settings)?;
    let until = monotonic_ns() + settings.settle.as_nanos() as u64;
    while monotonic_ns() < until {
        std::thread::sleep(Duration::from_millis(5));
        interrupted(settings)?;
    }
    let pids = instance.place.cgroup.pids().map_err(unreadable)?;
    let start = Start {
        instance: number,
        setup_ms,
        startup_ms: ms(ready_ns[0] - instance.running.t0_ns),
        available_bytes: available()?,
        // Charges are read when all are up.
        cgroup_bytes: 0,
        cgroup_pages_bytes: 0,
        cgroup_file_bytes: 0,
        cgroup_kernel_bytes: 0,
        host_kernel_bytes: kernel_bytes().unwrap_or_default(),
        pss_bytes: of_processes(&pids).pss_bytes,
        harness_bytes: of_processes(&[std::process::id() as i32]).pss_bytes,
    };
    Ok((instance, start))
}

fn charge(start: &mut Start, instance: &Instance) -> Result<(), MeasureError> {
    let memory = instance.place.cgroup.memory().map_err(unreadable)?;
    start.cgroup_bytes = memory.usage;
    start.cgroup_pages_bytes = memory.anon + memory.shmem;
    start.cgroup_file_bytes = memory.file;
    start.cgroup_kernel_bytes = memory.kernel;
    Ok(())
}

fn unreadable(e: impl std::error::Error + Send + Sync + 'static) -> MeasureError {
    MeasureError::System { step: "read an instance's cgroup", source: std::io::Error::other(e) }
}

fn start_together(
    target: &mut dyn Target,
    settings: &Settings,
    at_once: u32,
    round: u32,
) -> Result<Vec<Together>, MeasureError> {
    let mut armed = Vec::new();
    for n in 1..=at_once {
        armed.push(Instance::arm(target, settings, &format!("together-{at_once}-{round}-{n}"))?.0);
    }
    let mut instances = Vec::new();
    for one in armed {
        instances.push(one.launch(target)?);
    }
    let ready_ns = wait_for(&mut instances, settings)?;
    let first = instances.iter().map(|i| i.running.t0_ns).min().unwrap_or_default();
    let all_ms = ms(ready_ns.iter().max().copied().unwrap_or_default() - first);
    let row = |(instance, ready): (&Instance, &u64)| Together {
        at_once,
        round,
        startup_ms: ms(ready - instance.running.t0_ns),
        all_ms,
    };
    let rows = instances.iter().zip(&ready_ns).map(row).collect();
    instances.into_iter().try_for_each(Instance::end)?;
    Ok(rows)
}

pub(super) fn interrupted(settings: &Settings) -> Result<(), MeasureError> {
    if settings.interrupted.load(Ordering::Relaxed) { Err(MeasureError::Interrupted) } else { Ok(()) }
}

fn available() -> Result<u64, MeasureError> {
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    available_bytes().ok_or_else(|| MeasureError::System { step: "read MemAvailable", source: missing() })
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
