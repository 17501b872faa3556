//! Why a verb failed.

use super::spec::TargetKind;
use std::path::{Path, PathBuf};

/// See the variants; each names the step.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
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
    /// A file of the state that is not what we wrote.
    #[error("read {path}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Unknown.
    #[error("no container with name or ID {0:?} found: no such container")]
    NotFound(String),
    /// The beginning of an id that fits several.
    #[error("{0:?} is the beginning of more than one container's ID")]
    Ambiguous(String),
    /// Two containers of one name.
    #[error(
        "the container name {name:?} is already in use by {id}. You have to remove that container to be able to reuse that name"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// A name that is none.
    #[error("names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: {0:?}")]
    BadName(String),
    /// Unknown.
    #[error("no volume with name {0:?} found: no such volume")]
    NoVolume(String),
    /// A container needs it.
    #[error("volume {name} is being used by the following container(s): {users}")]
    VolumeInUse {
        /// Its name.
        name: String,
        /// The containers' names.
        users: String,
    },
    /// An argument that was understood too late for the command line's parser.
    #[error("{0}")]
    Argument(String),
    /// The verb needs another state.
    #[error("cannot {verb} container {id} as it is {is}")]
    State {
        /// What was to be done.
        verb: &'static str,
        /// Short id.
        id: String,
        /// What it is.
        is: String,
    },
    /// Not on this target.
    #[error("{what} is not possible with --target {target}: {why}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Of which target.
        target: TargetKind,
        /// Why not.
        why: &'static str,
    },
    /// The image.
    #[error("image")]
    Image(#[from] crate::image::ImageError),
    /// A workload that a target could not start.
    #[error("target")]
    Target(#[from] crate::target::TargetError),
    /// A machine.
    #[error("machine")]
    Machine(#[from] crate::machine::MachineError),
    /// The runtime's room.
    #[error("freezer")]
    Freezer(#[from] crate::container::RuntimeError),
    /// Cgroups.
    #[error("cgroup")]
    Cgroup(#[from] crate::container::cgroup::CgroupError),
    /// Starting a program.
    #[error("start")]
    Spawn(#[from] crate::sys::spawn::SpawnError),
    /// Copying files.
    #[error(transparent)]
    Copy(#[from] crate::guest::GuestError),
    /// Links and addresses.
    #[error("{step}")]
    Network {
        /// What was tried.
        step: String,
        /// The kernel's reason.
        source: crate::sys::netlink::NetlinkError,
    },
    /// The workload could not be started; the exit code says why, as podman's does.
    #[error("{text}")]
    NotStarted {
        /// 125, 126 or 127.
        code: i32,
        /// Why.
        text: String,
    },
    /// The monitor ended without a word.
    #[error("the monitor of container {id} ended before it could say why; its log: {log}")]
    Silent {
        /// Short id.
        id: String,
        /// The last of its log.
        log: String,
    },
}

impl LifeError {
    /// As podman's: 125 an error of ours, 126 the command cannot be invoked, 127 it cannot be found.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Image(crate::image::ImageError::User { .. }) => 126,
            Self::NotStarted { code, .. } => u8::try_from(*code).unwrap_or(125),
            _ => 125,
        }
    }

    /// An error and all its causes in one line.
    pub fn chain(&self) -> String {
        let causes = std::iter::successors(Some(self as &dyn std::error::Error), |e| e.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

pub(super) fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LifeError {
    move |source| LifeError::Io { step, path: path.to_owned(), source }
}

pub(super) fn system<E: Into<std::io::Error>>(step: &'static str) -> impl FnOnce(E) -> LifeError {
    move |e| LifeError::System { step, source: e.into() }
}

pub(super) fn network(step: &str) -> impl FnOnce(crate::sys::netlink::NetlinkError) -> LifeError {
    let step = step.to_owned();
    move |source| LifeError::Network { step, source }
}
