//! Puts files into the tree of a step.

use super::error::{StepError, io};
use super::mode::Chmod;
use super::select::{Item, Tree};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags, chmodat,
    chownat, futimens, linkat, mkdirat, mknodat, openat, openat2, readlinkat, statat, symlinkat, unlinkat,
    utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

/// Whose the copies are, and how they may be used.
#[derive(Debug, Clone, Default)]
pub struct Dress {
    /// `--chown`; none: the source's, or root's for files of the context.
    pub owner: Option<(u32, u32)>,
    /// Files from elsewhere than the context keep their owner.
    pub keep_owner: bool,
    /// `--chmod`.
    pub mode: Option<Chmod>,
    /// Bits that are taken away otherwise: COPY makes no setuid programs of what lies in a context, as buildah.
    pub strip: u32,
    /// All times are this; none: the source's.
    pub mtime: Option<i64>,
}

impl Dress {
    fn owner(&self, item: &Item) -> (u32, u32) {
        let kept = if self.keep_owner { (item.stat.st_uid, item.stat.st_gid) } else { (0, 0) };
        self.owner.unwrap_or(kept)
    }

    fn mode(&self, item: &Item) -> Mode {
        let before = item.stat.st_mode & 0o7777 & !self.strip;
        let folder = item.kind() == FileType::Directory;
        Mode::from_raw_mode(self.mode.as_ref().map_or(before, |mode| mode.of(before, folder)))
    }

    fn times(&self, item: &Item) -> Timestamps {
        let stamp = Timespec { tv_sec: self.mtime.unwrap_or(item.stat.st_mtime), tv_nsec: 0 };
        Timestamps { last_access: stamp, last_modification: stamp }
    }
}

/// Opens the folder `path` beneath `root`, making what is missing with `owner`. Links are followed within the root.
pub fn folder(root: &OwnedFd, path: &str, owner: (u32, u32)) -> Result<OwnedFd, StepError> {
    let failed = |e: Errno| io("make the folder", format!("/{path}"))(e);
    let find = |path: &str| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = if path.is_empty() { "." } else { path };
        openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    };
    match find(path) {
        Err(Errno::NOENT) => {}
        other => return other.map_err(failed),
    }
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = folder(root, parent, owner)?;
    match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
        // A link that leads to nothing: what it leads to is made, as a shell's `mkdir -p` of the target would.
        Err(Errno::EXIST) => {
            let target = readlinkat(&parent, name, Vec::new()).map_err(failed)?;
            let target = target.to_string_lossy().into_owned();
            let dir = path.rsplit_once('/').map_or("", |(d, _)| d);
            let whole = if target.starts_with('/') { target } else { format!("{dir}/{target}") };
            let whole = super::select::clean(&whole);
            // A circle would never end.
            return if whole.len() < 4096 && whole != path {
                folder(root, &whole, owner)
            } else {
                Err(failed(Errno::LOOP))
            };
        }
        other => other.map_err(failed)?,
    }
    // The umask of this thread is empty only within a build's own thread: said outright.
    chmodat(&parent, name, Mode::from_raw_mode(0o755), AtFlags::empty()).map_err(failed)?;
    if owner != (0, 0) {
        chownat(
            &parent,
            name,
            Some(Uid::from_raw(owner.0)),
            Some(Gid::from_raw(owner.1)),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(failed)?;
    }
    find(path).map_err(failed)
}

/// See the module.
pub struct Copier<'a> {
    tree: &'a Tree<'a>,
    root: &'a OwnedFd,
    base: String,
    dress: &'a Dress,
    buffer: Vec<u8>,
    /// First copies of files that have several names.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// Times of folders, set when nothing is put into them any more.
    times: Vec<(Vec<u8>, Timestamps)>,
    /// The folders used last.
    last: Option<(Vec<u8>, OwnedFd)>,
    last_source: Option<(Vec<u8>, OwnedFd)>,
    names: Vec<u8>,
    /// A file that was not the same any more when it was copied.
    pub changed: Option<Vec<u8>>,
}

