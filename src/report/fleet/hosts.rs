//! Hosts one by one: their medians, and those that are not like the others of their group.

use super::super::error::{ReportError, text};
use super::gather::{Gathered, Key};
use crate::record::schema::METRICS;
use crate::stats::{HostValues, Oddity, mad, median, odd_hosts};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The metrics by which a host is called odd.
const WATCHED: [&str; 4] = ["startup_ms", "pss_bytes", "rate", "cpu_ms"];

/// A host that is not like the others of its group.
#[derive(Debug, Clone, Serialize)]
pub struct OddHost {
    /// Its name.
    pub host_name: String,
    /// Its id.
    pub host: String,
    /// Its group.
    pub group: String,
    /// Workload.
    pub workload: String,
    /// Target.
    pub target: String,
    /// Metric.
    pub metric: String,
    /// `higher`, `lower` or `restless`.
    pub oddity: &'static str,
    /// Times the group's median; of a restless one, times the usual spread.
    pub times: f64,
    /// Robust standard deviations from it.
    pub z: f64,
}

/// All of them, the oddest first.
pub fn odd(gathered: &Gathered) -> Vec<OddHost> {
    let keys: Vec<Key> = gathered.keys().filter(|k| WATCHED.contains(&METRICS[k.2].0)).collect();
    let tests = keys.len() * gathered.hosts.len();
    let mut all: Vec<OddHost> = keys.iter().flat_map(|key| of_key(gathered, *key, tests)).collect();
    all.sort_by(|a, b| b.z.abs().total_cmp(&a.z.abs()).then_with(|| a.host.cmp(&b.host)));
    all
}

fn of_key(gathered: &Gathered, key: Key, tests: usize) -> Vec<OddHost> {
    let (numbers, values) = gathered.of_key(key);
    let mut groups: BTreeMap<&str, (Vec<usize>, Vec<HostValues>)> = BTreeMap::new();
    for (number, values) in numbers.into_iter().zip(values) {
        let group = groups.entry(&gathered.hosts[number].group).or_default();
        group.0.push(number);
        group.1.push(values);
    }
    let mut found = Vec::new();
    for (group, (numbers, values)) in groups {
        for odd in odd_hosts(&values, tests) {
            let host = &gathered.hosts[numbers[odd.host]];
            found.push(OddHost {
                host_name: host.name.clone(),
                host: host.id.clone(),
                group: group.to_owned(),
                workload: gathered.workloads[key.0].clone(),
                target: gathered.targets[key.1].clone(),
                metric: METRICS[key.2].0.to_owned(),
                oddity: match odd.oddity {
                    Oddity::Higher => "higher",
                    Oddity::Lower => "lower",
                    Oddity::Restless => "restless",
                },
                times: odd.times,
                z: odd.z,
            });
        }
    }
    found
}

/// A row of hosts.csv.
#[derive(Serialize)]
struct Row<'a> {
    host: &'a str,
    host_name: &'a str,
    group: &'a str,
    workload: &'a str,
    target: &'a str,
    accelerator: &'a str,
    metric: &'a str,
    unit: &'a str,
    n: usize,
    median: f64,
    mad: f64,
    odd: bool,
}

/// hosts.csv: every figure of every host.
pub fn csv(gathered: &Gathered, odd: &[OddHost]) -> Result<Vec<u8>, ReportError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let marked: BTreeSet<(&str, &str, &str, &str)> = odd
        .iter()
        .map(|o| (o.host.as_str(), o.workload.as_str(), o.target.as_str(), o.metric.as_str()))
        .collect();
    for key in gathered.keys() {
        let (numbers, values) = gathered.of_key(key);
        let (workload, target) = (gathered.workloads[key.0].as_str(), gathered.targets[key.1].as_str());
        let (metric, unit, _) = METRICS[key.2];
        for (number, values) in numbers.into_iter().zip(values) {
            let host = &gathered.hosts[number];
            let values: Vec<f64> = values.iter().flatten().map(|v| v.1).collect();
            let row = Row {
                host: &host.id,
                host_name: &host.name,
                group: &host.group,
                workload,
                target,
                accelerator: &gathered.accelerators[key.1],
                metric,
                unit,
                n: values.len(),
                median: median(&values).unwrap_or_default(),
                mad: mad(&values).unwrap_or_default(),
                odd: marked.contains(&(&host.id, workload, target, metric)),
            };
            csv.serialize(row).map_err(text("hosts.csv"))?;
        }
    }
    csv.into_inner().map_err(|e| text("hosts.csv")(e.to_string()))
}
