//! Writes a record while the bench goes on: each row is flushed, so that a crash costs the row that was being written.

use super::error::{RecordError, io};
use super::reader::Record;
use super::schema::{Environment, Phase, Plan, RunRow, Sample};
use super::sums;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// See the module.
pub struct Writer {
    dir: PathBuf,
    runs: Table,
    samples: Table,
    phases: Table,
}

struct Table {
    path: PathBuf,
    csv: csv::Writer<File>,
}

impl Table {
    fn create(dir: &Path, name: &str) -> Result<Self, RecordError> {
        let path = dir.join(name);
        let file = File::options().write(true).create_new(true).open(&path).map_err(io("create", &path))?;
        alone(&file, dir)?;
        Ok(Self { csv: csv::Writer::from_writer(file), path })
    }

    /// Writes `rows` beside the file and renames, then adds to it.
    fn again(dir: &Path, name: &str, rows: &[impl Serialize]) -> Result<Self, RecordError> {
        let path = dir.join(name);
        let beside = dir.join(format!("{name}.new"));
        let _ = std::fs::remove_file(&beside);
        let mut table = Self::create(dir, &format!("{name}.new"))?;
        rows.iter().try_for_each(|row| table.append(row))?;
        std::fs::rename(&beside, &path).map_err(io("write", &path))?;
        Ok(Self { path, ..table })
    }

    fn append(&mut self, row: &impl Serialize) -> Result<(), RecordError> {
        let written = self.csv.serialize(row).map_err(|e| match e.into_kind() {
            csv::ErrorKind::Io(e) => e,
            other => std::io::Error::other(format!("{other:?}")),
        });
        written.and_then(|()| self.csv.flush()).map_err(io("write", &self.path))
    }
}

impl Writer {
    /// Makes the folder, with plan and environment in it. A folder that holds a record is refused.
    pub fn create(dir: &Path, plan: &Plan, environment: &Environment) -> Result<Self, RecordError> {
        std::fs::create_dir_all(dir).map_err(io("create", dir))?;
        if dir.join("plan.json").exists() {
            return Err(RecordError::Taken { path: dir.to_owned() });
        }
        put(&dir.join("environment.json"), environment)?;
        put(&dir.join("plan.json"), plan)?;
        let table = |name| Table::create(dir, name);
        Ok(Self {
            dir: dir.to_owned(),
            runs: table("runs.csv")?,
            samples: table("samples.csv")?,
            phases: table("phases.csv")?,
        })
    }

    /// Takes up a record whose bench was interrupted, as `record` was read from it: rows that were cut off, and those of a
    /// run that has no row of its own, are taken out of the files, and the rest is added to.
    pub fn resume(dir: &Path, plan: &Plan, record: &mut Record) -> Result<Self, RecordError> {
        let whole: BTreeSet<u32> = record.runs.iter().map(|r| r.run).collect();
        let runs = dir.join("runs.csv");
        let held = File::open(&runs).map_err(io("read", &runs))?;
        alone(&held, dir)?;
        record.samples.retain(|s| s.run == 0 || whole.contains(&s.run));
        record.phases.retain(|p| whole.contains(&p.run));
        sums::remove(dir)?;
        put(&dir.join("plan.json"), plan)?;
        Ok(Self {
            dir: dir.to_owned(),
            runs: Table::again(dir, "runs.csv", &record.runs)?,
            samples: Table::again(dir, "samples.csv", &record.samples)?,
            phases: Table::again(dir, "phases.csv", &record.phases)?,
        })
    }

    /// A row of runs.csv.
    pub fn append_run(&mut self, row: &RunRow) -> Result<(), RecordError> {
        self.runs.append(row)
    }

    /// A row of samples.csv.
    pub fn append_sample(&mut self, row: &Sample) -> Result<(), RecordError> {
        self.samples.append(row)
    }

    /// A row of phases.csv.
    pub fn append_phase(&mut self, row: &Phase) -> Result<(), RecordError> {
        self.phases.append(row)
    }

    /// The plan once more, now with why the bench ended, and the sums of all that was written.
    pub fn finish(self, plan: &Plan) -> Result<(), RecordError> {
        put(&self.dir.join("plan.json"), plan)?;
        sums::write(&self.dir)
    }
}

/// Two that write one record would spoil it: a task that was given up as dead may still run. The lock goes with the
/// process; a file system without locks is taken as it is.
fn alone(file: &File, dir: &Path) -> Result<(), RecordError> {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(e) if e == rustix::io::Errno::WOULDBLOCK => Err(RecordError::Busy { path: dir.to_owned() }),
        _ => Ok(()),
    }
}

/// Writes beside and renames, so that a reader sees the old file or the new one.
fn put(path: &Path, value: &impl Serialize) -> Result<(), RecordError> {
    let json = serde_json::to_vec_pretty(value)
        .map_err(|source| RecordError::Json { path: path.to_owned(), source })?;
    let beside = path.with_extension("json.new");
    std::fs::write(&beside, json).map_err(io("write", path))?;
    std::fs::rename(&beside, path).map_err(io("write", path))
}
