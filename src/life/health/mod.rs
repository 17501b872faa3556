//! Health checks: a command that is run in the container now and then and says by its exit code whether all is well.
//!
//! There is no daemon: a thread of the monitor starts `taremark healthcheck run ID` every interval, the same that a user
//! may type, which runs the command by `exec`, and writes down what came of it in `health.json`.
//!
//! ```text
//!            good                    `retries` bad ones in a row, after the start period
//! starting ───────▶ healthy ◀───────▶ unhealthy
//! ```

mod check;
mod plan;
mod watch;

pub use check::check;
pub use plan::{Plan, Request, settle};
pub use watch::{reap_others, watch};

use super::error::{LifeError, io};
use super::folder::Folder;
use serde::{Deserialize, Serialize};

/// How well it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not yet known.
    #[default]
    Starting,
    /// The last check was good.
    Healthy,
    /// Too many were bad.
    Unhealthy,
}

impl Health {
    /// As podman spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Milliseconds since 1970.
    pub start_ms: u64,
    /// Milliseconds since 1970.
    pub end_ms: u64,
    /// Of the command; -1 for one that took too long.
    pub exit_code: i32,
    /// What it said, at most [`check::LONGEST`] bytes.
    pub output: String,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// See [`Health`].
    pub status: Health,
    /// Bad ones in a row.
    pub failing_streak: u32,
    /// The last five.
    pub log: Vec<Checked>,
}

const FILE: &str = "health.json";

/// How it is; none where nothing is checked.
pub fn of(folder: &Folder, plan: Option<&Plan>) -> Option<State> {
    plan.map(|_| folder.read_json(FILE).unwrap_or_default())
}

/// Before it starts once more.
pub fn forget(folder: &Folder) -> Result<(), LifeError> {
    let path = folder.file(FILE);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", &path)(e)),
        _ => Ok(()),
    }
}
