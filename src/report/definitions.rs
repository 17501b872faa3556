//! The same launches, counted as different people count a start.

use super::figure::Figure;
use super::summary::{NET, values};
use crate::record::reader::Record;
use serde::Serialize;
use std::collections::HashMap;

/// One way to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// As vendors of machine monitors do: the guest kernel's first instruction to the guest init's. What the monitor does
    /// before, and what user space does after, is left out.
    MonitorVendor,
    /// As papers do: the call that starts the monitor to the guest init's first instruction.
    Paper,
    /// Until the box is made and the workload is started in it.
    BoxMade,
    /// As the user of a service does: the call to the first reply, or the workload's first line.
    FirstReply,
    /// As the user of a runtime does: the call until all of it has returned and nothing is left.
    CommandReturns,
}

impl Counted {
    /// From the least to the most that is counted.
    pub const ALL: [Self; 5] =
        [Self::MonitorVendor, Self::Paper, Self::BoxMade, Self::FirstReply, Self::CommandReturns];

    /// From where to where, in one line.
    pub fn words(self) -> &'static str {
        match self {
            Self::MonitorVendor => {
                "guest kernel's first instruction to guest init, as monitors' vendors count"
            }
            Self::Paper => "start of the monitor to guest init, as papers count",
            Self::BoxMade => "start until the workload is started in its box",
            Self::FirstReply => "start until the workload is ready, as the user of a service counts",
            Self::CommandReturns => "start until all has returned, as the user of a command counts",
        }
    }
}

/// A start by one definition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Start {
    /// Workload.
    pub workload: String,
    /// Target.
    pub target: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// How it is counted.
    pub counted: Counted,
    /// The same in words.
    pub words: &'static str,
    /// Milliseconds.
    pub ms: Figure,
    /// Times the shortest definition of the same launches.
    pub times_least: f64,
}

/// All starts by all definitions that make sense for the target. Every definition takes the same runs.
pub fn of(record: &Record) -> Vec<Start> {
    let mut all = Vec::new();
    for workload in &record.plan.workloads {
        for target in &record.plan.targets {
            let mut rows: Vec<Start> = Vec::new();
            for counted in Counted::ALL {
                let figures = counted_by(record, &workload.name, &target.name, counted, workload.service);
                let Some(ms) = Figure::of(&figures, record.plan.seed) else { continue };
                let times_least = rows.first().map_or(1.0, |least| ms.median / least.ms.median);
                rows.push(Start {
                    workload: workload.name.clone(),
                    target: target.name.clone(),
                    accelerator: target.accelerator.clone(),
                    counted,
                    words: counted.words(),
                    ms,
                    times_least,
                });
            }
            all.extend(rows);
        }
    }
    all
}

fn counted_by(record: &Record, workload: &str, target: &str, counted: Counted, service: bool) -> Vec<f64> {
    let metric = |name: &str| -> Vec<f64> {
        values(record, workload, target, name).iter().filter_map(|s| s.value).collect()
    };
    match counted {
        Counted::FirstReply => metric("startup_ms"),
        // A service returns when it is told to: that says nothing of its start.
        Counted::CommandReturns if service => Vec::new(),
        Counted::CommandReturns => metric("total_ms"),
        Counted::BoxMade if target == NET => Vec::new(),
        Counted::BoxMade => {
            by_run(record, workload, target, |phases| phases.iter().find(|p| p.0 == "workload").map(|p| p.1))
        }
        Counted::Paper => by_run(record, workload, target, |phases| end_of(phases, "kernel")),
        Counted::MonitorVendor => by_run(record, workload, target, |phases| {
            let kernel = phases.iter().find(|p| p.0 == "kernel")?;
            Some(kernel.2)
        }),
    }
}

/// Name, start, length.
type Slice<'a> = (&'a str, f64, f64);

fn end_of(phases: &[Slice], name: &str) -> Option<f64> {
    phases.iter().find(|p| p.0 == name).map(|p| p.1 + p.2)
}

fn by_run(
    record: &Record,
    workload: &str,
    target: &str,
    figure: impl Fn(&[Slice]) -> Option<f64>,
) -> Vec<f64> {
    let runs = record
        .runs
        .iter()
        .filter(|r| r.workload == workload && r.target == target && !r.warmup && r.error.is_empty());
    let mut phases: HashMap<u32, Vec<Slice>> = HashMap::new();
    for p in record.phases.iter().filter(|p| p.workload == workload && p.target == target) {
        phases.entry(p.run).or_default().push((&p.phase, p.start_ms, p.duration_ms));
    }
    let of = |run: &u32| phases.get(run).map(Vec::as_slice).unwrap_or_default();
    runs.filter_map(|r| figure(of(&r.run)).filter(|ms| *ms > 0.0)).collect()
}
