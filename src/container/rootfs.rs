//! The container's root: overlay or bind, mounts beneath it, pivot.
//!
//! Every path in the root is opened with `RESOLVE_IN_ROOT` and mounted on by its descriptor, so that a symbolic link
//! in a hostile image leads nowhere outside. Annotations of ours:
//!
//! - `org.taremark.overlay.lower`: lower directories, top first, separated by `:`. The root is then an overlay with
//!   a fresh tmpfs on top, mounted in the container's own mount namespace: quick, and nothing to be cleaned up.
//! - `org.taremark.overlay.size`: size of that tmpfs in bytes; absent: the kernel's default, half of the memory.

use super::attach;
use super::config::{Mount, RuntimeConfig};
use super::mount_options::{Options, parse, propagation};
use super::open::open_at;
use super::sync::Report;
use crate::sys::mount_attr::{MountAttr, mount_setattr};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Annotation, see the module.
pub const LOWER: &str = "org.taremark.overlay.lower";
/// Annotation, see the module.
pub const SIZE: &str = "org.taremark.overlay.size";

/// A step that failed in the container's init.
#[derive(Debug)]
pub struct Step {
    text: String,
    hook: bool,
}

impl Step {
    /// `what` on `object`.
    pub fn new(what: &str, object: &str, source: std::io::Error) -> Self {
        Self { text: format!("{what} {object}: {source}"), hook: false }
    }

    /// `what`, as an error of ours with its causes tells it.
    pub fn told(what: &str, error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(error), |e| e.source());
        Self { text: causes.fold(what.to_owned(), |text, cause| format!("{text}: {cause}")), hook: false }
    }

    /// A hook that failed: the life of the container goes on at its end, with the hooks that belong there.
    pub fn of_hook(error: &super::hooks::HookError) -> Self {
        Self { text: error.to_string(), hook: true }
    }

    /// With the JSON path of the field that asked for it.
    pub fn within(self, field: &str) -> Self {
        Self { text: format!("{field}: {}", self.text), ..self }
    }

    /// What happened.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For the parent.
    pub fn report(&self) -> Report {
        let text = self.text.clone();
        if self.hook { Report::HookFailed(text) } else { Report::Failed(text) }
    }
}

fn failed<E: Into<std::io::Error>>(what: &'static str, object: &Path) -> impl FnOnce(E) -> Step {
    move |e| Step::new(what, &object.display().to_string(), e.into())
}

/// Makes the mounts of the new namespace independent of the host's and mounts the root. Its path on the host.
pub fn mount_root(config: &RuntimeConfig, bundle: &Path) -> Result<PathBuf, Step> {
    let rec = MsFlags::MS_REC;
    let (propagation, shared) = match config.linux.rootfs_propagation.as_str() {
        "shared" | "rshared" => (MsFlags::MS_SHARED | rec, true),
        "private" | "rprivate" => (MsFlags::MS_PRIVATE | rec, false),
        _ => (MsFlags::MS_SLAVE | rec, false),
    };
    let root = bundle.join(&config.root.path);
    let is_dir = std::fs::metadata(&root).map_err(failed("find root.path", &root))?.is_dir();
    if !is_dir {
        return Err(failed("use root.path", &root)(std::io::Error::from(std::io::ErrorKind::NotADirectory)));
    }
    mount(None::<&str>, "/", None::<&str>, propagation, None::<&str>)
        .map_err(failed("set propagation of", Path::new("/")))?;
    if let Some(lower) = config.annotations.get(LOWER) {
        return overlay(&root, lower, config.annotations.get(SIZE));
    }
    if shared {
        // pivot_root(2) takes no new root below a shared mount, nor one that is shared itself.
        own_mount_private(&root)?;
    }
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(&root), &root, None::<&str>, bind, None::<&str>).map_err(failed("bind root.path", &root))?;
    if shared {
        own_mount_private(&root)?;
    }
    Ok(root)
}

/// The mount that `path` lies in.
fn own_mount_private(path: &Path) -> Result<(), Step> {
    let set = |p: &Path| mount(None::<&str>, p, None::<&str>, MsFlags::MS_PRIVATE, None::<&str>);
    let done = path.ancestors().any(|p| set(p).is_ok());
    let why = || failed("set propagation of", path)(std::io::Error::from(std::io::ErrorKind::NotFound));
    if done { Ok(()) } else { Err(why()) }
}

