//! Why a cgroup operation failed.

use std::path::{Path, PathBuf};

/// See the variants; each names its path.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file or folder of a hierarchy.
    #[error("{step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Neither v1 nor v2 with a memory controller is mounted.
    #[error("no cgroup hierarchy with a memory controller is mounted (see /proc/self/mountinfo)")]
    NoHierarchy,
    /// A controller that is not there.
    #[error("linux.resources needs the cgroup controller {controller}, which this host does not have")]
    NoController {
        /// Its name.
        controller: String,
    },
    /// A control file that is not there.
    #[error(
        "{path} does not exist: the controller is not enabled for this cgroup, or the kernel is too old for it"
    )]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// A value that the kernel does not take.
    #[error("write {value:?} to {path}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The value.
        value: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// `unified` on a host of v1.
    #[error("linux.resources.unified.{file} needs cgroup v2, and this host has v1")]
    NotUnified {
        /// Its name.
        file: String,
    },
    /// What v2 has no word for.
    #[error("linux.resources.{field} is for cgroup v1 alone, and this host has v2")]
    NotInV2 {
        /// JSON path below `linux.resources`.
        field: String,
    },
    /// `checkBeforeUpdate` on v2.
    #[error(
        "linux.resources.memory.limit: {limit} is less than the {usage} bytes in use (checkBeforeUpdate)"
    )]
    BelowUsage {
        /// As asked for.
        limit: i64,
        /// As the kernel counts.
        usage: String,
    },
    /// Somebody else's.
    #[error("cgroup {path} has processes already: choose another linux.cgroupsPath")]
    InUse {
        /// Its folder.
        path: PathBuf,
    },
    /// The program that guards the devices.
    #[error("device program of {path}")]
    Devices {
        /// The cgroup.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// v2: from here nobody may be moved there.
    #[error(
        "this process may not join {path}, because it runs outside of the cgroups that are delegated to its user: \
         start it below them (systemd-run --user --scope)"
    )]
    Outside {
        /// Its folder.
        path: PathBuf,
    },
    /// A container of an ordinary user to whom no cgroup was delegated.
    #[error(
        "the container has no cgroup of its own, as none was delegated to its user: it cannot be limited, measured or paused"
    )]
    Nowhere,
    /// Still in use after a second.
    #[error("cgroup {path} is still in use")]
    Busy {
        /// Its folder.
        path: PathBuf,
    },
    /// A name or path that would leave the hierarchy.
    #[error("cgroup path {path:?} is not plain")]
    Path {
        /// As given.
        path: String,
    },
}

pub(super) fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CgroupError {
    move |source| CgroupError::Io { step, path: path.to_owned(), source }
}
