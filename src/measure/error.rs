//! Why a bench, or one run of it, failed.

use std::path::PathBuf;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
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
    /// A system call of the session's set-up.
    #[error("{step}")]
    System {
        /// What was tried.
        step: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The target failed.
    #[error("{step}")]
    Target {
        /// Step of the run.
        step: &'static str,
        /// Its reason.
        source: crate::target::TargetError,
    },
    /// Not ready in time.
    #[error("not ready ({ready}) within {seconds} s{tail}")]
    NotReady {
        /// Readiness that was waited for.
        ready: String,
        /// Deadline.
        seconds: u64,
        /// Last output, or empty.
        tail: String,
    },
    /// A task that did not end.
    #[error("ready, but still running after {seconds} s{tail}")]
    NotEnded {
        /// Deadline.
        seconds: u64,
        /// Last output, or empty.
        tail: String,
    },
    /// Ended where it should not have.
    #[error("ended with exit code {code} {when}{tail}")]
    Ended {
        /// Exit code, or 128 + signal.
        code: i32,
        /// Before it was ready, or else.
        when: &'static str,
        /// Last output, or empty.
        tail: String,
    },
    /// The target itself broke.
    #[error("{target} broke: {why}")]
    Broke {
        /// Target's name.
        target: String,
        /// Why.
        why: String,
    },
    /// The service's answer was not the expected one.
    #[error("asked {asked}: {why}")]
    Reply {
        /// What was asked.
        asked: String,
        /// What was wrong.
        why: String,
    },
    /// The image could not be had or unpacked.
    #[error("image {reference}")]
    Image {
        /// As given.
        reference: String,
        /// Its reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row could not be written.
    #[error("write the record")]
    Record(#[from] crate::record::RecordError),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

pub(crate) fn io(step: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> MeasureError {
    move |source| MeasureError::Io { step, path: path.to_owned(), source }
}