impl<'a> Copier<'a> {
    /// From `tree` into the folder `base` beneath `root`.
    pub fn new(tree: &'a Tree<'a>, root: &'a OwnedFd, base: String, dress: &'a Dress) -> Self {
        Self {
            tree,
            root,
            base,
            dress,
            buffer: vec![0; 128 << 10],
            links: HashMap::new(),
            times: Vec::new(),
            last: None,
            last_source: None,
            names: vec![0; 64 << 10],
            changed: None,
        }
    }

    /// Copies all of them.
    pub fn all(&mut self, items: &[Item]) -> Result<(), StepError> {
        for item in items {
            self.one(item).map_err(|e| io("copy", String::from_utf8_lossy(&item.from).into_owned())(e))?;
        }
        for (path, times) in std::mem::take(&mut self.times).iter().rev() {
            let at =
                self.dir(path).map_err(io("set the time of", String::from_utf8_lossy(path).into_owned()))?;
            let at =
                openat(at, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(io("open", "."))?;
            utimensat(&at, ".", times, AtFlags::empty()).map_err(io("set the time of", "a folder"))?;
        }
        Ok(())
    }

    /// The folder at `path` beneath the destination.
    fn dir(&mut self, path: &[u8]) -> Result<&OwnedFd, Errno> {
        if self.last.as_ref().is_none_or(|(p, _)| p != path) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            // From the root, as links of the destination may lead out of it.
            let whole = crate::image::tree::join(self.base.as_bytes(), path);
            let whole = if whole.is_empty() { b"." } else { whole.as_slice() };
            let fd = openat2(self.root, whole, flags, Mode::empty(), resolve)?;
            self.last = Some((path.to_vec(), fd));
        }
        self.last.as_ref().map(|(_, fd)| fd).ok_or(Errno::NOENT)
    }

