//! Makes a file tree beneath one directory descriptor and never outside it.
//!
//! Every folder is opened with openat2(RESOLVE_BENEATH) from the root, names are made by the *at calls with O_EXCL or
//! no-follow, and `..` is refused before anything is tried: neither a link in the archive nor a crafted name leads out.

use super::archive::{Member, Time};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags};
use rustix::fs::{
    chmodat, chownat, lsetxattr, mkdirat, mknodat, openat, openat2, statat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// Marks a folder of an upper layer that hides the lower ones (kernel: overlayfs.rst, "whiteouts and opaque
/// directories").
pub(super) const OPAQUE: &str = "trusted.overlay.opaque";

/// See the module.
pub(super) struct Tree {
    root: OwnedFd,
    /// The folder used last: archives go through folders in order.
    last: Option<(Vec<u8>, OwnedFd)>,
    /// Times of folders, set when nothing is put into them any more.
    times: BTreeMap<Vec<u8>, Time>,
    /// How paths are followed.
    resolve: ResolveFlags,
}

impl Tree {
    /// Beneath `root`, which exists.
    pub fn open(root: &Path) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let root = openat(CWD, root, flags, Mode::empty())?;
        let times = BTreeMap::from([(Vec::new(), Time::default())]);
        Ok(Self { root, last: None, times, resolve: ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS })
    }

    /// The same in a tree that holds something already: its links are followed as if `root` were `/`, and the time of
    /// `root` itself stays.
    pub fn open_in_root(root: &Path) -> Result<Self, Errno> {
        let mut tree = Self::open(root)?;
        tree.times.clear();
        tree.resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(tree)
    }

    /// Opens the folder `dir`, with `make` making what is missing.
    pub fn folder(&mut self, dir: &[u8], make: bool) -> Result<&OwnedFd, Errno> {
        if dir.is_empty() {
            return Ok(&self.root);
        }
        if self.last.as_ref().is_none_or(|(path, _)| path != dir) {
            let fd = match self.find(dir) {
                Err(Errno::NOENT | Errno::NOTDIR) if make => self.make_folders(dir)?,
                other => other?,
            };
            self.last = Some((dir.to_vec(), fd));
        }
        self.last.as_ref().map(|(_, fd)| fd).ok_or(Errno::NOENT)
    }

    fn find(&self, dir: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let beneath = |fd: &OwnedFd, path: &[u8]| openat2(fd, path, flags, Mode::empty(), self.resolve);
        if let Some((last, fd)) = &self.last {
            // A link below `last` may lead above it and still be beneath the root: then the root has to be asked. As if
            // `last` were the root, such a link would be followed to somewhere else.
            let quick = self.resolve.contains(ResolveFlags::BENEATH);
            let rest = dir.strip_prefix(last.as_slice()).and_then(|r| r.strip_prefix(b"/")).filter(|_| quick);
            if let Some(found) = rest.and_then(|rest| beneath(fd, rest).ok()) {
                return Ok(found);
            }
        }
        beneath(&self.root, dir)
    }

    fn make_folders(&mut self, dir: &[u8]) -> Result<OwnedFd, Errno> {
        let ends = (0..=dir.len()).filter(|i| dir.get(*i).is_none_or(|b| *b == b'/'));
        let mut parent: Option<OwnedFd> = None;
        for end in ends {
            let path = &dir[..end];
            let fd = match self.find(path) {
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    let at = parent.as_ref().unwrap_or(&self.root);
                    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
                    let hides = is_whiteout(at, name);
                    if hides {
                        unlinkat(at, name, AtFlags::empty())?;
                    }
                    mkdirat(at, name, Mode::from_raw_mode(0o755))?;
                    chmodat(at, name, Mode::from_raw_mode(0o755), AtFlags::empty())?;
                    if hides {
                        attribute(at, name, OPAQUE.as_bytes(), b"y")?;
                    }
                    self.times.insert(path.to_vec(), Time::default());
                    self.find(path)?
                }
                other => other?,
            };
            parent = Some(fd);
        }
        parent.ok_or(Errno::NOENT)
    }

    /// Takes away whatever is at `name`, so that something else can be put there: the last member of a name counts.
    pub fn clear(&mut self, dir: &[u8], name: &[u8]) -> Result<(), Errno> {
        let at = self.folder(dir, true)?;
        match statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                super::sweep::remove_tree(at, name)?;
            }
            Ok(_) => unlinkat(at, name, AtFlags::empty())?,
            Err(e) => return Err(e),
        }
        self.last = None;
        Ok(())
    }

    /// Runs `make`, and once more after clearing the name when something is there already.
    pub fn put<T>(
        &mut self,
        dir: &[u8],
        name: &[u8],
        make: impl Fn(&OwnedFd) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match make(self.folder(dir, true)?) {
            Err(Errno::EXIST) => {
                self.clear(dir, name)?;
                make(self.folder(dir, true)?)
            }
            other => other,
        }
    }

    /// A folder; one that is there is kept. Its time is set by [`Tree::finish`].
    pub fn directory(&mut self, dir: &[u8], name: &[u8], mtime: Time) -> Result<(), Errno> {
        let make = |at: &OwnedFd| mkdirat(at, name, Mode::from_raw_mode(0o700));
        let at = self.folder(dir, true)?;
        if make(at) == Err(Errno::EXIST) {
            let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                let hides = is_whiteout(at, name);
                self.clear(dir, name)?;
                let at = self.folder(dir, true)?;
                make(at)?;
                if hides {
                    attribute(at, name, OPAQUE.as_bytes(), b"y")?;
                }
            }
        }
        self.times.insert(join(dir, name), mtime);
        Ok(())
    }

    /// A whiteout hides what lower layers have at `name`, and nothing of this layer.
    pub fn whiteout(&mut self, dir: &[u8], name: &[u8]) -> Result<(), Errno> {
        let at = self.folder(dir, true)?;
        match mknodat(at, name, FileType::CharacterDevice, Mode::empty(), 0) {
            Err(Errno::EXIST) => match openat(at, name, folder_flags(), Mode::empty()) {
                Ok(_) => attribute(at, name, OPAQUE.as_bytes(), b"y"),
                Err(Errno::NOTDIR | Errno::LOOP) => Ok(()),
                Err(e) => Err(e),
            },
            other => other,
        }
    }

    /// Hides everything that lower layers have in `dir`.
    pub fn opaque(&mut self, dir: &[u8]) -> Result<(), Errno> {
        attribute(self.folder(dir, true)?, b".", OPAQUE.as_bytes(), b"y")
    }

    /// Owner, mode and attributes of what was just made at `name` and is no regular file. The owner first: a change of
    /// it takes setuid bits and file capabilities away.
    pub fn dress(&mut self, dir: &[u8], name: &[u8], member: &Member, link: bool) -> Result<(), Errno> {
        let at = self.folder(dir, true)?;
        let (uid, gid) = (rustix::fs::Uid::from_raw(member.uid), rustix::fs::Gid::from_raw(member.gid));
        chownat(at, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        if !link {
            chmodat(at, name, Mode::from_raw_mode(member.mode), AtFlags::empty())?;
        }
        for (key, value) in &member.xattrs {
            attribute(at, name, key, value)?;
        }
        Ok(())
    }

    /// Sets the time of something that is no folder.
    pub fn touch(&mut self, dir: &[u8], name: &[u8], time: Time) -> Result<(), Errno> {
        utimensat(self.folder(dir, true)?, name, &stamps(time), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Time of the root itself, set by [`Tree::finish`].
    pub fn root_time(&mut self, time: Time) {
        self.times.insert(Vec::new(), time);
    }

    /// Sets the times of folders.
    pub fn finish(mut self) -> Result<(), Errno> {
        for (dir, time) in std::mem::take(&mut self.times) {
            match self.folder(&dir, false) {
                Ok(fd) => utimensat(fd, ".", &stamps(time), AtFlags::empty())?,
                // It was replaced by something later in the archive.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// For both times; the time of the last access is not part of an image.
pub(super) fn stamps(time: Time) -> Timestamps {
    let stamp = Timespec { tv_sec: time.seconds, tv_nsec: time.nanos.into() };
    Timestamps { last_access: stamp, last_modification: stamp }
}

fn folder_flags() -> OFlags {
    OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn is_whiteout(at: &OwnedFd, name: &[u8]) -> bool {
    let is = |s: rustix::fs::Stat| {
        FileType::from_raw_mode(s.st_mode) == FileType::CharacterDevice && s.st_rdev == 0
    };
    statat(at, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(is)
}

/// Sets an extended attribute of `name`, which is not followed. There is no call for it relative to a folder before
/// Linux 6.13, hence the way through /proc.
fn attribute(at: &OwnedFd, name: &[u8], key: &[u8], value: &[u8]) -> Result<(), Errno> {
    let mut path = format!("/proc/self/fd/{}/", at.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    lsetxattr(path, key, value, XattrFlags::empty())
}

/// `dir/name`.
pub(super) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

/// Folder and name.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(i) => (&path[..i], &path[i + 1..]),
        None => (&[], path),
    }
}

/// A path of an archive without `/` before, after and twice, and without `.`; `..` is refused.
pub(super) fn clean(path: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut whole = Vec::with_capacity(path.len());
    for part in path.split(|b| *b == b'/').filter(|p| !p.is_empty() && *p != b".") {
        if part == b".." {
            return Err("its path holds .. and could lead out of the root: refused");
        }
        if part.len() > 255 {
            return Err("its name is longer than 255 bytes");
        }
        if part.contains(&0) {
            return Err("its path holds a zero byte");
        }
        if !whole.is_empty() {
            whole.push(b'/');
        }
        whole.extend_from_slice(part);
    }
    // PATH_MAX of Linux, with the terminating zero.
    if whole.len() < 4096 { Ok(whole) } else { Err("its path is longer than 4095 bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_or_refused() {
        assert_eq!(clean(b"./a//b/./c/").expect("path"), b"a/b/c");
        assert_eq!(clean(b"/etc/passwd").expect("path"), b"etc/passwd");
        assert_eq!(clean(b"./").expect("root"), b"");
        for bad in [&b".."[..], b"a/../b", b"../x", b"a/..", b"a\0b", &[b'x'; 256], &b"abc/".repeat(1100)] {
            clean(bad).expect_err(&String::from_utf8_lossy(bad));
        }
        assert_eq!(split(b"a/b/c"), (&b"a/b"[..], &b"c"[..]));
        assert_eq!(split(b"a"), (&b""[..], &b"a"[..]));
    }
}
