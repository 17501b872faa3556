//! Reads a record, also one whose bench was killed in the middle of a row.

use super::check::Check;
use super::error::{RecordError, io};
use super::lessons::{self, Lessons, Taught};
use super::rows::Rows;
use super::schema::{Environment, Phase, Plan, RunRow, SCHEMA, Sample};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Everything that one bench wrote.
#[derive(Debug, Clone)]
pub struct Record {
    /// plan.json.
    pub plan: Plan,
    /// environment.json.
    pub environment: Environment,
    /// runs.csv.
    pub runs: Vec<RunRow>,
    /// samples.csv.
    pub samples: Vec<Sample>,
    /// phases.csv.
    pub phases: Vec<Phase>,
    /// lessons.json, where there is one.
    pub lessons: Vec<Taught>,
    /// What was changed, cut off or left out, a line each.
    pub warnings: Vec<String>,
}

/// A row of one of the three tables.
pub(super) enum Row {
    /// Of runs.csv.
    Run(Box<RunRow>),
    /// Of samples.csv.
    Sample(Sample),
    /// Of phases.csv.
    Phase(Phase),
}

/// Reads the folder into memory. No file of it may be larger than [`MOST_BYTES`].
pub fn read(dir: &Path) -> Result<Record, RecordError> {
    for name in ["runs.csv", "samples.csv", "phases.csv"] {
        small(&dir.join(name), MOST_BYTES)?;
    }
    let (plan, environment) = head(dir)?;
    let (mut runs, mut samples, mut phases) = (Vec::new(), Vec::new(), Vec::new());
    let warnings = each(dir, |row| {
        match row {
            Row::Run(run) => runs.push(*run),
            Row::Sample(sample) => samples.push(sample),
            Row::Phase(phase) => phases.push(phase),
        }
        true
    })?;
    Ok(Record { plan, environment, runs, samples, phases, lessons: taught(dir)?, warnings })
}

/// Gives all rows to `take`, checked against one another: the runs, then the samples, then the phases, until it says no. What
/// was changed, cut off or left out, a line each. Memory: some bytes a run.
pub(super) fn each(dir: &Path, mut take: impl FnMut(Row) -> bool) -> Result<Vec<String>, RecordError> {
    let (runs, samples, phases) = (
        Rows::<RunRow>::open(&dir.join("runs.csv"))?,
        Rows::<Sample>::open(&dir.join("samples.csv"))?,
        Rows::<Phase>::open(&dir.join("phases.csv"))?,
    );
    let cut = [runs.warning(), samples.warning(), phases.warning()];
    let mut warnings: Vec<String> = cut.into_iter().flatten().collect();
    for name in super::sums::changed(dir)? {
        let path = dir.join(name);
        warnings.push(format!("{} is not what the bench wrote (see SHA256SUMS)", path.display()));
    }
    let mut check = Check::new(dir);
    for run in runs {
        let run = run?;
        check.run(&run)?;
        if !take(Row::Run(Box::new(run))) {
            return Ok(warnings);
        }
    }
    for sample in samples {
        let mut sample = sample?;
        if check.sample(&mut sample)? && !take(Row::Sample(sample)) {
            return Ok(warnings);
        }
    }
    for phase in phases {
        let phase = phase?;
        if check.phase(&phase)? && !take(Row::Phase(phase)) {
            return Ok(warnings);
        }
    }
    warnings.extend(check.end());
    Ok(warnings)
}

/// What the lessons said, if they were run into this record.
fn taught(dir: &Path) -> Result<Vec<Taught>, RecordError> {
    let path = dir.join(lessons::NAME);
    if path.exists() { Ok(json::<Lessons>(&path)?.lessons) } else { Ok(Vec::new()) }
}

/// Plan and environment alone.
pub(super) fn head(dir: &Path) -> Result<(Plan, Environment), RecordError> {
    Ok((json(&dir.join("plan.json"))?, json(&dir.join("environment.json"))?))
}

/// Rows of runs.csv, unchecked against the rest.
pub(super) fn runs(dir: &Path) -> Result<Rows<RunRow>, RecordError> {
    Rows::open(&dir.join("runs.csv"))
}

/// Largest table that is read into memory: three million samples, which take 1 GiB there. A merge reads larger ones in pieces.
const MOST_BYTES: u64 = 256 << 20;
/// Largest JSON file that is read: more is no record of ours.
const MOST_JSON_BYTES: u64 = 64 << 20;

fn small(path: &Path, most: u64) -> Result<(), RecordError> {
    let bytes = std::fs::metadata(path).map_err(io("read", path))?.len();
    if bytes > most {
        return Err(RecordError::Huge { path: path.to_owned(), bytes, most });
    }
    Ok(())
}

pub(super) fn known(path: &Path, found: u64) -> Result<(), RecordError> {
    if found <= u64::from(SCHEMA) {
        return Ok(());
    }
    Err(RecordError::Schema { path: path.to_owned(), found, known: SCHEMA })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, RecordError> {
    small(path, MOST_JSON_BYTES)?;
    let text = std::fs::read(path).map_err(io("read", path))?;
    let failed = |source| RecordError::Json { path: path.to_owned(), source };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(failed)?;
    known(path, value.get("schema").and_then(serde_json::Value::as_u64).unwrap_or(0))?;
    serde_json::from_value(value).map_err(failed)
}
