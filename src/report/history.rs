//! Many records: how the medians of a metric moved, and where their level changed.

use super::summary::values;
use crate::record::reader::Record;
use crate::stats::{changes, median};
use serde::Serialize;

/// One workload on one target over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// Workload.
    pub workload: String,
    /// Target with its accelerator.
    pub target: String,
    /// In the order of time.
    pub points: Vec<Point>,
    /// Where the level moved.
    pub changes: Vec<Step>,
}

/// The median of one record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// When its bench began, UTC.
    pub started_utc: String,
    /// Median, in the metric's unit.
    pub median: f64,
}

/// A change of level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Index of the first point of the new level.
    pub at: usize,
    /// When that began.
    pub started_utc: String,
    /// Median of the level before it.
    pub before: f64,
    /// Median of the level from it on.
    pub after: f64,
    /// Chance of it if nothing had changed.
    pub p: f64,
}

const RESAMPLES: usize = 1999;

/// A series for each workload and target that has the metric. Records in any order, of one host: others are not comparable.
pub fn of(records: &[Record], metric: &str) -> Vec<Series> {
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_by(|a, b| a.environment.started_utc.cmp(&b.environment.started_utc));
    let mut all: Vec<Series> = Vec::new();
    for record in records {
        for workload in record.plan.workloads.iter().map(|w| &w.name) {
            for target in &record.plan.targets {
                let figures = values(record, workload, &target.name, metric);
                let figures: Vec<f64> = figures.iter().filter_map(|s| s.value).collect();
                let Some(median) = median(&figures) else { continue };
                let point = Point { started_utc: record.environment.started_utc.clone(), median };
                let name = super::charts::marked(target);
                match all.iter_mut().find(|s| s.workload == *workload && s.target == name) {
                    Some(series) => series.points.push(point),
                    None => all.push(Series {
                        workload: workload.clone(),
                        target: name,
                        points: vec![point],
                        changes: Vec::new(),
                    }),
                }
            }
        }
    }
    all.iter_mut().for_each(|s| s.changes = steps(&s.points));
    all
}

fn steps(points: &[Point]) -> Vec<Step> {
    let medians: Vec<f64> = points.iter().map(|p| p.median).collect();
    let found = changes(&medians, RESAMPLES, 1);
    let level = |from: usize, to: usize| median(&medians[from..to]).unwrap_or_default();
    let step = |i: usize| {
        let from = if i == 0 { 0 } else { found[i - 1].at };
        let to = found.get(i + 1).map_or(medians.len(), |c| c.at);
        let at = found[i].at;
        let started_utc = points[at].started_utc.clone();
        Step { at, started_utc, before: level(from, at), after: level(at, to), p: found[i].p }
    };
    (0..found.len()).map(step).collect()
}

/// A bar a record.
pub fn sparkline(points: &[Point]) -> String {
    super::spark::sparkline(&points.iter().map(|p| p.median).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_moved_is_told_with_its_day_and_size() {
        let day = |i: usize| if i < 10 { 100.0 } else { 110.0 } + (i * 7 % 5) as f64;
        let points: Vec<Point> =
            (0..20).map(|i| Point { started_utc: format!("2026-01-{:02}", i + 1), median: day(i) }).collect();
        let found = steps(&points);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].started_utc.as_str(), found[0].before, found[0].after),
            ("2026-01-11", 102.0, 112.0)
        );
        assert_eq!(sparkline(&points[8..12]), "▁▂▇█");
    }
}
