//! Why a container verb failed.

use std::path::PathBuf;

/// See the variants; each names step and object.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
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
    /// A system call without a path.
    #[error("{step}")]
    System {
        /// What was tried.
        step: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The runtime config.
    #[error("{path}: {field}: {why}")]
    Config {
        /// The file.
        path: PathBuf,
        /// JSON path of the field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// Filter.
    #[error(transparent)]
    Seccomp(#[from] super::seccomp::SeccompError),
    /// Cgroups.
    #[error("cgroup")]
    Cgroup(#[from] super::cgroup::CgroupError),
    /// A step in the container's init.
    #[error("container init: {0}")]
    Init(String),
    /// Identifiers are file names.
    #[error("container id {id:?} is not valid: use letters, digits, and _ + - . (not first)")]
    Id {
        /// As given.
        id: String,
    },
    /// Taken.
    #[error("container {id} exists already: choose another id, or delete it")]
    Exists {
        /// Its id.
        id: String,
    },
    /// Unknown.
    #[error("container {id} does not exist")]
    NotFound {
        /// Its id.
        id: String,
    },
    /// Wrong state for the verb.
    #[error("container {id} is {is}, but has to be {wanted}")]
    State {
        /// Its id.
        id: String,
        /// Its state.
        is: String,
        /// State that the verb needs.
        wanted: &'static str,
    },
    /// state.json is damaged.
    #[error("{path} is not a state of this runtime")]
    BadState {
        /// The file.
        path: PathBuf,
        /// Parser's reason.
        source: serde_json::Error,
    },
    /// A signal for one that has ended. The last words are what engines look for.
    #[error("container {id} is stopped: container not running")]
    NotRunning {
        /// Its id.
        id: String,
    },
    /// A terminal and nobody to take it, or the other way round.
    #[error("{0}")]
    Console(&'static str),
    /// A descriptor that is to be handed through.
    #[error("descriptor {fd} is to be preserved, but is not open")]
    Preserved {
        /// Its number.
        fd: u32,
    },
    /// A hook in the container failed.
    #[error("container init: {0}")]
    HookInside(String),
    /// A hook failed.
    #[error(transparent)]
    Hook(#[from] super::hooks::HookError),
    /// More than the user's own id is to be mapped.
    #[error("{program}, which an ordinary user needs to map more than the own id: {said}")]
    IdMap {
        /// newuidmap or newgidmap.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// `--systemd-cgroup`.
    #[error(transparent)]
    Systemd(#[from] super::systemd::SystemdError),
    /// A namespace that is to be entered.
    #[error("linux.namespaces[{index}].path: {path}")]
    Namespace {
        /// Place in the list.
        index: usize,
        /// As given.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What went wrong between `start` and the workload.
    #[error("container init: {0}")]
    Late(String),
    /// No freezer.
    #[error("this host has no freezer for cgroups (controller freezer, or cgroup.freeze)")]
    NoFreezer,
    /// Not all of it would stand still.
    #[error("the container did not stand still within {seconds} s")]
    Freeze {
        /// How long was waited.
        seconds: u64,
    },
    /// `exec --process`.
    #[error("{path}: process.{field}: {why}")]
    Process {
        /// The file.
        path: PathBuf,
        /// JSON path of the field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// checkpoint and restore.
    #[error("{verb} needs the program criu, which is not in PATH: install it")]
    NoCriu {
        /// Which of them.
        verb: &'static str,
    },
    /// criu said no.
    #[error("criu {verb} failed ({status}); its log is {log}{last}")]
    Criu {
        /// Its verb.
        verb: &'static str,
        /// Its exit status.
        status: String,
        /// Its log.
        log: PathBuf,
        /// Last error of that log.
        last: String,
    },
    /// Unknown signal.
    #[error("signal {0:?} is not known: use a number or a name like TERM")]
    Signal(String),
}

pub(super) fn io(step: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> RuntimeError {
    move |source| RuntimeError::Io { step, path: path.to_owned(), source }
}

pub(super) fn system<E: Into<std::io::Error>>(step: &'static str) -> impl FnOnce(E) -> RuntimeError {
    move |e| RuntimeError::System { step, source: e.into() }
}
