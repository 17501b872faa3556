//! What a running target tells the harness. Every stamp is the host's CLOCK_MONOTONIC, in nanoseconds.

/// Something happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// When the harness saw it, or when the target stamped it.
    pub at_ns: u64,
    /// What.
    pub kind: EventKind,
}

/// Standard output or error of the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// See [`Event`].
#[derive(Debug, Clone)]
pub enum EventKind {
    /// The workload wrote.
    Output {
        /// Where.
        stream: Stream,
        /// What.
        bytes: Vec<u8>,
    },
    /// A phase of the start ends here.
    Milestone {
        /// Name of the phase that ends.
        phase: String,
        /// Bound of the error of the stamp.
        error_ns: u64,
    },
    /// The workload has ended with this code, or 128 + signal.
    Exited {
        /// Exit code.
        code: i32,
    },
    /// The target is at its end and says no more; empty, or why that was not to be expected.
    Closed {
        /// One line, with the last of the console where there is one.
        error: String,
    },
}
