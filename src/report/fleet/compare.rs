//! Two merged records, or two targets of one: the host is the unit and a random effect. Hosts of both are compared each with
//! itself, targets of one record block by block.

use super::super::compare::{Estimate, Line, Refusal};
use super::super::error::ReportError;
use super::super::summary::words;
use super::gather::{DIFFERENCE, Gathered, RATIO};
use crate::record::merge::{MergedRecord, differences};
use crate::record::schema::METRICS;
use crate::stats::{
    Comparison, HostValues, compare_blocks_of_hosts, compare_fleets, compare_hosts, judge, median,
};
use std::collections::BTreeMap;

/// A merged record, read.
pub struct FleetRecord(Gathered);

impl FleetRecord {
    /// Reads it.
    pub fn of(record: &MergedRecord) -> Result<Self, ReportError> {
        Gathered::of(record, super::GROUP).map(Self)
    }
}

/// One side: a record, and where only one of its targets is meant, that.
#[derive(Clone, Copy)]
pub struct FleetSide<'a> {
    /// The record.
    pub record: &'a FleetRecord,
    /// Its target's name.
    pub target: Option<&'a str>,
}

impl FleetSide<'_> {
    fn all(&self) -> &Gathered {
        &self.record.0
    }

    /// Places of a figure's workload and target.
    fn places(&self, workload: &str, target: &str) -> Option<(usize, usize)> {
        let place = |names: &[String], name: &str| names.iter().position(|n| n == name);
        Some((place(&self.all().workloads, workload)?, place(&self.all().targets, target)?))
    }

    /// Values of a figure, by the ids of the hosts.
    fn values(&self, (workload, target): (usize, usize), metric: usize) -> BTreeMap<&str, HostValues> {
        let (numbers, values) = self.all().of_key((workload, target, metric));
        numbers.into_iter().map(|n| self.all().hosts[n].id.as_str()).zip(values).collect()
    }
}

/// All lines of the metrics that are wanted, judged together by metric.
pub fn lines(base: FleetSide, new: FleetSide, floor: f64, wanted: impl Fn(&str) -> bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for (at, metric) in METRICS.iter().enumerate().filter(|(_, m)| wanted(m.0)) {
        let mut family: Vec<(Line, Comparison)> = Vec::new();
        for workload in &base.all().workloads {
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

fn targets(base: FleetSide, new: FleetSide) -> Vec<(String, String)> {
    if base.target.is_some() || new.target.is_some() {
        let from = base.target.or(new.target).unwrap_or_default();
        return vec![(from.to_owned(), new.target.unwrap_or(from).to_owned())];
    }
    base.all().targets.iter().map(|t| (t.clone(), t.clone())).collect()
}

fn line(
    base: FleetSide,
    new: FleetSide,
    (workload, from, to): (&str, &str, &str),
    metric: usize,
    unit: &str,
) -> Option<(Line, Comparison)> {
    let (old_place, new_place) = (base.places(workload, from)?, new.places(workload, to)?);
    let (old, fresh) = (base.values(old_place, metric), new.values(new_place, metric));
    let centre = |hosts: &BTreeMap<&str, HostValues>| {
        let one = |h: &HostValues| median(&h.iter().flatten().map(|v| v.1).collect::<Vec<_>>());
        median(&hosts.values().filter_map(one).collect::<Vec<_>>())
    };
    let (old_median, new_median, hosts) = (centre(&old)?, centre(&fresh)?, (old.len(), fresh.len()));
    let in_blocks = std::ptr::eq(base.record, new.record) && old_place != new_place;
    let in_both = fresh.keys().any(|h| old.contains_key(h));
    let compared = if in_blocks {
        blocks(base.all(), old_place.1, (new_place.0, new_place.1, metric))
    } else if in_both {
        // Hosts of one side alone tell nothing of what changed.
        let (a, b): (Vec<_>, Vec<_>) =
            old.into_iter().filter_map(|(host, values)| Some((values, fresh.get(host)?.clone()))).unzip();
        compare_hosts(&a, &b, SEED)
    } else {
        let values = |side: BTreeMap<&str, HostValues>| side.into_values().collect::<Vec<_>>();
        compare_fleets(&values(old), &values(fresh), SEED)
    };
    let c = compared?;
    let line = Line {
        workload: workload.to_owned(),
        target: if from == to { from.to_owned() } else { format!("{from} -> {to}") },
        metric: METRICS[metric].0.to_owned(),
        unit: unit.to_owned(),
        base: old_median,
        new: new_median,
        runs: hosts,
        paired: in_blocks || in_both,
        difference: Estimate::new(c.tare, c.tare_interval),
        ratio: c.ratio.map(|r| Estimate::new(r, c.ratio_interval)),
        p: c.p,
        verdict: words(c.verdict),
    };
    Some((line, c))
}

/// The same records give the same intervals.
const SEED: u64 = 1;

/// Two targets of one record, block by block.
fn blocks(all: &Gathered, base: usize, key: (usize, usize, usize)) -> Option<Comparison> {
    let differences = all.of_pairs(key, base, DIFFERENCE).1;
    let ratios = all.of_pairs(key, base, RATIO).1;
    let values = |hosts: &[HostValues]| hosts.iter().flatten().map(Vec::len).sum::<usize>();
    let whole = values(&ratios) == values(&differences);
    compare_blocks_of_hosts(&differences, whole.then_some(&ratios[..]), SEED)
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
