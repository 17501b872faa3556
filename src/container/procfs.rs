//! The host's /proc, opened before any mount of the container is made, and the only procfs that is written to.
//!
//! In the container /proc can be anything: a volume with files of these names would swallow a label or a limit, and its
//! links would turn the write on something else (CVE-2019-16884, CVE-2025-52881). Entries under `self` and `sys` are
//! those of the caller's namespaces, whichever procfs they are reached through.

use super::open::open_at;
use super::rootfs::Step;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::os::fd::OwnedFd;

/// linux/magic.h, and PROC_ROOT_INO of linux/proc_ns.h.
const PROC_SUPER_MAGIC: i64 = 0x9fa0;
const PROC_ROOT_INO: u64 = 1;

/// See the module.
pub struct Procfs(OwnedFd);

impl Procfs {
    /// /proc as it is now. It has to be the root of a procfs.
    pub fn open() -> Result<Self, Step> {
        let failed = |e: std::io::Error| Step::new("open", "/proc of the host", e);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open("/proc", flags, Mode::empty()).map_err(|e| failed(e.into()))?;
        let is_root = rustix::fs::fstat(&fd).is_ok_and(|s| s.st_ino == PROC_ROOT_INO)
            && rustix::fs::fstatfs(&fd).is_ok_and(|s| s.f_type == PROC_SUPER_MAGIC);
        if is_root { Ok(Self(fd)) } else { Err(failed(std::io::Error::other("it is not a procfs"))) }
    }

    /// Writes `text` to `path`, relative. Nothing that is mounted over an entry is followed, nor any magic link.
    pub fn write(&self, path: &str, text: &str) -> std::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        let file = open_at(&self.0, path, flags, resolve)?;
        let written = rustix::io::write(&file, text.as_bytes())?;
        if written == text.len() { Ok(()) } else { Err(std::io::ErrorKind::WriteZero.into()) }
    }

    /// The caller's pid, as the host sees it.
    pub fn own_pid(&self) -> std::io::Result<i32> {
        let link = rustix::fs::readlinkat(&self.0, "self", Vec::new())?;
        link.to_str()
            .ok()
            .and_then(|pid| pid.parse().ok())
            .ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }

    /// The caller's open descriptors.
    pub fn descriptors(&self) -> std::io::Result<Vec<i32>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        let mut numbers = Vec::new();
        for entry in rustix::fs::Dir::new(open_at(&self.0, "self/fd", flags, resolve)?)? {
            numbers.extend(entry?.file_name().to_str().ok().and_then(|name| name.parse::<i32>().ok()));
        }
        Ok(numbers)
    }

    /// Whether `path`, relative, is there.
    pub fn has(&self, path: &str) -> bool {
        rustix::fs::accessat(&self.0, path, rustix::fs::Access::EXISTS, rustix::fs::AtFlags::empty()).is_ok()
    }
}
