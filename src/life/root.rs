//! A container's root: an overlay of the image's layers, with what the container writes on the disk, in its folder.
//!
//! It is mounted in the mount namespace of the monitor, so nothing of it is left on the host whatever dies.

use super::error::{LifeError, io, system};
use super::folder::Folder;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags};
use std::path::{Path, PathBuf};

/// A mount namespace of this process's own. It must have one thread only.
pub fn own_namespace() -> Result<(), LifeError> {
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(system("make a mount namespace (containers need root: try sudo)"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(system("make mounts private"))
}

/// Mounts it; its path. `lower`: top first.
pub fn mount_at(folder: &Folder, lower: &[PathBuf]) -> Result<PathBuf, LifeError> {
    let [upper, work, root] = ["upper", "work", "root"].map(|n| folder.file(n));
    for dir in [&upper, &work, &root] {
        match std::fs::create_dir(dir) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(io("create", dir)(e)),
            _ => {}
        }
    }
    match layer_by_layer(lower, &upper, &work, &root) {
        // "lowerdir+" is new in Linux 6.5.
        Err(e) if e == rustix::io::Errno::INVAL => all_at_once(lower, &upper, &work, &root)?,
        other => other.map_err(|e| io("mount an overlay on", &root)(e.into()))?,
    }
    Ok(root)
}

/// Without the limit of one page that mount(2) has for its options: images may have a hundred layers.
fn layer_by_layer(lower: &[PathBuf], upper: &Path, work: &Path, root: &Path) -> rustix::io::Result<()> {
    use rustix::mount::{fsconfig_create, fsconfig_set_string, fsmount, fsopen, move_mount};
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for dir in lower {
        fsconfig_set_string(&fs, "lowerdir+", dir.as_path())?;
    }
    fsconfig_set_string(&fs, "upperdir", upper)?;
    fsconfig_set_string(&fs, "workdir", work)?;
    fsconfig_create(&fs)?;
    let mounted = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    move_mount(&mounted, "", rustix::fs::CWD, root, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn all_at_once(lower: &[PathBuf], upper: &Path, work: &Path, root: &Path) -> Result<(), LifeError> {
    let lower: Vec<String> = lower.iter().map(|d| d.display().to_string()).collect();
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display());
    mount(Some("overlay"), root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(|e| io("mount an overlay on", root)(e.into()))
}
