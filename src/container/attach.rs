//! Mounts by descriptors alone: no path, and so no /proc of the container, has a part in it (Linux 5.12; older kernels
//! are told by ENOSYS, and the callers fall back).

use crate::sys::mount_attr::{MountAttr, mount_setattr};
use nix::mount::MsFlags;
use rustix::fs::{CWD, Mode, mkdirat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// MOUNT_ATTR_RDONLY of linux/mount.h.
const READ_ONLY: u64 = 1;

/// A copy of the mount at `at`, for a bind; with all that is mounted below it.
fn copy(at: &OwnedFd) -> std::io::Result<OwnedFd> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(at, "", flags | OpenTreeFlags::AT_RECURSIVE)?)
}

/// A copy of the mount at the path `source`, for a bind; `recursive`: with all that is mounted below it. None where the
/// kernel does not know the call.
pub fn copy_of(source: &Path, recursive: bool) -> std::io::Result<Option<OwnedFd>> {
    let all = if recursive { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | all;
    match open_tree(rustix::fs::CWD, source, flags) {
        Ok(tree) => Ok(Some(tree)),
        Err(rustix::io::Errno::NOSYS) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Mounts `tree` over `target`.
pub fn put(tree: &OwnedFd, target: &OwnedFd) -> std::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(tree, "", target, "", flags)?)
}

/// Makes the mount that `mounted` lies in read-only; that one alone.
pub fn restrict(mounted: &OwnedFd) -> std::io::Result<()> {
    let attr = MountAttr { set: READ_ONLY, ..MountAttr::default() };
    mount_setattr(mounted.as_fd(), false, &attr)
}

/// A copy of the mount at the folder `source`, for a bind, with exactly these of the flags ro, nosuid, nodev and noexec.
pub fn copy_with(source: &Path, flags: MsFlags) -> std::io::Result<OwnedFd> {
    let tree = open_tree(CWD, source, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    // These four are the first bits of both mount(2) and mount_setattr(2).
    let all = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let (set, clear) = ((flags & all).bits(), (all - flags).bits());
    mount_setattr(tree.as_fd(), false, &MountAttr { set, clear, ..MountAttr::default() })?;
    Ok(tree)
}

/// Mounts `tree` over the new folder `name` in `dir`.
pub fn put_at(tree: &OwnedFd, dir: &OwnedFd, name: &str) -> std::io::Result<()> {
    mkdirat(dir, name, Mode::from_raw_mode(0o755))?;
    Ok(move_mount(tree, "", dir, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Binds `target` over itself, read-only. It is so before anyone can see it.
pub fn read_only(target: &OwnedFd) -> std::io::Result<()> {
    let tree = copy(target)?;
    restrict(&tree)?;
    put(&tree, target)
}

/// Binds `source` over `target`.
pub fn bind(source: &OwnedFd, target: &OwnedFd) -> std::io::Result<()> {
    put(&copy(source)?, target)
}

/// Mounts an empty, read-only tmpfs over `target`.
pub fn hide(target: &OwnedFd) -> std::io::Result<()> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "size", "0k")?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let tree = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    put(&tree, target)
}

/// `result`, or what `otherwise` does where the kernel does not know the call.
pub fn or_else(
    result: std::io::Result<()>,
    otherwise: impl FnOnce() -> std::io::Result<()>,
) -> std::io::Result<()> {
    match result {
        Err(e) if e.raw_os_error() == Some(nix::libc::ENOSYS) => otherwise(),
        other => other,
    }
}
