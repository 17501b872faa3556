//! Why a report could not be made.

use std::path::{Path, PathBuf};

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The record cannot be read.
    #[error("read the record")]
    Record(#[from] crate::record::RecordError),
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
    /// Drawing.
    #[error("draw {path}: {why}")]
    Chart {
        /// The chart.
        path: PathBuf,
        /// The drawing library's reason.
        why: String,
    },
    /// A page or table.
    #[error("write {what}")]
    Text {
        /// Which.
        what: &'static str,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

pub(super) fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ReportError {
    move |source| ReportError::Io { step, path: path.to_owned(), source }
}

pub(super) fn text<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    what: &'static str,
) -> impl FnOnce(E) -> ReportError {
    move |e| ReportError::Text { what, source: e.into() }
}
