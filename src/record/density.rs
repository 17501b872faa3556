//! What `taremark density` writes: `density.json` with the circumstances, `starts.csv` with a row for each instance that was
//! added, `together.csv` with a row for each that was started at once with others.

use super::error::{RecordError, io};
use super::schema::TargetFacts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One instance more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// From 1.
    pub instance: u32,
    /// Cgroup, bundle, root: before the launch.
    pub setup_ms: f64,
    /// From the launch until it is ready.
    pub startup_ms: f64,
    /// MemAvailable of the host after it has settled.
    pub available_bytes: u64,
    /// Memory charged to its cgroup when all were up.
    pub cgroup_bytes: u64,
    /// Of that anonymous and shared memory.
    pub cgroup_pages_bytes: u64,
    /// Of that page cache of files, which MemAvailable counts as to be had.
    pub cgroup_file_bytes: u64,
    /// Of that kernel memory.
    pub cgroup_kernel_bytes: u64,
    /// Memory of the host's kernel that cannot be had back, whoever it is charged to, after it has settled.
    pub host_kernel_bytes: u64,
    /// Proportional set size of its processes then.
    pub pss_bytes: u64,
    /// Proportional set size of the harness, which holds pipes and threads for each.
    pub harness_bytes: u64,
}

/// One of several that were started at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Together {
    /// How many.
    pub at_once: u32,
    /// From 1.
    pub round: u32,
    /// From its own launch until it is ready.
    pub startup_ms: f64,
    /// From the first launch of the round until all are ready.
    pub all_ms: f64,
}

/// Same pages merged by the host's kernel (Documentation/admin-guide/mm/ksm.rst).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// Until the number of merged pages changed by less than 5 % in a whole scan, or two minutes.
    pub settled_s: f64,
    /// MemAvailable when all were up, before merging.
    pub available_off_bytes: u64,
    /// After it.
    pub available_on_bytes: u64,
    /// pages_sharing, in bytes: what is saved.
    pub sharing_bytes: u64,
}

/// Circumstances, and what was measured once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Of this file.
    pub schema: u32,
    /// What was run on.
    pub target: TargetFacts,
    /// Name of the workload.
    pub workload: String,
    /// CPUs of each instance.
    pub cpus: u32,
    /// Memory limit of each instance.
    pub memory_bytes: u64,
    /// Instances that were asked for.
    pub wanted: u32,
    /// MemTotal of the host.
    pub host_bytes: u64,
    /// MemAvailable before the first.
    pub available_before_bytes: u64,
    /// And after all were gone.
    pub available_after_bytes: u64,
    /// Why no more were started.
    pub ended_by: String,
    /// Stopping all of them, one after another.
    pub stop_ms: f64,
    /// Whether the host's kernel was merging same pages before.
    pub ksm_was_on: bool,
    /// Where it was asked for.
    pub merged: Option<Merged>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Density {
    /// See there.
    pub header: Header,
    /// In their order.
    pub starts: Vec<Start>,
    /// In their order.
    pub together: Vec<Together>,
}

impl Density {
    /// Writes it into a folder, which is made.
    pub fn write(&self, dir: &Path) -> Result<(), RecordError> {
        std::fs::create_dir_all(dir).map_err(io("create", dir))?;
        let path = dir.join("density.json");
        let json = serde_json::to_vec_pretty(&self.header).unwrap_or_default();
        std::fs::write(&path, json).map_err(io("write", &path))?;
        rows_to(&dir.join("starts.csv"), &self.starts)?;
        rows_to(&dir.join("together.csv"), &self.together)
    }

    /// Reads what was written.
    pub fn read(dir: &Path) -> Result<Self, RecordError> {
        let path = dir.join("density.json");
        let json = std::fs::read(&path).map_err(io("read", &path))?;
        let header = serde_json::from_slice(&json).map_err(|e| io("understand", &path)(e.into()))?;
        let starts = rows_of(&dir.join("starts.csv"))?;
        Ok(Self { header, starts, together: rows_of(&dir.join("together.csv"))? })
    }
}

fn rows_to(path: &Path, rows: &[impl Serialize]) -> Result<(), RecordError> {
    let file = std::fs::File::create(path).map_err(io("create", path))?;
    let mut csv = csv::Writer::from_writer(file);
    let written = rows.iter().try_for_each(|row| csv.serialize(row));
    written.map_err(|e| io("write", path)(e.into()))?;
    csv.flush().map_err(io("write", path))
}

fn rows_of<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RecordError> {
    let file = std::fs::File::open(path).map_err(io("open", path))?;
    let rows = csv::Reader::from_reader(file).into_deserialize().collect::<Result<_, _>>();
    rows.map_err(|e: csv::Error| io("understand", path)(e.into()))
}
