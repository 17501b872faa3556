//! Idmapped mounts: a copy of the source's mount whose owners are seen through a mapping (mount_setattr(2)).
//!
//! Made by the runtime before the clone, because a container in a user namespace has no right to; the init moves the
//! finished mount to its place.

use super::config::{IdMapping, Mount, NamespaceKind, RuntimeConfig};
use super::error::{RuntimeError, io, system};
use super::mount_options::parse;
use super::sync::Line;
use crate::sys::mount_attr::{MOUNT_ATTR_IDMAP, MountAttr, mount_setattr};
use crate::sys::process::{Forked, exit_now, fork_into, wait_for};
use nix::sched::CloneFlags;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A mount that is ready to be moved to its place.
#[derive(Debug)]
pub struct Ready {
    /// Place in `mounts`.
    pub index: usize,
    /// Detached.
    pub tree: OwnedFd,
}

/// All that the config asks for.
pub fn prepare(config: &RuntimeConfig, bundle: &Path) -> Result<Vec<Ready>, RuntimeError> {
    let wanted = config.mounts.iter().enumerate().filter(|(_, m)| is_wanted(m));
    wanted.map(|(index, m)| prepare_one(config, bundle, m).map(|tree| Ready { index, tree })).collect()
}

/// Whether this mount is mapped.
pub fn is_wanted(m: &Mount) -> bool {
    !m.uid_mappings.is_empty() || m.options.iter().any(|o| o == "idmap" || o == "ridmap")
}

fn prepare_one(config: &RuntimeConfig, bundle: &Path, m: &Mount) -> Result<OwnedFd, RuntimeError> {
    let source = bundle.join(&m.source);
    let recursive = m.options.iter().any(|o| o == "ridmap");
    let bind_all = parse(&m.options).flags.contains(nix::mount::MsFlags::MS_REC);
    let own = |mapped: &[IdMapping], container: &[IdMapping]| {
        if mapped.is_empty() { container.to_vec() } else { mapped.to_vec() }
    };
    let namespace = user_namespace(
        &own(&m.uid_mappings, &config.linux.uid_mappings),
        &own(&m.gid_mappings, &config.linux.gid_mappings),
    )?;
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if bind_all {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = open_tree(rustix::fs::CWD, &source, flags).map_err(|e| io("open mount", &source)(e.into()))?;
    let attr =
        MountAttr { set: MOUNT_ATTR_IDMAP, userns_fd: namespace.as_raw_fd() as u64, ..MountAttr::default() };
    mount_setattr(tree.as_fd(), recursive, &attr).map_err(io("map the ids of", &source))?;
    Ok(tree)
}

/// A user namespace with these mappings, held by its descriptor alone.
fn user_namespace(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd, RuntimeError> {
    let (ours, theirs) = super::sync::pair()?;
    let theirs = Line::Socket(theirs);
    let child = match fork_into(CloneFlags::CLONE_NEWUSER.bits() as u64, None).map_err(system("clone3"))? {
        Forked::Child => {
            drop(ours);
            let _ = super::sync::wait(&theirs);
            exit_now(0)
        }
        Forked::Parent { pid, .. } => pid,
    };
    let made = super::id_map::write(child, uids, gids).and_then(|()| {
        let path = PathBuf::from(format!("/proc/{child}/ns/user"));
        std::fs::File::open(&path).map(OwnedFd::from).map_err(io("open namespace", &path))
    });
    // Its end is that of the child.
    drop((ours, theirs));
    while let Ok(None) = wait_for(child) {}
    made
}

/// Field and reason where one cannot be made.
pub fn check(config: &RuntimeConfig) -> Result<(), (String, String)> {
    for (i, m) in config.mounts.iter().enumerate().filter(|(_, m)| is_wanted(m)) {
        if m.uid_mappings.is_empty() != m.gid_mappings.is_empty() {
            return Err((format!("mounts[{i}].gidMappings"), "goes together with uidMappings".into()));
        }
        let bind = m.options.iter().any(|o| o == "bind" || o == "rbind");
        if !bind {
            return Err((format!("mounts[{i}].options"), "ids can be mapped for bind mounts only".into()));
        }
        let own_user =
            config.namespace(NamespaceKind::User).is_some() && !config.linux.uid_mappings.is_empty();
        if m.uid_mappings.is_empty() && !own_user {
            return Err((
                format!("mounts[{i}].uidMappings"),
                "are needed for idmap where linux.uidMappings is not given".into(),
            ));
        }
    }
    Ok(())
}
