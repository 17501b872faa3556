//! Namespaces: which are made by the clone, which are entered by path.

use super::config::{NamespaceKind, RuntimeConfig};
use super::error::RuntimeError;
use super::rootfs::Step;
use crate::sys::nsfs::namespace_type;
use nix::sched::CloneFlags;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

fn flag(kind: NamespaceKind) -> CloneFlags {
    match kind {
        NamespaceKind::Pid => CloneFlags::CLONE_NEWPID,
        NamespaceKind::Network => CloneFlags::CLONE_NEWNET,
        NamespaceKind::Mount => CloneFlags::CLONE_NEWNS,
        NamespaceKind::Ipc => CloneFlags::CLONE_NEWIPC,
        NamespaceKind::Uts => CloneFlags::CLONE_NEWUTS,
        NamespaceKind::User => CloneFlags::CLONE_NEWUSER,
        NamespaceKind::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        // CLONE_NEWTIME of linux/sched.h, which nix does not name.
        NamespaceKind::Time => CloneFlags::from_bits_retain(0x80),
    }
}

/// Namespaces that clone3 makes: all new ones but cgroup (made once the child is in its cgroup, which becomes its
/// root), time (which only unshare takes), and the network where the runtime makes it (`beside`).
pub fn clone_flags(config: &RuntimeConfig, beside: bool) -> u64 {
    let made = config.linux.namespaces.iter().filter(|n| n.path.is_none());
    let made = made.filter(|n| !matches!(n.kind, NamespaceKind::Cgroup | NamespaceKind::Time));
    let made = made.filter(|n| !(beside && n.kind == NamespaceKind::Network));
    made.fold(0, |bits, n| bits | flag(n.kind).bits() as u32 as u64)
}

/// All that the container has apart from the host's.
pub fn all_flags(config: &RuntimeConfig) -> CloneFlags {
    config.linux.namespaces.iter().fold(CloneFlags::empty(), |bits, n| bits | flag(n.kind))
}

/// A namespace that was opened by its path, before the mounts that path lies in are left.
pub struct Entered {
    kind: NamespaceKind,
    fd: OwnedFd,
}

/// Opens those that are entered by path. A pid namespace is entered by the runtime itself before the clone.
pub fn open(config: &RuntimeConfig) -> Result<Vec<Entered>, RuntimeError> {
    let all = config.linux.namespaces.iter().enumerate();
    all.filter_map(|(index, n)| Some(open_one(index, n.kind, n.path.as_deref()?))).collect()
}

/// Made sure of before anything is made: an error later could not say which one it was.
fn open_one(index: usize, kind: NamespaceKind, path: &Path) -> Result<Entered, RuntimeError> {
    let failed = |source| RuntimeError::Namespace { index, path: path.to_owned(), source };
    // O_NONBLOCK: the path may be a FIFO.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    if namespace_type(fd.as_fd()).ok() != Some(flag(kind).bits() as u32) {
        return Err(failed(std::io::Error::other(format!("is not a namespace of type {kind:?}"))));
    }
    Ok(Entered { kind, fd })
}

/// In the runtime, before the clone: a pid namespace takes in children only.
pub fn enter_pid(entered: &[Entered]) -> Result<(), nix::Error> {
    entered
        .iter()
        .filter(|e| e.kind == NamespaceKind::Pid)
        .try_for_each(|e| nix::sched::setns(&e.fd, flag(e.kind)))
}

/// In the child: the others; the user namespace first, because it owns the rights to enter the rest.
pub fn enter(entered: &[Entered]) -> Result<(), nix::Error> {
    let user_first = |user: bool| {
        entered
            .iter()
            .filter(move |e| e.kind != NamespaceKind::Pid && (e.kind == NamespaceKind::User) == user)
    };
    user_first(true).chain(user_first(false)).try_for_each(|e| nix::sched::setns(&e.fd, flag(e.kind)))
}

/// In the child, once it is in its cgroup.
pub fn unshare_late(config: &RuntimeConfig) -> Result<(), Step> {
    let is_new = |kind| config.namespace(kind).is_some_and(|n| n.path.is_none());
    if is_new(NamespaceKind::Cgroup) {
        nix::sched::unshare(CloneFlags::CLONE_NEWCGROUP)
            .map_err(|e| Step::new("make", "the cgroup namespace", e.into()))?;
    }
    if is_new(NamespaceKind::Time) { time(config) } else { Ok(()) }
}

/// A new time namespace takes in children only, and its offsets can be set until the first one is there. This process
/// then enters it as well, so that the workload does not depend on the kernel's doing so at exec (Linux 6.3).
fn time(config: &RuntimeConfig) -> Result<(), Step> {
    let failed = |e: std::io::Error| Step::new("make", "the time namespace", e);
    nix::sched::unshare(flag(NamespaceKind::Time)).map_err(|e| failed(e.into()))?;
    for (clock, offset) in &config.linux.time_offsets {
        let line = format!("{clock} {} {}", offset.secs, offset.nanosecs);
        std::fs::write("/proc/self/timens_offsets", line)
            .map_err(|e| Step::new("set linux.timeOffsets", clock, e))?;
    }
    let made = std::fs::File::open("/proc/self/ns/time_for_children").map_err(failed)?;
    nix::sched::setns(&made, flag(NamespaceKind::Time)).map_err(|e| failed(e.into()))
}
