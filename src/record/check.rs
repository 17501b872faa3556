//! Whether the files of a record fit one another. A record is plain text that anyone can edit, and a bench can be killed
//! anywhere: what only is not whole is left out and said, what contradicts itself is an error.

use super::error::RecordError;
use super::reader::Record;
use super::schema::{RunRow, unit_of};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// See the module.
pub(super) fn check(dir: &Path, record: &mut Record) -> Result<(), RecordError> {
    let mut runs: HashMap<u32, &RunRow> = HashMap::new();
    for (i, row) in record.runs.iter().enumerate() {
        if runs.insert(row.run, row).is_some() {
            return Err(wrong(dir, "runs.csv", i, format!("run {} is there twice", row.run)));
        }
    }
    let mut seen = HashSet::new();
    for (i, s) in record.samples.iter().enumerate() {
        if let Some(unit) = unit_of(&s.metric).filter(|u| *u != s.unit) {
            return Err(wrong(
                dir,
                "samples.csv",
                i,
                format!("{} is in {:?}, not in {unit:?}", s.metric, s.unit),
            ));
        }
        let Some(row) = runs.get(&s.run) else { continue };
        let same = (s.block, &s.target, &s.workload, s.warmup)
            == (row.block, &row.target, &row.workload, row.warmup);
        if !same {
            let why = format!("{} is not of the block, target and workload of run {}", s.metric, s.run);
            return Err(wrong(dir, "samples.csv", i, why));
        }
        if !seen.insert((s.run, s.metric.as_str())) {
            return Err(wrong(
                dir,
                "samples.csv",
                i,
                format!("{} of run {} is there twice", s.metric, s.run),
            ));
        }
    }
    for (i, p) in record.phases.iter().enumerate() {
        if ![p.start_ms, p.duration_ms, p.error_ms].iter().all(|v| v.is_finite() && *v >= 0.0) {
            return Err(wrong(dir, "phases.csv", i, format!("phase {} has a time that is none", p.phase)));
        }
    }
    let known: HashSet<u32> = runs.keys().copied().collect();
    let without =
        runs.values().filter(|r| r.error.is_empty() && !seen.contains(&(r.run, "startup_ms"))).count();
    leave_out(record, &known);
    if without > 0 {
        record.warnings.push(format!(
            "{without} runs that ended well have no start-up in samples.csv: this record is not whole"
        ));
    }
    Ok(())
}

/// Samples and phases of a run that has no row: it was under way when the bench was killed. Values that are none.
fn leave_out(record: &mut Record, known: &HashSet<u32>) {
    let before = record.samples.len() + record.phases.len();
    record.samples.retain(|s| s.run == 0 || known.contains(&s.run));
    record.phases.retain(|p| known.contains(&p.run));
    let orphans = before - record.samples.len() - record.phases.len();
    if orphans > 0 {
        record
            .warnings
            .push(format!("{orphans} samples and phases of a run without a row in runs.csv are left out"));
    }
    let mut none = 0;
    for sample in &mut record.samples {
        // The host's memory may well have become more meanwhile; nothing else can be below nothing.
        let signed = sample.metric == "available_fall_bytes";
        if sample.value.is_some_and(|v| !v.is_finite() || v < 0.0 && !signed) {
            sample.error = format!("{} is no value of {}", sample.value.unwrap_or_default(), sample.metric);
            sample.value = None;
            none += 1;
        }
    }
    if none > 0 {
        record
            .warnings
            .push(format!("{none} samples are no numbers, infinite or below zero, and are left out"));
    }
}

fn wrong(dir: &Path, file: &str, row: usize, why: String) -> RecordError {
    // The header is line 1.
    RecordError::Row { path: dir.join(file), line: row as u64 + 2, why }
}