/// After the pivot: `linux.rootfsPropagation`.
pub fn set_propagation(config: &RuntimeConfig) -> Result<(), Step> {
    match propagation(&config.linux.rootfs_propagation) {
        Some(flags) => mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
            .map_err(failed("set linux.rootfsPropagation of", Path::new("/"))),
        None => Ok(()),
    }
}

fn overlay(root: &Path, lower: &str, size: Option<&String>) -> Result<PathBuf, Step> {
    let data = size.map_or("mode=0755".to_owned(), |s| format!("mode=0755,size={s}"));
    mount(Some("tmpfs"), root, Some("tmpfs"), MsFlags::MS_NODEV, Some(data.as_str()))
        .map_err(failed("mount tmpfs on root.path", root))?;
    let [upper, work, merged] = ["upper", "work", "root"].map(|n| root.join(n));
    for dir in [&upper, &work, &merged] {
        std::fs::create_dir(dir).map_err(failed("create", dir))?;
    }
    let options = format!("lowerdir={lower},upperdir={},workdir={}", upper.display(), work.display());
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(failed("mount overlay of annotation org.taremark.overlay.lower on", &merged))?;
    Ok(merged)
}

/// Opens a directory of the container for paths relative to it.
pub fn open_root(path: &Path) -> Result<OwnedFd, Step> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(failed("open root.path", path))
}

fn beneath(root: &OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    open_at(root, relative, flags | OFlags::PATH, ResolveFlags::IN_ROOT)
}

