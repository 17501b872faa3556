//! Why a record could not be written or read.

use std::path::{Path, PathBuf};

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
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
    /// A folder that already holds a record.
    #[error("{path} holds a record already: give a new folder")]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes it.
    #[error("{path} is being written by another bench")]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Records that do not belong together.
    #[error("{}", misfits(.0))]
    Misfits(Vec<super::merge::Misfit>),
    /// A Parquet file.
    #[error("{step} {path}")]
    Parquet {
        /// What was tried.
        step: &'static str,
        /// On which path.
        path: PathBuf,
        /// The library's reason.
        source: parquet::errors::ParquetError,
    },
    /// A table whose columns or row groups are not those of a merged record.
    #[error("{path}: {why}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A row of a CSV.
    #[error("{path}, line {line}: {why}")]
    Row {
        /// The file.
        path: PathBuf,
        /// From 1, the header.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// A JSON file.
    #[error("{path} is not readable")]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// Too large to be read into memory.
    #[error("{path} has {bytes} bytes; at most {most} are read into memory")]
    Huge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// What is read at most.
        most: u64,
    },
    /// Written by a newer taremark.
    #[error("{path} has schema {found}; this taremark knows {known}: use a newer one")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// [`super::schema::SCHEMA`].
        known: u32,
    },
}

/// Every one of them: whoever has two thousand hosts does not want to hear of one at a time.
fn misfits(all: &[super::merge::Misfit]) -> String {
    let lines: Vec<String> = all.iter().map(|m| format!("{}: {}", m.path.display(), m.why)).collect();
    format!("{} of the records do not belong to the others: {}", all.len(), lines.join("; "))
}

pub(super) fn parquet(
    step: &'static str,
    path: &Path,
) -> impl FnOnce(parquet::errors::ParquetError) -> RecordError {
    let path = path.to_owned();
    move |source| RecordError::Parquet { step, path, source }
}

pub(super) fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RecordError {
    move |source| RecordError::Io { step, path: path.to_owned(), source }
}
