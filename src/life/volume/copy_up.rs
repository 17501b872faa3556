//! The files that an image has where a new volume is to be seen are copied into it, with the folder's owner and rights.

use super::Volume;
use crate::container::copy_up::copy_with_itself;
use crate::life::error::{LifeError, io};
use rustix::fs::{FlockOperation, Mode, OFlags, ResolveFlags, flock, openat2};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// For a container whose root is mounted at `root`, before it starts.
pub fn fill(root: &Path, volumes: &[Volume]) -> Result<(), LifeError> {
    for volume in volumes.iter().filter(|v| v.name.is_some()) {
        let Some(dir) = volume.host.parent() else { continue };
        // One that another container uses first is that one's to fill; this one waits.
        let lock = File::open(dir).map_err(io("open", dir))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|e| io("lock", dir)(e.into()))?;
        let new = dir.join("new");
        if !new.exists() {
            continue;
        }
        if volume.copy_up {
            one(root, volume)?;
        }
        std::fs::remove_file(&new).map_err(io("remove", &new))?;
    }
    Ok(())
}

/// The image's folder, whatever links are on the way to it: none leads out of the root.
fn folder_in(root: &Path, inside: &Path) -> Result<Option<OwnedFd>, LifeError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let base = rustix::fs::open(root, flags, Mode::empty()).map_err(|e| io("open", root)(e.into()))?;
    let relative = inside.strip_prefix("/").unwrap_or(inside);
    match openat2(&base, relative, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
        Ok(fd) => Ok(Some(fd)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(e) => Err(io("open", inside)(e.into())),
    }
}

fn one(root: &Path, volume: &Volume) -> Result<(), LifeError> {
    let Some(fd) = folder_in(root, &volume.inside)? else { return Ok(()) };
    // Beside it, so that a copy that was killed is no half of one.
    let filled = volume.host.with_file_name("filled");
    let _ = std::fs::remove_dir_all(&filled);
    std::fs::create_dir(&filled).map_err(io("create", &filled))?;
    let to = File::open(&filled).map_err(io("open", &filled))?;
    copy_with_itself(fd.as_fd(), to.as_fd()).map_err(io("fill", &filled))?;
    match std::fs::remove_dir(&volume.host) {
        // Somebody has put something in it: that stays.
        Err(e) if e.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
            std::fs::remove_dir_all(&filled).map_err(io("remove", &filled))
        }
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("fill", &volume.host)(e)),
        _ => std::fs::rename(&filled, &volume.host).map_err(io("fill", &volume.host)),
    }
}
