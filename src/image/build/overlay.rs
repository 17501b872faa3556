//! Overlay mounts: what a step sees is the layers so far with an empty folder on top, into which its changes go.
//!
//! They are made in a mount namespace of the thread that carries out a stage, so that nothing is seen or left on the
//! host, whatever happens.

use super::error::{StepError, io};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Gives the calling thread mounts of its own, and a umask that takes nothing away.
pub fn own_namespace() -> Result<(), StepError> {
    // CLONE_FS comes with it: the umask of this thread is its own from here on.
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).map_err(io("unshare mounts for", "the build"))?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(io("make mounts private below", "/"))?;
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    Ok(())
}

/// A mounted overlay; dropped, it is gone.
#[derive(Debug)]
pub struct Overlay {
    path: PathBuf,
    /// What the steps changed; none of a read-only one.
    pub upper: Option<PathBuf>,
}

impl Overlay {
    /// Mounts `lower`, top first, below `dir`, with a folder for changes if `writable`.
    pub fn mount(dir: &Path, lower: &[PathBuf], writable: bool) -> Result<Self, StepError> {
        let path = dir.join("root");
        for sub in ["root", "none"] {
            make(&dir.join(sub))?;
        }
        // There has to be a lower folder, and two when nothing is on top.
        let mut lower = lower.to_vec();
        while lower.len() < if writable { 1 } else { 2 } {
            let none = dir.join(format!("none/{}", lower.len()));
            make(&none)?;
            lower.push(none);
        }
        let upper = dir.join("upper");
        if writable {
            make(&upper)?;
            make(&dir.join("work"))?;
            like(&lower[0], &upper)?;
        }
        let upper = writable.then_some(upper);
        attach(&path, &lower, upper.as_deref(), &dir.join("work"))?;
        Ok(Self { path, upper })
    }

    /// Where it is, for this thread and what it starts.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the root.
    pub fn open(&self) -> Result<OwnedFd, StepError> {
        open_dir(&self.path)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        detach(&self.path);
    }
}

pub(super) fn open_dir(path: &Path) -> Result<OwnedFd, StepError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(io("open", path))
}

pub(super) fn make(dir: &Path) -> Result<(), StepError> {
    // The umask of a build's thread takes nothing away.
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(io("create", dir))
}

/// The root that is seen has the mode and owner of the uppermost folder.
fn like(lower: &Path, upper: &Path) -> Result<(), StepError> {
    let stat = rustix::fs::stat(lower).map_err(io("look at", lower))?;
    let (uid, gid) = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
    rustix::fs::chown(upper, Some(uid), Some(gid)).map_err(io("set the owner of", upper))?;
    rustix::fs::chmod(upper, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(io("set the mode of", upper))
}

/// One parameter a layer (Linux 6.7): a list of all of them in one would be cut at a page.
fn attach(at: &Path, lower: &[PathBuf], upper: Option<&Path>, work: &Path) -> Result<(), StepError> {
    let failed = |e: rustix::io::Errno| io("mount an overlay on", at)(e);
    let fs = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed)?;
    let set = |key: &str, value: &Path| rustix::mount::fsconfig_set_string(fs.as_fd(), key, value);
    for dir in lower {
        match set("lowerdir+", dir) {
            Err(rustix::io::Errno::INVAL) => return attach_by_list(at, lower, upper, work),
            other => other.map_err(failed)?,
        }
    }
    if let Some(upper) = upper {
        set("upperdir", upper).map_err(failed)?;
        set("workdir", work).map_err(failed)?;
        // Nothing is to be synced: what counts is written to the store afterwards.
        rustix::mount::fsconfig_set_flag(fs.as_fd(), "volatile").map_err(failed)?;
    }
    for (key, value) in [("index", "off"), ("metacopy", "off"), ("redirect_dir", "off")] {
        rustix::mount::fsconfig_set_string(fs.as_fd(), key, value).map_err(failed)?;
    }
    rustix::mount::fsconfig_create(fs.as_fd()).map_err(failed)?;
    let mounted = rustix::mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
        .map_err(failed)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(mounted.as_fd(), "", CWD, at, flags).map_err(failed)
}

fn attach_by_list(at: &Path, lower: &[PathBuf], upper: Option<&Path>, work: &Path) -> Result<(), StepError> {
    let escaped =
        |p: &Path| p.display().to_string().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,");
    let list: Vec<String> = lower.iter().map(|d| escaped(d)).collect();
    let mut options = format!("index=off,metacopy=off,lowerdir={}", list.join(":"));
    if let Some(upper) = upper {
        options += &format!(",volatile,upperdir={},workdir={}", escaped(upper), escaped(work));
    }
    mount(Some("overlay"), at, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(io("mount an overlay on", at))
}

/// Binds `from` on `at`, read-only if asked.
pub fn bind(from: &Path, at: &Path, readonly: bool) -> Result<(), StepError> {
    let none = None::<&str>;
    mount(Some(from), at, none, MsFlags::MS_BIND, none).map_err(io("bind", from))?;
    if readonly {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, at, none, flags, none).map_err(io("make read-only", at))?;
    }
    Ok(())
}

/// Takes a mount away. One that is not there is no loss.
pub fn detach(at: &Path) {
    let _ = umount2(at, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
}

/// A tmpfs on `at`.
pub fn tmpfs(at: &Path, options: &str) -> Result<(), StepError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(options)).map_err(io("mount tmpfs on", at))
}
