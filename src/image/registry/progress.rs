//! What is told while images move.

use crate::image::digest::Digest;
use std::time::Duration;

/// How a blob came to be where it was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It was moved.
    Moved,
    /// It was there before.
    Already,
    /// The registry took it over from another of its repositories.
    Mounted,
}

/// One step of a pull or push.
#[derive(Debug)]
pub enum Step<'a> {
    /// A blob begins, or begins again, at `from` of its bytes.
    Begins {
        /// Which.
        digest: &'a Digest,
        /// All of it.
        bytes: u64,
        /// Of an earlier attempt.
        from: u64,
    },
    /// So many bytes more went.
    Moves {
        /// Which.
        digest: &'a Digest,
        /// Since the last step.
        bytes: u64,
    },
    /// A blob is done.
    Ends {
        /// Which.
        digest: &'a Digest,
        /// All of it.
        bytes: u64,
        /// How.
        how: How,
    },
    /// Something failed and is tried again.
    Waits {
        /// What failed.
        why: String,
        /// How long it waits.
        wait: Duration,
    },
}

/// Who is told.
pub type Listener<'a> = &'a (dyn Fn(&Step<'_>) + Sync);