    fn source_dir(&mut self, path: &[u8]) -> Result<&OwnedFd, Errno> {
        if self.last_source.as_ref().is_none_or(|(p, _)| p != path) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let shown = if path.is_empty() { b"." } else { path };
            let fd = openat2(&self.tree.root, shown, flags, Mode::empty(), ResolveFlags::BENEATH)?;
            self.last_source = Some((path.to_vec(), fd));
        }
        self.last_source.as_ref().map(|(_, fd)| fd).ok_or(Errno::NOENT)
    }

    fn one(&mut self, item: &Item) -> std::io::Result<()> {
        let split = crate::image::tree::split;
        let (dir, name) = split(&item.to);
        if item.kind() == FileType::Directory {
            return Ok(self.folder(item, dir, name)?);
        }
        let key = (item.stat.st_dev, item.stat.st_ino);
        if item.stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&key).cloned() {
                let (first_dir, first_name) = split(&first);
                let from = self.dir(first_dir)?.try_clone()?;
                let at = self.dir(dir)?;
                clear(at, name)?;
                return Ok(linkat(&from, first_name, at, name, AtFlags::empty())?);
            }
            self.links.insert(key, item.to.clone());
        }
        let (source_dir, source_name) = split(&item.from);
        match item.kind() {
            FileType::RegularFile => return self.file(item, source_dir, source_name, dir, name),
            FileType::Symlink => {
                let target = readlinkat(self.source_dir(source_dir)?, source_name, Vec::new())?;
                let at = self.dir(dir)?;
                clear(at, name)?;
                symlinkat(target, at, name)?;
            }
            kind => {
                let at = self.dir(dir)?;
                clear(at, name)?;
                mknodat(at, name, kind, Mode::from_raw_mode(0o600), item.stat.st_rdev)?;
            }
        }
        self.dress(item, dir, name)
    }

    fn folder(&mut self, item: &Item, dir: &[u8], name: &[u8]) -> Result<(), Errno> {
        // The contents of a folder are copied; the destination itself stays what it is.
        if name.is_empty() {
            return Ok(());
        }
        let at = self.dir(dir)?;
        match mkdirat(at, name, Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST) => {
                // A link to a folder stays, and what is copied goes where it leads.
                let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => {}
                    FileType::Symlink if self.dir(&item.to).is_ok() => return Ok(()),
                    _ => return Err(Errno::NOTDIR),
                }
            }
            other => other?,
        }
        let times = self.dress.times(item);
        self.times.push((item.to.clone(), times));
        let (uid, gid) = self.dress.owner(item);
        let mode = self.dress.mode(item);
        let at = self.dir(dir)?;
        chownat(at, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)?;
        chmodat(at, name, mode, AtFlags::empty())
    }

    fn dress(&mut self, item: &Item, dir: &[u8], name: &[u8]) -> std::io::Result<()> {
        let (uid, gid) = self.dress.owner(item);
        let mode = self.dress.mode(item);
        let times = self.dress.times(item);
        let at = self.dir(dir)?;
        chownat(at, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)?;
        if item.kind() != FileType::Symlink {
            chmodat(at, name, mode, AtFlags::empty())?;
        }
        Ok(utimensat(at, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn file(
        &mut self,
        item: &Item,
        source_dir: &[u8],
        source: &[u8],
        dir: &[u8],
        name: &[u8],
    ) -> std::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let from = File::from(openat(self.source_dir(source_dir)?, source, flags, Mode::empty())?);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = self.dress.mode(item);
        let at = self.dir(dir)?;
        let mut to = File::from(match openat(at, name, flags, mode) {
            Err(Errno::EXIST) => {
                clear(at, name)?;
                openat(at, name, flags, mode)?
            }
            other => other?,
        });
        // A file that grows all the while would have no end.
        let mut part = (&from).take(item.most());
        loop {
            let n = part.read(&mut self.buffer)?;
            if n == 0 {
                break;
            }
            to.write_all(&self.buffer[..n])?;
            if n < self.buffer.len() && n as u64 == item.stat.st_size.cast_unsigned() {
                break;
            }
        }
        let (uid, gid) = self.dress.owner(item);
        if (uid, gid) != (0, 0) {
            rustix::fs::fchown(&to, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            rustix::fs::fchmod(&to, mode)?;
        }
        self.attributes(&from, &to)?;
        if !item.is_still(&from)? {
            self.changed.get_or_insert_with(|| item.from.clone());
        }
        Ok(futimens(&to, &self.dress.times(item))?)
    }

    fn attributes(&mut self, from: &File, to: &File) -> std::io::Result<()> {
        let length = match rustix::fs::flistxattr(from, &mut self.names[..]) {
            Err(Errno::OPNOTSUPP) => 0,
            other => other?,
        };
        for key in self.names[..length].split(|b| *b == 0).filter(|k| !k.is_empty()) {
            if key.starts_with(b"trusted.") {
                continue;
            }
            let mut value = vec![0; 64 << 10]; // XATTR_SIZE_MAX
            let length = rustix::fs::fgetxattr(from, key, &mut value[..])?;
            rustix::fs::fsetxattr(to, key, &value[..length], XattrFlags::empty())?;
        }
        Ok(())
    }
}

/// A file takes the place of another, never that of a folder.
fn clear(at: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    match unlinkat(at, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// A file written in place.
pub fn write(at: &OwnedFd, name: &[u8], data: &[u8], dress: &Dress, mtime: i64) -> Result<(), StepError> {
    let shown = String::from_utf8_lossy(name).into_owned();
    let failed = |e: Errno| io("write", shown.clone())(e);
    clear(at, name).map_err(failed)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(dress.mode.as_ref().map_or(0o644, |mode| mode.of(0o644, false)));
    let mut file = File::from(openat(at, name, flags, mode).map_err(failed)?);
    file.write_all(data).map_err(io("write", shown.clone()))?;
    let (uid, gid) = dress.owner.unwrap_or_default();
    rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(failed)?;
    rustix::fs::fchmod(&file, mode).map_err(failed)?;
    let stamp = Timespec { tv_sec: dress.mtime.unwrap_or(mtime), tv_nsec: 0 };
    futimens(&file, &Timestamps { last_access: stamp, last_modification: stamp }).map_err(failed)
}

/// Whether there is a folder at `path` beneath `root`, through links.
pub fn is_folder(root: &OwnedFd, path: &str) -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let path = if path.is_empty() { "." } else { path };
    openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).is_ok()
}

/// The path of an open folder, as `/proc` shows it.
pub fn path_of(fd: &OwnedFd) -> std::path::PathBuf {
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into()
}
