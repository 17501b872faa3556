//! Reads a merged record session by session into values by figure and host.

use super::super::error::ReportError;
use super::super::summary::NET;
use crate::record::merge::{MergedRecord, Rows, Session};
use crate::record::schema::METRICS;
use crate::record::table::{Data, RUNS, SAMPLES};
use crate::stats::HostValues;
use parquet::data_type::ByteArray;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A host.
#[derive(Debug)]
pub struct Host {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
}

/// Workload, target and metric, as places in the plan's lists and in [`METRICS`].
pub type Key = (usize, usize, usize);

/// What two values of one block make.
pub type Join = fn(f64, f64) -> Option<f64>;
/// The second less the first.
pub const DIFFERENCE: Join = |base, new| Some(new - base);
/// The second over the first.
pub const RATIO: Join = |base, new| (base > 0.0).then(|| new / base);

/// See the module.
#[derive(Debug, Default)]
pub struct Gathered {
    /// In the order of their ids.
    pub hosts: Vec<Host>,
    /// Of each session its host.
    pub host_of: Vec<usize>,
    /// Names.
    pub workloads: Vec<String>,
    /// Names.
    pub targets: Vec<String>,
    /// Of each target.
    pub accelerators: Vec<String>,
    /// (session, block, value), session by session, blocks in order.
    values: BTreeMap<Key, Vec<(u32, u32, f64)>>,
    /// Measured runs that failed, by workload and target.
    pub failed: BTreeMap<(usize, usize), usize>,
    /// Why a target is not compared with the net on a workload.
    pub refused: BTreeMap<(usize, usize), String>,
    /// What a reader has to know.
    pub notes: Vec<String>,
}

impl Gathered {
    /// All that counts: no warm-up, no superseded block, no value that is none.
    pub fn of(record: &MergedRecord, by: &str) -> Result<Self, ReportError> {
        let mut all = Self::default();
        for session in &record.sessions {
            if all.hosts.last().is_none_or(|h| h.id != session.host) {
                let (id, name) = (session.host.clone(), session.host_name.clone());
                all.hosts.push(Host { id, name, group: fact(session, by) });
            }
            all.host_of.push(all.hosts.len() - 1);
        }
        if let Some(first) = record.sessions.first() {
            all.workloads = first.plan.workloads.iter().map(|w| w.name.clone()).collect();
            all.targets = first.plan.targets.iter().map(|t| t.name.clone()).collect();
            all.accelerators = first.plan.targets.iter().map(|t| t.accelerator.clone()).collect();
        }
        all.take_samples(record)?;
        all.take_runs(record)?;
        Ok(all)
    }

    fn take_samples(&mut self, record: &MergedRecord) -> Result<(), ReportError> {
        let rows = record.rows(&SAMPLES)?;
        let names = ["workload", "target", "metric", "block", "value", "warmup", "superseded"];
        let metrics: Vec<String> = METRICS.iter().map(|m| m.0.to_owned()).collect();
        for (session, part) in parts(record, &rows) {
            let columns = rows.columns(part, names)?;
            let [
                Data::Words(workloads),
                Data::Words(targets),
                Data::Words(words),
                Data::Counts(blocks),
                Data::Numbers(values),
                Data::Flags(warmup),
                Data::Flags(superseded),
            ] = columns
            else {
                continue;
            };
            let (workloads, targets, words) = (
                places(&workloads, &self.workloads),
                places(&targets, &self.targets),
                places(&words, &metrics),
            );
            for row in 0..blocks.len() {
                let (Some(w), Some(t), Some(m)) = (workloads[row], targets[row], words[row]) else {
                    continue;
                };
                if let (Some(value), false, false) =
                    (values[row].filter(|v| v.is_finite()), warmup[row], superseded[row])
                {
                    let of = self.values.entry((w, t, m)).or_default();
                    of.push((session as u32, blocks[row] as u32, value));
                }
            }
        }
        Ok(())
    }

    /// Failures, and whether all targets did the same work: image, what they were told, output.
    fn take_runs(&mut self, record: &MergedRecord) -> Result<(), ReportError> {
        let rows = record.rows(&RUNS)?;
        let names = [
            "workload",
            "target",
            "warmup",
            "superseded",
            "error",
            "image_digest",
            "job_digest",
            "output_digest",
        ];
        let mut digests: BTreeMap<(usize, usize), [BTreeSet<ByteArrayKey>; 3]> = BTreeMap::new();
        for (_, part) in parts(record, &rows) {
            let columns = rows.columns(part, names)?;
            let [
                Data::Words(workloads),
                Data::Words(targets),
                Data::Flags(warmup),
                Data::Flags(superseded),
                Data::Words(errors),
                Data::Words(image),
                Data::Words(job),
                Data::Words(output),
            ] = columns
            else {
                continue;
            };
            let (workloads, targets) = (places(&workloads, &self.workloads), places(&targets, &self.targets));
            for row in (0..errors.len()).filter(|r| !warmup[*r] && !superseded[*r]) {
                let (Some(w), Some(t)) = (workloads[row], targets[row]) else { continue };
                if !errors[row].is_empty() {
                    *self.failed.entry((w, t)).or_default() += 1;
                    continue;
                }
                let seen = digests.entry((w, t)).or_default();
                for (set, word) in seen.iter_mut().zip([&image, &job, &output]) {
                    if !set.contains(word[row].data()) {
                        set.insert(word[row].data().to_vec());
                    }
                }
            }
        }
        self.refuse(&digests);
        Ok(())
    }

