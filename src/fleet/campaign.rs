//! A campaign: a folder that all nodes see.
//!
//! `campaign.json` ([`Campaign`]), `bench.args` and `doctor.args` (an argument a line), `shards`, the scripts `task` and
//! `*.sbatch`, and the folders `partial/` (under way), `records/` (handed over, by one rename) and `log/`.

use super::error::{FleetError, io};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What the tasks have to do with one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Each runs the whole plan on a host of its own.
    Hosts,
    /// Each runs a shard of one plan, on hosts that are alike.
    Shards,
}

/// One task of the array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// In the array, from 1.
    pub index: u32,
    /// Name of its record.
    pub name: String,
    /// The node that it is bound to.
    pub node: Option<String>,
}

/// campaign.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// 1.
    pub schema: u32,
    /// See [`Mode`].
    pub mode: Mode,
    /// When it was submitted, by the submitting host's clock.
    pub submitted_utc: String,
    /// Slurm's number of the array; none before it was submitted.
    pub job: Option<u64>,
    /// Arguments of `taremark bench`.
    pub bench: Vec<String>,
    /// All tasks.
    pub tasks: Vec<Task>,
}

impl Campaign {
    /// Of a folder.
    pub fn read(dir: &Path) -> Result<Self, FleetError> {
        let path = dir.join("campaign.json");
        let text = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(FleetError::None { path: dir.to_owned() });
            }
            read => read.map_err(io("read", &path))?,
        };
        serde_json::from_slice(&text).map_err(|source| FleetError::Json { path, source })
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), FleetError> {
        let path = dir.join("campaign.json");
        let json = serde_json::to_vec_pretty(self)
            .map_err(|source| FleetError::Json { path: path.clone(), source })?;
        let beside = dir.join("campaign.json.new");
        std::fs::write(&beside, json).map_err(io("write", &beside))?;
        std::fs::rename(&beside, &path).map_err(io("write", &path))
    }

    /// Folders of all records that were handed over; those under way, too, if `partial`.
    pub fn records(dir: &Path, partial: bool) -> Result<Vec<PathBuf>, FleetError> {
        let mut all = Vec::new();
        let folders: &[&str] = if partial { &["records", "partial"] } else { &["records"] };
        for folder in folders.iter().map(|f| dir.join(f)) {
            for entry in std::fs::read_dir(&folder).map_err(io("read", &folder))? {
                let path = entry.map_err(io("read", &folder))?.path();
                if path.join("phases.csv").is_file() {
                    all.push(path);
                }
            }
        }
        all.sort();
        Ok(all)
    }

    /// Tasks that have handed over no record.
    pub fn missing(&self, dir: &Path) -> Vec<&Task> {
        self.tasks.iter().filter(|t| !dir.join("records").join(&t.name).is_dir()).collect()
    }
}
