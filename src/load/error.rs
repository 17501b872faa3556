//! Why a built-in workload could not do its work.

use std::path::PathBuf;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The arguments make no sense.
    #[error("{}", super::USAGE)]
    Usage,
    /// A step failed.
    #[error("{step}: {source}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A step on a file failed.
    #[error("{step} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What was read is not what was written.
    #[error("{path} reads back otherwise than it was written", path = path.display())]
    Differs {
        /// The file.
        path: PathBuf,
    },
    /// The port is taken, or may not be had.
    #[error("listen on port {port}: {source}")]
    Listen {
        /// Port.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
}

impl LoadError {
    /// 2 for usage, else 1.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Usage) { 2 } else { 1 }
    }
}
