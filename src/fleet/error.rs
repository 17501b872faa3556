//! Why a campaign could not be submitted, looked at or collected.

use std::path::{Path, PathBuf};

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A file or folder.
    #[error("{step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of the campaign.
    #[error("{path} is not readable")]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// A folder that holds a campaign.
    #[error("{path} holds a campaign already: give a new folder")]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// A folder without a campaign.
    #[error("{path} holds no campaign")]
    None {
        /// The folder.
        path: PathBuf,
    },
    /// A program of Slurm could not be started.
    #[error("start {program}")]
    Start {
        /// Which.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A program of Slurm refused.
    #[error("{command}: {why}")]
    Refused {
        /// What was run.
        command: String,
        /// What it said.
        why: String,
    },
}

pub(super) fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FleetError {
    move |source| FleetError::Io { step, path: path.to_owned(), source }
}
