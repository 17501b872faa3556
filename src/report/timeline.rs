//! The time line of a start, made to be zoomed into: a lane for each workload and target, on one axis, so that a container's
//! milliseconds stand beside a machine's second and can still be looked at.

use super::charts::{css_colour, marked};
use super::format::number;
use super::summary::values;
use crate::record::reader::Record;
use crate::record::schema::{Phase, TargetFacts, WorkloadFacts};
use crate::stats::median;
use serde::Serialize;

/// A slice of a lane.
#[derive(Debug, Serialize)]
struct Slice {
    phase: String,
    /// Per cent of the whole axis, for a place in the page.
    left: String,
    width: String,
    from_ms: f64,
    length_ms: f64,
    /// For people.
    from: String,
    length: String,
    /// Bound of the clock's error, empty where the host's own clock stamped it.
    error: String,
    colour: String,
}

/// The median run of a workload on a target.
#[derive(Debug, Serialize)]
struct Lane {
    workload: String,
    target: String,
    run: u32,
    whole: String,
    slices: Vec<Slice>,
}

/// Target, and its phases with their colours.
type Legend = (String, Vec<(String, String)>);

/// Of the workload's own part, which is not the box's.
const QUIET: &str = "#9aa1ad";

/// All lanes.
#[derive(Debug, Serialize)]
pub struct Timeline {
    /// Length of the axis.
    whole_ms: f64,
    /// Marks of the whole axis: per cent and words.
    ticks: Vec<(u32, String)>,
    /// For each target, its phases and their colours, which are those of the chart of phases.
    legends: Vec<Legend>,
    lanes: Vec<Lane>,
}

impl Timeline {
    /// Of one record.
    pub fn of(record: &Record) -> Self {
        let runs: Vec<Run> = record
            .plan
            .workloads
            .iter()
            .flat_map(|w| record.plan.targets.iter().filter_map(move |t| median_run(record, w, t)))
            .collect();
        let ends = runs.iter().flat_map(|r| r.phases.iter().map(|p| p.start_ms + p.duration_ms));
        let whole_ms = ends.fold(0.0, f64::max);
        let legends: Vec<Legend> = record.plan.targets.iter().filter_map(|t| legend(&runs, t)).collect();
        let lanes = runs.iter().map(|r| r.lane(whole_ms, &legends)).collect();
        let ticks = (0..=4u32).map(|i| (i * 25, format!("{} ms", number(whole_ms * f64::from(i) / 4.0))));
        Self { whole_ms, ticks: ticks.collect(), legends, lanes }
    }
}

fn legend(runs: &[Run], target: &TargetFacts) -> Option<Legend> {
    let mut colours: Vec<(String, String)> = Vec::new();
    for phase in runs.iter().filter(|r| r.target.name == target.name).flat_map(|r| &r.phases) {
        if colours.iter().all(|c| c.0 != phase.phase) {
            let colour = if phase.phase == "workload" { QUIET.into() } else { css_colour(colours.len()) };
            colours.push((phase.phase.clone(), colour));
        }
    }
    (!colours.is_empty()).then(|| (marked(target), colours))
}

struct Run<'a> {
    workload: &'a WorkloadFacts,
    target: &'a TargetFacts,
    run: u32,
    phases: Vec<&'a Phase>,
}

/// The run whose start-up is the median one, if it has phases.
fn median_run<'a>(
    record: &'a Record,
    workload: &'a WorkloadFacts,
    target: &'a TargetFacts,
) -> Option<Run<'a>> {
    let run = nearest_to_median(record, &workload.name, &target.name)?;
    let phases: Vec<&Phase> = record.phases.iter().filter(|p| p.run == run).collect();
    (!phases.is_empty()).then_some(Run { workload, target, run, phases })
}

/// Number of the run whose start-up is nearest to the median: a real one, whose phases add up, which medians of phases do
/// not.
pub(super) fn nearest_to_median(record: &Record, workload: &str, target: &str) -> Option<u32> {
    let samples = values(record, workload, target, "startup_ms");
    let middle = median(&samples.iter().filter_map(|s| s.value).collect::<Vec<_>>())?;
    let off = |v: Option<f64>| (v.unwrap_or(f64::INFINITY) - middle).abs();
    samples.iter().min_by(|a, b| off(a.value).total_cmp(&off(b.value))).map(|s| s.run)
}

impl Run<'_> {
    fn lane(&self, whole_ms: f64, legends: &[Legend]) -> Lane {
        let name = marked(self.target);
        let colours = legends.iter().filter(|l| l.0 == name).flat_map(|l| &l.1);
        let share = |ms: f64| format!("{:.4}", if whole_ms > 0.0 { ms / whole_ms * 100.0 } else { 0.0 });
        let slice = |p: &&Phase| Slice {
            phase: p.phase.clone(),
            left: share(p.start_ms),
            width: share(p.duration_ms),
            from_ms: p.start_ms,
            length_ms: p.duration_ms,
            from: number(p.start_ms),
            length: number(p.duration_ms),
            error: if p.error_ms > 0.0 { format!("± {} ms", number(p.error_ms)) } else { String::new() },
            colour: colours.clone().find(|c| c.0 == p.phase).map(|c| c.1.clone()).unwrap_or_default(),
        };
        let end = self.phases.iter().map(|p| p.start_ms + p.duration_ms).fold(0.0, f64::max);
        Lane {
            workload: self.workload.name.clone(),
            target: name.clone(),
            run: self.run,
            whole: number(end),
            slices: self.phases.iter().map(slice).collect(),
        }
    }
}
