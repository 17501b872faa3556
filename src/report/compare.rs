//! Two records, or two targets of one: by how much they differ, and how surely.

use super::summary::{blocks, values, words};
use crate::record::reader::Record;
use crate::record::schema::{METRICS, unit_of};
use crate::stats::{Comparison, Interval, compare_blocks, compare_unpaired, judge, median};
use serde::Serialize;

/// One side: a record, and where only one of its targets is meant, that.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The record.
    pub record: &'a Record,
    /// Its target's name.
    pub target: Option<&'a str>,
}

/// One metric of one workload on one target, new against base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Workload.
    pub workload: String,
    /// Target; `base -> new` where they are not the same.
    pub target: String,
    /// Metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Median of the base.
    pub base: f64,
    /// Median of the new.
    pub new: f64,
    /// Values that stand behind them.
    pub runs: (usize, usize),
    /// Block by block; else as two samples, which the host's mood between them may set apart.
    pub paired: bool,
    /// new - base, in the unit.
    pub difference: Estimate,
    /// new / base; none where base is zero.
    pub ratio: Option<Estimate>,
    /// Chance of so clear a difference if there were none, corrected for the lines of the same metric.
    pub p: f64,
    /// `more`, `less`, `no difference shown`, `too few runs`, `one value`.
    pub verdict: &'static str,
}

/// A figure with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end, where there is one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl Estimate {
    pub(super) fn new(value: f64, interval: Option<Interval>) -> Self {
        Self { value, low: interval.map(|i| i.low), high: interval.map(|i| i.high) }
    }
}

/// All lines of the metrics that `wanted` says yes to. Differences below `floor` (a share) are not called any.
pub fn lines(base: Side, new: Side, floor: f64, wanted: impl Fn(&str) -> bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for metric in METRICS.iter().map(|m| m.0).filter(|m| wanted(m)) {
        let mut family: Vec<(Line, Option<Comparison>)> = Vec::new();
        for workload in &base.record.plan.workloads {
            for (from, to) in targets(base, new) {
                family.extend(line(base, new, &workload.name, (&from, &to), metric));
            }
        }
        let mut judged: Vec<Comparison> = family.iter().filter_map(|f| f.1).collect();
        judge(&mut judged, floor);
        let mut judged = judged.into_iter();
        for (mut line, compared) in family {
            if let Some(c) = compared.and_then(|_| judged.next()) {
                line.p = c.p;
                line.verdict = words(c.verdict);
            }
            lines.push(line);
        }
    }
    lines
}

fn targets(base: Side, new: Side) -> Vec<(String, String)> {
    if base.target.is_some() || new.target.is_some() {
        let from = base.target.or(new.target).unwrap_or_default();
        return vec![(from.to_owned(), new.target.unwrap_or(from).to_owned())];
    }
    base.record.plan.targets.iter().map(|t| (t.name.clone(), t.name.clone())).collect()
}

fn line(
    base: Side,
    new: Side,
    workload: &str,
    (from, to): (&str, &str),
    metric: &str,
) -> Option<(Line, Option<Comparison>)> {
    let old = values(base.record, workload, from, metric);
    let fresh = values(new.record, workload, to, metric);
    let plain = |v: &[&crate::record::schema::Sample]| v.iter().filter_map(|s| s.value).collect::<Vec<_>>();
    let (a, b) = (plain(&old), plain(&fresh));
    let paired = std::ptr::eq(base.record, new.record);
    // One value each is a fact, such as a size: it differs or it does not.
    let fact = a.len() == 1 && b.len() == 1;
    let compared = match (fact, paired) {
        (true, _) => None,
        (_, true) => Some(compare_blocks(&blocks(&old, &fresh), base.record.plan.seed)?),
        (_, false) => Some(compare_unpaired(&a, &b, base.record.plan.seed ^ new.record.plan.seed)?),
    };
    let (old, new) = (median(&a)?, median(&b)?);
    let line = Line {
        workload: workload.to_owned(),
        target: if from == to { from.to_owned() } else { format!("{from} -> {to}") },
        metric: metric.to_owned(),
        unit: unit_of(metric).unwrap_or_default().to_owned(),
        base: old,
        new,
        runs: (a.len(), b.len()),
        paired,
        difference: compared
            .map_or(Estimate::new(new - old, None), |c| Estimate::new(c.tare, c.tare_interval)),
        ratio: match compared {
            Some(c) => c.ratio.map(|r| Estimate::new(r, c.ratio_interval)),
            None => (old != 0.0).then(|| Estimate::new(new / old, None)),
        },
        p: compared.map_or(1.0, |c| c.p),
        verdict: "one value",
    };
    Some((line, compared))
}

/// Why two records may not be compared: what differs besides what is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// `host`, `accelerator`, `workload` or `limits`: what one says to compare all the same.
    pub what: &'static str,
    /// In one line.
    pub why: String,
}

/// All reasons.
pub fn refusals(base: &Record, new: &Record) -> Vec<Refusal> {
    let mut found = Vec::new();
    let mut differ = |what, name: &str, a: &str, b: &str| {
        if a != b {
            found.push(Refusal { what, why: format!("{name}: {a} and {b}") });
        }
    };
    differ("host", "host", &base.environment.host, &new.environment.host);
    for fact in ["model", "logical CPUs"] {
        differ("host", fact, fact_of(base, "CPU", fact), fact_of(new, "CPU", fact));
    }
    for target in &base.plan.targets {
        if let Some(other) = new.plan.targets.iter().find(|t| t.name == target.name) {
            differ("accelerator", &target.name, &target.accelerator, &other.accelerator);
        }
    }
    for workload in &base.plan.workloads {
        if let Some(other) = new.plan.workloads.iter().find(|w| w.name == workload.name) {
            differ("workload", &workload.name, &workload.image_digest, &other.image_digest);
            let told = |w: &crate::record::schema::WorkloadFacts| {
                format!("{:?} {:?} {} {} {}", w.argv, w.env, w.user, w.cwd, w.ready)
            };
            differ("workload", &workload.name, &told(workload), &told(other));
        }
    }
    let limits =
        |r: &Record| format!("{} CPUs, {} bytes, caches {}", r.plan.cpus, r.plan.memory_bytes, r.plan.cache);
    differ("limits", "limits", &limits(base), &limits(new));
    found
}

fn fact_of<'a>(record: &'a Record, group: &str, name: &str) -> &'a str {
    let group = record.environment.groups.iter().find(|g| g.name == group);
    group.and_then(|g| g.facts.iter().find(|f| f.0 == name)).map_or("unknown", |f| f.1.as_str())
}
