//! Why a target could not run a workload.

use std::path::PathBuf;

/// See the variants; each names the step.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A file or folder of the run.
    #[error("{step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A system call without a path.
    #[error("{step}")]
    System {
        /// What was tried.
        step: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A program that the target needs.
    #[error("{program} is not on this host ({looked})")]
    Missing {
        /// Its name.
        program: String,
        /// Where it was looked for.
        looked: String,
    },
    /// The program to run is not in the image.
    #[error("{program} is not in the image (looked in {looked})")]
    NotInImage {
        /// `argv[0]`.
        program: String,
        /// The folders of the image's PATH.
        looked: String,
    },
    /// Starting a program.
    #[error("start the target")]
    Spawn(#[from] crate::sys::spawn::SpawnError),
    /// Network of the run.
    #[error("{step} for the run's network")]
    Network {
        /// What was tried.
        step: &'static str,
        /// The kernel's reason.
        source: crate::sys::netlink::NetlinkError,
    },
    /// Our runtime's library.
    #[error("container")]
    Container(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The machine's library.
    #[error("machine")]
    Machine(#[from] crate::machine::MachineError),
    /// Version of a program could not be had; one that cannot say it is not measured.
    #[error("{program} does not say its version{}{said}", if said.is_empty() { "" } else { ": " })]
    NoVersion {
        /// Its path.
        program: PathBuf,
        /// What it said instead, or nothing.
        said: String,
    },
    /// A command of a target's row failed.
    #[error("{command} ended with {status}: {said}")]
    Command {
        /// The whole of it.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Last line of its standard error.
        said: String,
    },
    /// A command of a target's row did not end.
    #[error("{command} did not end within {seconds} s")]
    Late {
        /// The whole of it.
        command: String,
        /// Deadline.
        seconds: u64,
    },
    /// A target that has no way to do what the workload needs.
    #[error("{target} cannot give the workload {what}")]
    CannotGive {
        /// Its name.
        target: String,
        /// What the workload needs.
        what: &'static str,
    },
}

pub(crate) fn io(step: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> TargetError {
    move |source| TargetError::Io { step, path: path.to_owned(), source }
}

pub(crate) fn container<E: std::error::Error + Send + Sync + 'static>(e: E) -> TargetError {
    TargetError::Container(Box::new(e))
}
