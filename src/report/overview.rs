//! The first table of every report: for each workload and target the three measures, start-up, memory and size.

use super::charts::marked;
use super::format::{number, value, with_interval};
use super::spark::in_eighths;
use super::summary::{Cell, NET, Summary, values};
use crate::record::reader::Record;
use crate::record::schema::RunRow;
use serde::Serialize;

/// A row, ready to be shown.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Workload; each run of equal ones is a group.
    pub workload: String,
    /// Target with its accelerator.
    pub target: String,
    /// Median, or `failed`, or `none` where the samples are gone.
    pub startup: String,
    /// `[low, high]` of it.
    pub interval: String,
    /// Start-ups in the order of the runs, at most eight bars from the least to the greatest.
    pub spark: String,
    /// Gross - net, with its interval.
    pub tare: String,
    /// Gross / net.
    pub ratio: String,
    /// PSS of one instance; empty for workloads that end at once.
    pub memory: String,
    /// What has to be shipped.
    pub shipped: String,
    /// Runs that stand behind it; with the failed ones where there are any.
    pub runs: String,
}

/// Rows in the plan's order.
pub fn rows(record: &Record, summary: &Summary) -> Vec<Row> {
    let mut rows = Vec::new();
    for workload in &record.plan.workloads {
        for target in &record.plan.targets {
            let cell = |metric: &str| summary.cell(&workload.name, &target.name, metric);
            let ran = |r: &&RunRow| r.workload == workload.name && r.target == target.name;
            if !record.runs.iter().any(|r| ran(&r)) {
                continue;
            }
            // A run that ended well without a start-up is of a record that was cut.
            let failed = record.runs.iter().filter(ran).any(|r| r.has_failed());
            let none = if failed { "failed" } else { "none" };
            let startup = cell("startup_ms");
            let figure = |metric: &str| cell(metric).map(|c| value(metric, &c.unit, c.median));
            rows.push(Row {
                workload: workload.name.clone(),
                target: marked(target),
                startup: figure("startup_ms").unwrap_or_else(|| none.into()),
                interval: startup.map(interval).unwrap_or_default(),
                spark: in_eighths(&startups(record, &workload.name, &target.name)),
                tare: startup.and_then(tare).unwrap_or_default(),
                ratio: startup.and_then(|c| c.ratio).map(number).unwrap_or_default(),
                memory: figure("pss_bytes").unwrap_or_default(),
                shipped: figure("shipped_bytes").unwrap_or_default(),
                runs: startup.map(runs).unwrap_or_else(|| "0".into()),
            });
        }
    }
    rows
}

fn startups(record: &Record, workload: &str, target: &str) -> Vec<f64> {
    values(record, workload, target, "startup_ms").iter().filter_map(|s| s.value).collect()
}

fn interval(cell: &Cell) -> String {
    match (cell.low, cell.high) {
        (Some(low), Some(high)) => format!("[{}, {}]", number(low), number(high)),
        _ if cell.n > 1 => format!("n = {}", cell.n),
        _ => String::new(),
    }
}

/// `+12.3 ms [11.9, 12.8]`.
fn tare(cell: &Cell) -> Option<String> {
    let tare = cell.tare.filter(|_| cell.target != NET)?;
    let shown = with_interval(&cell.metric, &cell.unit, tare, cell.tare_low, cell.tare_high);
    Some(if tare > 0.0 { format!("+{shown}") } else { shown })
}

fn runs(cell: &Cell) -> String {
    if cell.failed == 0 { cell.n.to_string() } else { format!("{} ({} failed)", cell.n, cell.failed) }
}
