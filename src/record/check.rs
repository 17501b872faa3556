//! Whether the rows of a record fit one another, row by row: its runs first, then its samples and phases. A record is plain text
//! that anyone can edit, and a bench can be killed anywhere: what only is not whole is left out and said, what contradicts
//! itself is an error.

use super::error::RecordError;
use super::schema::{METRICS, Phase, RunRow, Sample, unit_of};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What has to be kept of a run, of which a record may have a million.
struct Known {
    block: u32,
    /// In [`Check::places`].
    place: usize,
    warmup: bool,
    well: bool,
    /// Which of [`METRICS`] it has a sample of, a bit each.
    seen: u128,
}

const _: () = assert!(METRICS.len() <= 128);

/// See the module.
pub(super) struct Check<'a> {
    dir: &'a Path,
    runs: HashMap<u32, Known>,
    /// Targets and workloads of runs, each pair once: few.
    places: Vec<(String, String)>,
    /// Bits of metrics.
    metrics: HashMap<&'static str, u128>,
    /// Run and metric of samples whose metric is none of ours.
    others: HashSet<(u32, String)>,
    rows: [usize; 3],
    orphans: usize,
    none: usize,
}

impl<'a> Check<'a> {
    /// Of the record in `dir`.
    pub(super) fn new(dir: &'a Path) -> Self {
        let metrics = METRICS.iter().enumerate().map(|(at, m)| (m.0, 1 << at)).collect();
        Self {
            dir,
            runs: HashMap::new(),
            places: Vec::new(),
            metrics,
            others: HashSet::new(),
            rows: [0; 3],
            orphans: 0,
            none: 0,
        }
    }

    /// The next row of runs.csv.
    pub(super) fn run(&mut self, row: &RunRow) -> Result<(), RecordError> {
        let at = self.next(0);
        let is_it = |p: &(String, String)| p.0 == row.target && p.1 == row.workload;
        let place = self.places.iter().position(is_it).unwrap_or(self.places.len());
        if place == self.places.len() {
            self.places.push((row.target.clone(), row.workload.clone()));
        }
        let (block, warmup, well) = (row.block, row.warmup, row.error.is_empty());
        if self.runs.insert(row.run, Known { block, place, warmup, well, seen: 0 }).is_some() {
            return Err(self.wrong("runs.csv", at, format!("run {} is there twice", row.run)));
        }
        Ok(())
    }

    /// The next row of samples.csv, when all runs are known; whether it is kept. A value that is none is taken from it.
    pub(super) fn sample(&mut self, s: &mut Sample) -> Result<bool, RecordError> {
        let at = self.next(1);
        if let Some(unit) = unit_of(&s.metric).filter(|u| *u != s.unit) {
            return Err(self.wrong(
                "samples.csv",
                at,
                format!("{} is in {:?}, not in {unit:?}", s.metric, s.unit),
            ));
        }
        if let Some(known) = self.runs.get_mut(&s.run) {
            let (target, workload) = &self.places[known.place];
            let same =
                (s.block, &s.target, &s.workload, s.warmup) == (known.block, target, workload, known.warmup);
            if !same {
                let why = format!("{} is not of the block, target and workload of run {}", s.metric, s.run);
                return Err(self.wrong("samples.csv", at, why));
            }
            let twice = match self.metrics.get(s.metric.as_str()) {
                Some(bit) => {
                    let before = known.seen;
                    known.seen |= bit;
                    before == known.seen
                }
                None => !self.others.insert((s.run, s.metric.clone())),
            };
            if twice {
                let why = format!("{} of run {} is there twice", s.metric, s.run);
                return Err(self.wrong("samples.csv", at, why));
            }
        } else if s.run != 0 {
            // The run was under way when the bench was killed.
            self.orphans += 1;
            return Ok(false);
        }
        // The host's memory may well have become more meanwhile; nothing else can be below nothing.
        let signed = s.metric == "available_fall_bytes";
        if s.value.is_some_and(|v| !v.is_finite() || v < 0.0 && !signed) {
            s.error = format!("{} is no value of {}", s.value.unwrap_or_default(), s.metric);
            s.value = None;
            self.none += 1;
        }
        Ok(true)
    }

    /// The next row of phases.csv, when all runs are known; whether it is kept.
    pub(super) fn phase(&mut self, p: &Phase) -> Result<bool, RecordError> {
        let at = self.next(2);
        if ![p.start_ms, p.duration_ms, p.error_ms].iter().all(|v| v.is_finite() && *v >= 0.0) {
            return Err(self.wrong("phases.csv", at, format!("phase {} has a time that is none", p.phase)));
        }
        let kept = self.runs.contains_key(&p.run);
        self.orphans += usize::from(!kept);
        Ok(kept)
    }

    /// What was left out or is missing, a line each.
    pub(super) fn end(self) -> Vec<String> {
        let startup = self.metrics.get("startup_ms").copied().unwrap_or(0);
        let without = self.runs.values().filter(|r| r.well && r.seen & startup == 0).count();
        let (orphans, none) = (self.orphans, self.none);
        let said = [
            (orphans, "samples and phases of a run without a row in runs.csv are left out"),
            (none, "samples are no numbers, infinite or below zero, and are left out"),
            (without, "runs that ended well have no start-up in samples.csv: this record is not whole"),
        ];
        said.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect()
    }

    /// Place of the next row of a file.
    fn next(&mut self, file: usize) -> usize {
        self.rows[file] += 1;
        self.rows[file]
    }

    fn wrong(&self, file: &str, row: usize, why: String) -> RecordError {
        // The header is line 1.
        RecordError::Row { path: self.dir.join(file), line: row as u64 + 1, why }
    }
}