/// Opens whatever is at `path` beneath the root, a link itself included.
pub fn open_path(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Step> {
    beneath(root, path, OFlags::NOFOLLOW).map_err(failed("open", path))
}

/// Opens a directory beneath the root.
pub fn open_dir(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Step> {
    beneath(root, path, OFlags::DIRECTORY).map_err(failed("open", path))
}

/// Opens a directory beneath the root, making what is missing.
pub fn make_dir(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Step> {
    match beneath(root, path, OFlags::DIRECTORY) {
        Ok(fd) => return Ok(fd),
        Err(rustix::io::Errno::NOENT) => {}
        Err(e) => return Err(failed("open", path)(e)),
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return open_dir(root, path) };
    let parent = make_dir(root, parent)?;
    match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => open_dir(root, path),
        Err(e) => Err(failed("create", path)(e)),
    }
}

pub(super) fn make_file(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Step> {
    if let Ok(fd) = beneath(root, path, OFlags::empty()) {
        return Ok(fd);
    }
    let parent = make_dir(root, path.parent().unwrap_or(Path::new("/")))?;
    let name = path.file_name().unwrap_or_default();
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644)).map_err(failed("create", path))?;
    beneath(root, path, OFlags::empty()).map_err(failed("open", path))
}

/// A path to what was opened, for mount(2): `.`, once it is the working directory, as a walk through /proc costs more than
/// some mounts do; else (a file, a folder that may not be entered) its name there.
pub(super) fn short(fd: &OwnedFd) -> String {
    if rustix::process::fchdir(fd).is_ok() { ".".to_owned() } else { by_fd(fd) }
}

pub(super) fn by_fd(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Mounts one entry of `mounts` beneath the root; `ready`: with its ids mapped. Mounts of cgroups are for
/// [`super::cgroup_mount`].
///
/// A bind goes from descriptor to descriptor, and what is changed about it is changed by the descriptor of the new mount:
/// no path is followed twice (CVE-2021-30465). File systems are mounted by mount(2) through the descriptor of their
/// place, one call instead of five; /proc is known to be the kernel's there.
pub fn mount_one(root: &OwnedFd, m: &Mount, bundle: &Path, ready: Option<&OwnedFd>) -> Result<(), Step> {
    let options = parse(&m.options);
    let is_bind = options.flags.contains(MsFlags::MS_BIND);
    let source = if is_bind { bundle.join(&m.source) } else { PathBuf::from(&m.source) };
    let to = &m.destination;
    let at_all = |e: std::io::Error| {
        Step::new(&format!("mount {} on", source.display()), &to.display().to_string(), e)
    };
    let recursive = options.flags.contains(MsFlags::MS_REC);
    let own = match ready {
        None if is_bind => attach::copy_of(&source, recursive).map_err(at_all)?,
        _ => None,
    };
    let target = target_of(root, m, &options, &source)?;
    let tree = ready.or(own.as_ref());
    match tree {
        Some(tree) => attach::put(tree, &target),
        None if is_bind => {
            let binding = options.flags & (MsFlags::MS_BIND | MsFlags::MS_REC);
            let at = by_fd(&target);
            mount(Some(&source), at.as_str(), None::<&str>, binding, None::<&str>).map_err(Into::into)
        }
        None => {
            // The options of others (overlay) may have paths that count from the caller's working directory.
            let simple = matches!(m.kind.as_str(), "proc" | "sysfs" | "tmpfs" | "devpts" | "mqueue");
            let at = if simple { short(&target) } else { by_fd(&target) };
            let data = options.data.as_deref();
            mount(Some(&source), at.as_str(), Some(m.kind.as_str()), options.flags, data).map_err(Into::into)
        }
    }
    .map_err(at_all)?;
    after_mount(root, to, &options, tree, &target)
}

/// What one call does not do. `tree` is the new mount; without it, it is found by its path.
fn after_mount(
    root: &OwnedFd,
    to: &Path,
    options: &Options,
    tree: Option<&OwnedFd>,
    below: &OwnedFd,
) -> Result<(), Step> {
    let open = || match tree {
        Some(tree) => tree.try_clone().map_err(failed("open", to)),
        None => beneath(root, to, OFlags::empty()).map_err(failed("open", to)),
    };
    if options.flags.contains(MsFlags::MS_BIND) {
        let restrict = options.flags & !(MsFlags::MS_BIND | MsFlags::MS_REC);
        if !restrict.is_empty() || has_any(&open()?, options.cleared) {
            remount(&open()?, to, restrict)?;
        }
    } else if options.copy_up {
        super::copy_up::copy(below.as_fd(), open()?.as_fd()).map_err(failed("copy what was at", to))?;
    }
    for propagation in &options.propagation {
        mount(None::<&str>, by_fd(&open()?).as_str(), None::<&str>, *propagation, None::<&str>)
            .map_err(failed("set propagation of", to))?;
    }
    if let Some((set, clear)) = options.recursive {
        let attr = MountAttr { set, clear, ..MountAttr::default() };
        mount_setattr(open()?.as_fd(), true, &attr).map_err(failed("set recursive options of", to))?;
    }
    Ok(())
}

/// Whether a mount has one of these flags, whose values are the same for statvfs(3) and mount(2).
fn has_any(mounted: &OwnedFd, flags: MsFlags) -> bool {
    let now = nix::sys::statvfs::fstatvfs(mounted).map(|s| s.flags().bits()).unwrap_or(0);
    MsFlags::from_bits_truncate(now).intersects(flags)
}

fn target_of(root: &OwnedFd, m: &Mount, options: &Options, source: &Path) -> Result<OwnedFd, Step> {
    let file = options.flags.contains(MsFlags::MS_BIND) && !source.is_dir();
    let target = if file { make_file(root, &m.destination)? } else { make_dir(root, &m.destination)? };
    if matches!(m.kind.as_str(), "proc" | "sysfs") {
        // Where /proc is a link of the image, masking it later would mask something else (CVE-2019-19921).
        let relative = m.destination.strip_prefix("/").unwrap_or(&m.destination);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        open_at(root, relative, flags, resolve).map_err(failed("no link may lead to", &m.destination))?;
    }
    Ok(target)
}

/// Changes the flags of a mount that was just made. Flags that the mount below has locked (nosuid, nodev, noexec of a
/// host's mount seen from a user namespace) have to be repeated, or the kernel refuses.
fn remount(mounted: &OwnedFd, path: &Path, flags: MsFlags) -> Result<(), Step> {
    let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    let at = by_fd(mounted);
    let again = |flags| mount(None::<&str>, at.as_str(), None::<&str>, flags, None::<&str>);
    if again(flags).is_ok() {
        return Ok(());
    }
    let locked = nix::sys::statvfs::fstatvfs(mounted).map(|s| s.flags().bits()).unwrap_or(0);
    let keep = MsFlags::from_bits_truncate(locked)
        & (MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY);
    again(flags | keep).map_err(failed("remount", path))
}

/// Makes `root` the root and lets go of the host's.
pub fn pivot(root: &OwnedFd, config: &RuntimeConfig) -> Result<(), Step> {
    let here = Path::new(".");
    rustix::process::fchdir(root).map_err(failed("enter", here))?;
    // Both "." (pivot_root(2), NOTES): the old root is then mounted over the new one and can be detached from there,
    // without a folder for it in the image.
    nix::unistd::pivot_root(".", ".").map_err(failed("pivot_root to", here))?;
    if config.linux.rootfs_propagation.ends_with("shared") {
        // Or what is detached here would be unmounted on the host as well.
        let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
        mount(None::<&str>, ".", None::<&str>, slave, None::<&str>)
            .map_err(failed("set propagation of the old", Path::new("/")))?;
    }
    umount2(".", MntFlags::MNT_DETACH).map_err(failed("detach the old", Path::new("/")))?;
    nix::unistd::chdir("/").map_err(failed("enter", Path::new("/")))
}

/// As [`pivot`], for a host whose own root is a ramdisk, which cannot be left by pivot_root(2).
pub fn move_root(root: &OwnedFd) -> Result<(), Step> {
    let slash = Path::new("/");
    rustix::process::fchdir(root).map_err(failed("enter", Path::new(".")))?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .map_err(failed("move the root to", slash))?;
    nix::unistd::chroot(".").map_err(failed("chroot to", slash))?;
    nix::unistd::chdir("/").map_err(failed("enter", slash))
}

/// After the pivot: covers `path`, a file by /dev/null, a folder by an empty read-only tmpfs.
pub fn mask(root: &OwnedFd, path: &Path, null: &OwnedFd) -> Result<(), Step> {
    let target = match beneath(root, path, OFlags::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(()),
        Err(e) => return Err(failed("open", path)(e)),
    };
    let is_dir =
        rustix::fs::fstat(&target).is_ok_and(|s| rustix::fs::FileType::from_raw_mode(s.st_mode).is_dir());
    let old = |kind: Option<&str>, source: &str, flags, data| {
        mount(Some(source), by_fd(&target).as_str(), kind, flags, data).map_err(std::io::Error::from)
    };
    let result = if is_dir {
        attach::or_else(attach::hide(&target), || {
            old(Some("tmpfs"), "tmpfs", MsFlags::MS_RDONLY, Some("size=0k"))
        })
    } else {
        attach::or_else(attach::bind(null, &target), || old(None, &by_fd(null), MsFlags::MS_BIND, None))
    };
    result.map_err(failed("mask", path))
}

/// After the pivot: makes `path` read-only, whatever is mounted below it.
pub fn make_readonly(root: &OwnedFd, path: &Path) -> Result<(), Step> {
    let target = match beneath(root, path, OFlags::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(()),
        Err(e) => return Err(failed("open", path)(e)),
    };
    match attach::read_only(&target) {
        Err(e) if e.raw_os_error() == Some(nix::libc::ENOSYS) => {}
        other => return other.map_err(failed("make read-only", path)),
    }
    let at = by_fd(&target);
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(at.as_str()), at.as_str(), None::<&str>, bind, None::<&str>).map_err(failed("bind", path))?;
    let mounted = beneath(root, path, OFlags::empty()).map_err(failed("open", path))?;
    remount(&mounted, path, MsFlags::MS_RDONLY)
}

/// After the pivot: the root itself read-only.
pub fn make_root_readonly(root: &OwnedFd) -> Result<(), Step> {
    match attach::restrict(root) {
        Err(e) if e.raw_os_error() == Some(nix::libc::ENOSYS) => {
            let slash = Path::new("/");
            remount(
                &beneath(root, slash, OFlags::empty()).map_err(failed("open", slash))?,
                slash,
                MsFlags::MS_RDONLY,
            )
        }
        other => other.map_err(failed("make read-only", Path::new("/"))),
    }
}
