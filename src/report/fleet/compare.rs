//! Two merged records, or two targets of one: the host is the unit. Hosts of both are compared each with itself.

use super::super::compare::{Estimate, Line, Refusal};
use super::super::error::ReportError;
use super::super::summary::words;
use super::gather::Gathered;
use crate::record::merge::{MergedRecord, differences};
use crate::record::schema::METRICS;
use crate::stats::{Comparison, compare, compare_unpaired, judge, median};
use std::collections::BTreeMap;

/// One side, read.
pub struct FleetSide {
    gathered: Gathered,
    /// The one target that is meant, or all.
    target: Option<String>,
}

impl FleetSide {
    /// Reads it.
    pub fn of(record: &MergedRecord, target: Option<&str>) -> Result<Self, ReportError> {
        Ok(Self { gathered: Gathered::of(record, super::GROUP)?, target: target.map(str::to_owned) })
    }

    /// Each host's median of a figure.
    fn medians(&self, workload: &str, target: &str, metric: usize) -> BTreeMap<&str, f64> {
        let place = |names: &[String], name: &str| names.iter().position(|n| n == name);
        let all = &self.gathered;
        let (Some(w), Some(t)) = (place(&all.workloads, workload), place(&all.targets, target)) else {
            return BTreeMap::new();
        };
        let (numbers, values) = all.of_key((w, t, metric));
        let one = |(number, values): (&usize, &crate::stats::HostValues)| {
            let values: Vec<f64> = values.iter().flatten().map(|v| v.1).collect();
            Some((all.hosts[*number].id.as_str(), median(&values)?))
        };
        numbers.iter().zip(&values).filter_map(one).collect()
    }
}

/// All lines of the metrics that are wanted, judged together by metric.
pub fn lines(base: &FleetSide, new: &FleetSide, floor: f64, wanted: impl Fn(&str) -> bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for (at, metric) in METRICS.iter().enumerate().filter(|(_, m)| wanted(m.0)) {
        let mut family: Vec<(Line, Comparison)> = Vec::new();
        for workload in &base.gathered.workloads {
            for (from, to) in targets(base, new) {
                family.extend(line(base, new, (workload, &from, &to), at, metric.1));
            }
        }
        let mut judged: Vec<Comparison> = family.iter().map(|f| f.1).collect();
        judge(&mut judged, floor);
        for ((mut line, _), c) in family.into_iter().zip(judged) {
            line.p = c.p;
            line.verdict = words(c.verdict);
            lines.push(line);
        }
    }
    lines
}

fn targets(base: &FleetSide, new: &FleetSide) -> Vec<(String, String)> {
    match (&base.target, &new.target) {
        (None, None) => base.gathered.targets.iter().map(|t| (t.clone(), t.clone())).collect(),
        (from, to) => {
            let from = from.as_ref().or(to.as_ref()).cloned().unwrap_or_default();
            vec![(from.clone(), to.clone().unwrap_or(from))]
        }
    }
}

fn line(
    base: &FleetSide,
    new: &FleetSide,
    (workload, from, to): (&str, &str, &str),
    metric: usize,
    unit: &str,
) -> Option<(Line, Comparison)> {
    let (old, fresh) = (base.medians(workload, from, metric), new.medians(workload, to, metric));
    let pairs: Vec<(f64, f64)> = fresh.iter().filter_map(|(h, v)| Some((*old.get(h)?, *v))).collect();
    let (a, b): (Vec<f64>, Vec<f64>) = (old.values().copied().collect(), fresh.values().copied().collect());
    // Some hosts of both: those alone tell hosts from what changed.
    let paired = !pairs.is_empty();
    let c = if paired { compare(&pairs, 1)? } else { compare_unpaired(&a, &b, 1)? };
    let estimate = |value, i: Option<crate::stats::Interval>| Estimate {
        value,
        low: i.map(|i| i.low),
        high: i.map(|i| i.high),
    };
    let line = Line {
        workload: workload.to_owned(),
        target: if from == to { from.to_owned() } else { format!("{from} -> {to}") },
        metric: METRICS[metric].0.to_owned(),
        unit: unit.to_owned(),
        base: median(&a)?,
        new: median(&b)?,
        runs: (a.len(), b.len()),
        paired,
        difference: estimate(c.tare, c.tare_interval),
        ratio: c.ratio.map(|r| estimate(r, c.ratio_interval)),
        p: c.p,
        verdict: words(c.verdict),
    };
    Some((line, c))
}

/// Why two merged records may not be compared.
pub fn refusals(base: &MergedRecord, new: &MergedRecord) -> Vec<Refusal> {
    let (Some(a), Some(b)) = (base.sessions.first(), new.sessions.first()) else { return Vec::new() };
    let architecture = |s: &crate::record::merge::Session| s.environment.identity.architecture.clone();
    let mut found = Vec::new();
    if architecture(a) != architecture(b) {
        let why = format!("architecture: {} and {}", architecture(a), architecture(b));
        found.push(Refusal { what: "host", why });
    }
    for why in differences(&a.plan, &b.plan) {
        let what = match why.split(':').next().unwrap_or_default() {
            "targets" => "accelerator",
            "workload" | "workloads" => "workload",
            // Another seed or number of shards is another order of the same work.
            "plan" => continue,
            _ => "limits",
        };
        found.push(Refusal { what, why });
    }
    found
}
