//! Every figure of a fleet.

use super::gather::{DIFFERENCE, Gathered, Join, Key, RATIO};
use crate::record::merge::MergedRecord;
use crate::record::schema::METRICS;
use crate::stats::{Fleet, fleet};
use serde::Serialize;

/// One metric of one workload on one target, over all hosts.
#[derive(Debug, Clone, Serialize)]
pub struct FleetCell {
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
    /// Hosts that have a value.
    pub hosts: usize,
    /// Values.
    pub n: usize,
    /// Measured runs that failed.
    pub failed: usize,
    /// Median over hosts of each host's median.
    pub median: f64,
    /// 95 % interval: hosts, sessions, blocks and runs resampled. None below three hosts.
    pub low: Option<f64>,
    /// See `low`.
    pub high: Option<f64>,
    /// Standard deviation between hosts, as a share (0.05: 5 %).
    pub between_hosts: f64,
    /// The same between the runs of one host.
    pub within_hosts: f64,
    /// Gross / net, block by block; the median over hosts of each host's median.
    pub ratio: Option<f64>,
    /// Its 95 % interval.
    pub ratio_low: Option<f64>,
    /// See `ratio_low`.
    pub ratio_high: Option<f64>,
    /// Gross - net, in the same way and in the metric's unit.
    pub tare: Option<f64>,
    /// Its 95 % interval.
    pub tare_low: Option<f64>,
    /// See `tare_low`.
    pub tare_high: Option<f64>,
}

/// All of them, in the order of the plan; half of them on another thread.
pub fn of(record: &MergedRecord, gathered: &Gathered) -> Vec<FleetCell> {
    let keys: Vec<Key> = gathered.keys().collect();
    let seed = record.sessions.first().map_or(0, |s| s.plan.seed);
    let every_second = |from: usize| -> Vec<(usize, FleetCell)> {
        let mine = keys.iter().enumerate().skip(from).step_by(2);
        mine.filter_map(|(at, key)| Some((at, cell(gathered, *key, seed ^ (at as u64) << 20)?))).collect()
    };
    let (mut cells, others) = std::thread::scope(|scope| {
        let others = scope.spawn(|| every_second(1));
        let mine = every_second(0);
        (mine, others.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    cells.extend(others);
    cells.sort_by_key(|c| c.0);
    cells.into_iter().map(|c| c.1).collect()
}

fn cell(gathered: &Gathered, key: Key, seed: u64) -> Option<FleetCell> {
    let (numbers, hosts) = gathered.of_key(key);
    let n = hosts.iter().flatten().map(Vec::len).sum();
    let found = fleet(&hosts, seed)?;
    let place = (key.0, key.1);
    let open = !gathered.refused.contains_key(&place);
    let paired = |join: Join, seed| -> Option<Fleet> {
        let net = gathered.net_of(key).filter(|_| open)?;
        fleet(&gathered.of_pairs(key, net, join).1, seed)
    };
    let tare = paired(DIFFERENCE, seed.wrapping_add(1));
    let ratio = paired(RATIO, seed.wrapping_add(2));
    let ends = |f: &Option<Fleet>| f.as_ref().and_then(|f| f.interval);
    Some(FleetCell {
        workload: gathered.workloads[key.0].clone(),
        target: gathered.targets[key.1].clone(),
        accelerator: gathered.accelerators[key.1].clone(),
        metric: METRICS[key.2].0.to_owned(),
        unit: METRICS[key.2].1.to_owned(),
        hosts: numbers.len(),
        n,
        failed: gathered.failed.get(&place).copied().unwrap_or(0),
        median: found.median,
        low: found.interval.map(|i| i.low),
        high: found.interval.map(|i| i.high),
        between_hosts: found.between,
        within_hosts: found.within,
        tare_low: ends(&tare).map(|i| i.low),
        tare_high: ends(&tare).map(|i| i.high),
        tare: tare.map(|f| f.median),
        ratio_low: ends(&ratio).map(|i| i.low),
        ratio_high: ends(&ratio).map(|i| i.high),
        ratio: ratio.map(|f| f.median),
    })
}