    fn refuse(&mut self, digests: &BTreeMap<(usize, usize), [BTreeSet<ByteArrayKey>; 3]>) {
        let Some(net) = self.targets.iter().position(|t| t == NET) else { return };
        let what = ["image", "arguments, environment, user, folder or limits", "output"];
        for ((workload, target), of) in digests {
            let Some(base) = digests.get(&(*workload, net)) else { continue };
            let differs = |i: &usize| of[*i].union(&base[*i]).count() > 1;
            let Some(which) = (0..3).find(differs) else { continue };
            let why = format!("not the same {} as on {NET}, or not on all hosts", what[which]);
            let (w, t) = (&self.workloads[*workload], &self.targets[*target]);
            self.notes.push(format!("{w} on {t} is not compared: {why}"));
            self.refused.insert((*workload, *target), why);
        }
    }

    /// All figures that have values, in the order of the plan.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.values.keys().copied()
    }

    /// Values of a figure by host; hosts without one are left out. With the hosts' numbers.
    pub fn of_key(&self, key: Key) -> (Vec<usize>, Vec<HostValues>) {
        self.nested(self.values.get(&key).map_or(&[][..], Vec::as_slice).iter().copied())
    }

    /// Place of the target that is the net, where it is another than the key's.
    pub fn net_of(&self, key: Key) -> Option<usize> {
        self.targets.iter().position(|t| t == NET).filter(|n| *n != key.1)
    }

    /// The same of pairs of one block, joined by `join`: the value on the target `base` and that of the key's own.
    pub fn of_pairs(&self, key: Key, base: usize, join: Join) -> (Vec<usize>, Vec<HostValues>) {
        let base = self.values.get(&(key.0, base, key.2)).map_or(&[][..], Vec::as_slice);
        let gross = self.values.get(&key).map_or(&[][..], Vec::as_slice);
        let known: HashMap<(u32, u32), f64> = base.iter().map(|(s, b, v)| ((*s, *b), *v)).collect();
        let joined = gross.iter().filter_map(|(s, b, v)| Some((*s, *b, join(*known.get(&(*s, *b))?, *v)?)));
        self.nested(joined)
    }

    fn nested(&self, values: impl Iterator<Item = (u32, u32, f64)>) -> (Vec<usize>, Vec<HostValues>) {
        let (mut numbers, mut hosts): (Vec<usize>, Vec<HostValues>) = (Vec::new(), Vec::new());
        let mut last = None;
        for (session, block, value) in values {
            let host = self.host_of[session as usize];
            if numbers.last() != Some(&host) {
                numbers.push(host);
                hosts.push(Vec::new());
            }
            let Some(of_host) = hosts.last_mut() else { continue };
            if last != Some(session) {
                of_host.push(Vec::new());
                last = Some(session);
            }
            if let Some(of_session) = of_host.last_mut() {
                of_session.push((block, value));
            }
        }
        (numbers, hosts)
    }
}

/// Sessions with their parts of a table.
fn parts<'a>(record: &'a MergedRecord, rows: &'a Rows) -> impl Iterator<Item = (usize, usize)> + 'a {
    (0..record.sessions.len()).flat_map(|session| rows.parts(session).map(move |part| (session, part)))
}

type ByteArrayKey = Vec<u8>;

/// Of each word its place in `known`; words come in runs of few different ones.
fn places(words: &[ByteArray], known: &[String]) -> Vec<Option<usize>> {
    let known: HashMap<&[u8], usize> = known.iter().enumerate().map(|(i, k)| (k.as_bytes(), i)).collect();
    words.iter().map(|w| known.get(w.data()).copied()).collect()
}

/// A fact of the host by which it is put into a group: `CPU/model`.
fn fact(session: &Session, by: &str) -> String {
    let (group, name) = by.split_once('/').unwrap_or((by, ""));
    let group = session.environment.groups.iter().find(|g| g.name == group);
    let fact = group.and_then(|g| g.facts.iter().find(|f| f.0 == name));
    fact.map_or_else(|| "unknown".to_owned(), |f| f.1.clone())
}
