//! Reads a record, also one whose bench was killed in the middle of a row.

use super::error::{RecordError, io};
use super::lessons::{self, Lessons, Taught};
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

/// Reads the folder.
pub fn read(dir: &Path) -> Result<Record, RecordError> {
    let mut warnings = Vec::new();
    let mut record = Record {
        plan: json(&dir.join("plan.json"))?,
        environment: json(&dir.join("environment.json"))?,
        runs: rows(&dir.join("runs.csv"), &mut warnings)?,
        samples: rows(&dir.join("samples.csv"), &mut warnings)?,
        phases: rows(&dir.join("phases.csv"), &mut warnings)?,
        lessons: taught(dir)?,
        warnings,
    };
    for name in super::sums::changed(dir)? {
        let path = dir.join(name);
        record.warnings.push(format!("{} is not what the bench wrote (see SHA256SUMS)", path.display()));
    }
    super::check::check(dir, &mut record)?;
    Ok(record)
}

/// What the lessons said, if they were run into this record.
fn taught(dir: &Path) -> Result<Vec<Taught>, RecordError> {
    let path = dir.join(lessons::NAME);
    if path.exists() { Ok(json::<Lessons>(&path)?.lessons) } else { Ok(Vec::new()) }
}

/// Plan, environment and runs alone, unchecked against the rest: what a merge sorts records by.
pub(super) fn head(dir: &Path) -> Result<(Plan, Environment, Vec<RunRow>), RecordError> {
    let runs = rows(&dir.join("runs.csv"), &mut Vec::new())?;
    Ok((json(&dir.join("plan.json"))?, json(&dir.join("environment.json"))?, runs))
}

/// Largest file that is read: ten million samples. More is no record of ours, and would fill the memory.
const MOST_BYTES: u64 = 1 << 30;

fn whole(path: &Path) -> Result<Vec<u8>, RecordError> {
    let bytes = std::fs::metadata(path).map_err(io("read", path))?.len();
    if bytes > MOST_BYTES {
        return Err(RecordError::Huge { path: path.to_owned(), bytes, most: MOST_BYTES });
    }
    std::fs::read(path).map_err(io("read", path))
}

fn known(path: &Path, found: u64) -> Result<(), RecordError> {
    if found <= u64::from(SCHEMA) {
        return Ok(());
    }
    Err(RecordError::Schema { path: path.to_owned(), found, known: SCHEMA })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, RecordError> {
    let text = whole(path)?;
    let failed = |source| RecordError::Json { path: path.to_owned(), source };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(failed)?;
    known(path, value.get("schema").and_then(serde_json::Value::as_u64).unwrap_or(0))?;
    serde_json::from_value(value).map_err(failed)
}

/// A file without its header is one that was never begun: no rows. A last row without its end of line was cut off: it is
/// left out, and said.
fn rows<T: DeserializeOwned>(path: &Path, warnings: &mut Vec<String>) -> Result<Vec<T>, RecordError> {
    let mut text = whole(path)?;
    if text.last().is_some_and(|b| *b != b'\n') {
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        text.truncate(whole);
        warnings.push(format!("{}: its last row was cut off and is left out", path.display()));
    }
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_slice());
    let headers = reader.headers().map_err(|e| row_error(path, &e))?.clone();
    let schema = headers.iter().position(|h| h == "schema");
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| row_error(path, &e))?;
        let version = schema.and_then(|at| record.get(at)?.parse().ok());
        known(path, version.unwrap_or(0))?;
        rows.push(record.deserialize(Some(&headers)).map_err(|e| {
            let line = record.position().map_or(0, csv::Position::line);
            RecordError::Row { path: path.to_owned(), line, why: plain(&e) }
        })?);
    }
    Ok(rows)
}

fn row_error(path: &Path, e: &csv::Error) -> RecordError {
    let line = e.position().map_or(1, csv::Position::line);
    RecordError::Row { path: path.to_owned(), line, why: plain(e) }
}

/// The reason without the position, which the caller gives.
fn plain(e: &csv::Error) -> String {
    match e.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, expected {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".into(),
        _ => e.to_string(),
    }
}
