//! What a build tells while it runs, and what it asks of whoever can run containers.

use super::options::Network;
use std::path::{Path, PathBuf};

/// A command to be run in a container. Whoever builds knows no runtime: it is given one.
pub struct RunStep<'a> {
    /// Root file system, mounted for the calling thread.
    pub root: &'a Path,
    /// A folder for whatever the runtime needs.
    pub dir: &'a Path,
    /// Argument vector.
    pub argv: &'a [String],
    /// `K=V`.
    pub env: &'a [String],
    /// Working folder.
    pub cwd: &'a str,
    /// User and group.
    pub user: (u32, u32),
    /// Further groups.
    pub groups: &'a [u32],
    /// From where, and where in the container.
    pub mounts: &'a [(PathBuf, PathBuf)],
    /// See there.
    pub network: Network,
    /// Gets what the command prints.
    pub output: &'a (dyn Fn(&[u8]) + Sync),
}

/// Runs a step; its exit code. Called from several threads.
pub type Executor<'a> =
    dyn Fn(&RunStep<'_>) -> Result<i32, Box<dyn std::error::Error + Send + Sync>> + Sync + 'a;

/// What goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// An instruction begins.
    Step {
        /// Stage's name.
        stage: &'a str,
        /// From 1.
        number: usize,
        /// Of the stage.
        of: usize,
        /// The instruction.
        text: &'a str,
    },
    /// It was done before.
    Cached {
        /// Stage's name.
        stage: &'a str,
        /// From 1.
        number: usize,
        /// Of the stage.
        of: usize,
    },
    /// An image that the build stands on comes from its registry.
    Pull {
        /// Its name.
        reference: &'a str,
        /// Bytes that came.
        done: u64,
    },
    /// A command printed.
    Output {
        /// Stage's name.
        stage: &'a str,
        /// As it came, without the line's end.
        line: &'a str,
    },
    /// Worth knowing, but no error.
    Warning(String),
}

/// Gets events, from several threads.
pub type Listener<'a> = dyn Fn(&Event<'_>) + Sync + 'a;
