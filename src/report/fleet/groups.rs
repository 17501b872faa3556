//! Differences between groups of hosts: CPU generations, kernels, whatever fact was asked for. The host is the unit.

use super::super::summary::words;
use super::gather::{Gathered, Key};
use crate::record::schema::METRICS;
use crate::stats::{Comparison, HostValues, compare_fleets, judge, median};
use serde::Serialize;
use std::collections::BTreeMap;

/// The metrics that are compared.
const COMPARED: [&str; 2] = ["startup_ms", "pss_bytes"];
/// Groups beyond so many are a fact that names hosts, not groups.
const MOST: usize = 12;

/// A group against the largest.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Workload.
    pub workload: String,
    /// Target.
    pub target: String,
    /// `kvm`, `tcg` or empty.
    pub accelerator: String,
    /// Metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// The largest group.
    pub base: String,
    /// The other.
    pub group: String,
    /// Hosts of each.
    pub hosts: (usize, usize),
    /// Median over the base's hosts.
    pub base_median: f64,
    /// Median over the other's.
    pub median: f64,
    /// The second over the first.
    pub ratio: Option<f64>,
    /// 95 % interval.
    pub ratio_low: Option<f64>,
    /// See `ratio_low`.
    pub ratio_high: Option<f64>,
    /// Corrected for all lines of the metric.
    pub p: f64,
    /// `more`, `less`, `no difference shown`, `too few runs` (here: hosts).
    pub verdict: &'static str,
}

/// All lines; none where all hosts are of one group.
pub fn of(gathered: &Gathered) -> Vec<Line> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    gathered.hosts.iter().for_each(|h| *sizes.entry(&h.group).or_default() += 1);
    let mut order: Vec<(&str, usize)> = sizes.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    order.truncate(MOST);
    let names: Vec<&str> = order.into_iter().map(|g| g.0).collect();
    let mut lines = Vec::new();
    for metric in COMPARED {
        let keys = gathered.keys().filter(|k| METRICS[k.2].0 == metric);
        let mut family: Vec<(Line, Comparison)> =
            keys.flat_map(|key| of_key(gathered, key, &names)).collect();
        let mut judged: Vec<Comparison> = family.iter().map(|f| f.1).collect();
        judge(&mut judged, 0.0);
        for ((line, _), comparison) in family.iter_mut().zip(judged) {
            line.p = comparison.p;
            line.verdict = words(comparison.verdict);
        }
        lines.extend(family.into_iter().map(|f| f.0));
    }
    lines
}

fn of_key(gathered: &Gathered, key: Key, names: &[&str]) -> Vec<(Line, Comparison)> {
    let (numbers, values) = gathered.of_key(key);
    let mut groups: BTreeMap<&str, Vec<HostValues>> = BTreeMap::new();
    for (number, values) in numbers.into_iter().zip(values) {
        groups.entry(&gathered.hosts[number].group).or_default().push(values);
    }
    let centre = |hosts: &[HostValues]| {
        let one = |h: &HostValues| median(&h.iter().flatten().map(|v| v.1).collect::<Vec<_>>());
        median(&hosts.iter().filter_map(one).collect::<Vec<_>>())
    };
    let Some((base_name, base)) = names.first().and_then(|n| Some((*n, groups.get(n)?))) else {
        return Vec::new();
    };
    let line = |name: &&str| {
        let other = groups.get(*name)?;
        let compared = compare_fleets(base, other, 1)?;
        let line = Line {
            workload: gathered.workloads[key.0].clone(),
            target: gathered.targets[key.1].clone(),
            accelerator: gathered.accelerators[key.1].clone(),
            metric: METRICS[key.2].0.to_owned(),
            unit: METRICS[key.2].1.to_owned(),
            base: base_name.to_owned(),
            group: (*name).to_owned(),
            hosts: (base.len(), other.len()),
            base_median: centre(base)?,
            median: centre(other)?,
            ratio: compared.ratio,
            ratio_low: compared.ratio_interval.map(|i| i.low),
            ratio_high: compared.ratio_interval.map(|i| i.high),
            p: compared.p,
            verdict: words(compared.verdict),
        };
        Some((line, compared))
    };
    names.iter().skip(1).filter_map(line).collect()
}
