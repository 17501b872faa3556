//! Which files a COPY takes: patterns, folders, what is ignored and excluded.

use super::error::{StepError, io, refused};
use super::glob;
use super::ignore::Ignore;
use super::signs::Sign;
use super::walk::{Entry, Folder, Listed, Making, walk};
use crate::image::tree::join;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A tree that files are taken from.
#[derive(Debug)]
pub struct Tree<'a> {
    /// Its root.
    pub root: OwnedFd,
    /// The root's path, as the kernel tells it.
    pub path: PathBuf,
    /// For people.
    pub shown: String,
    /// What of it is not there.
    pub ignore: Option<&'a Ignore>,
}

/// Something to be copied.
#[derive(Debug, Clone)]
pub struct Item {
    /// Beneath the tree's root.
    pub from: Vec<u8>,
    /// Beneath the destination; empty for the destination itself.
    pub to: Vec<u8>,
    /// Of the source.
    pub stat: Stat,
}

impl Item {
    /// Of the source.
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Bytes to be read of it: what it had when it was looked at. A file that says that it has none may have some.
    pub fn most(&self) -> u64 {
        match self.stat.st_size {
            0 => u64::MAX,
            n => n.cast_unsigned(),
        }
    }

    /// Whether the open file has not changed since it was looked at.
    pub fn is_still(&self, file: &File) -> Result<bool, Errno> {
        Ok(Sign::of(&fstat(file)?) == Sign::of(&self.stat))
    }
}

/// One thing that a pattern stands for.
#[derive(Debug)]
pub struct Found {
    /// Without links, beneath the root.
    pub real: Vec<u8>,
    /// As the pattern found it.
    pub path: String,
    /// A link that is named is followed.
    pub stat: Stat,
}

impl Found {
    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }
}

impl<'a> Tree<'a> {
    /// Opens it.
    pub fn open(path: &Path, shown: String, ignore: Option<&'a Ignore>) -> Result<Self, StepError> {
        let root = super::overlay::open_dir(path)?;
        let path =
            std::fs::read_link(format!("/proc/self/fd/{}", root.as_raw_fd())).map_err(io("find", path))?;
        Ok(Self { root, path, shown, ignore: ignore.filter(|i| !i.is_empty()) })
    }

    fn beneath(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)
    }

    /// What `pattern` stands for, in order. At least one.
    pub fn find(&self, pattern: &str) -> Result<Vec<Found>, StepError> {
        let clean = clean(pattern);
        let mut paths = vec![String::new()];
        for part in clean.split('/').filter(|p| !p.is_empty()) {
            let mut next = Vec::new();
            for dir in paths {
                let join =
                    |name: &str| if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
                if !glob::is_pattern(part) {
                    next.push(join(part));
                    continue;
                }
                for name in self.names(&dir)? {
                    if glob::name(part, &name).map_err(|_| refused(pattern, "this is no pattern"))? {
                        next.push(join(&name));
                    }
                }
            }
            paths = next;
        }
        let missing = || StepError::NoSource { what: pattern.to_owned(), place: self.shown.clone() };
        let mut found = Vec::new();
        for path in paths {
            match self.beneath(&path, OFlags::PATH) {
                Ok(fd) => {
                    let real = self.real(&fd)?;
                    let stat = fstat(&fd).map_err(io("look at", &path))?;
                    let dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                    if self.is_there(&real, dir) {
                        found.push(Found { real, path, stat });
                    }
                }
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(e) => return Err(io("open", self.path.join(&path))(e)),
            }
        }
        if found.is_empty() { Err(missing()) } else { Ok(found) }
    }

    /// Whether the ignore file leaves it there; a folder is there for what may be kept below it, too.
    pub(super) fn is_there(&self, path: &[u8], dir: bool) -> bool {
        let Some(ignore) = self.ignore.filter(|_| !path.is_empty()) else { return true };
        let path = String::from_utf8_lossy(path);
        !ignore.ignores(&path) || dir && ignore.may_keep_below(&path)
    }

    /// Path of an open file without links.
    fn real(&self, fd: &OwnedFd) -> Result<Vec<u8>, StepError> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
            .map_err(io("find", &self.path))?;
        let inside = path.strip_prefix(&self.path);
        let inside =
            inside.map_err(|_| refused(path.display().to_string(), "it was moved while it was read"))?;
        Ok(inside.as_os_str().as_bytes().to_vec())
    }

    fn names(&self, dir: &str) -> Result<Vec<String>, StepError> {
        let fd = match self.beneath(dir, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            other => other.map_err(io("open", self.path.join(dir)))?,
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd).map_err(io("read", self.path.join(dir)))? {
            let entry = entry.map_err(io("read", self.path.join(dir)))?;
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Everything of `found`, to be put at `to`: each folder before what is in it, sorted.
    pub fn items(&self, found: &Found, to: &[u8], exclude: &Ignore) -> Result<Vec<Item>, StepError> {
        let mut items = Vec::new();
        let stat = found.stat;
        if !found.is_dir() {
            let name = found.path.rsplit('/').next().unwrap_or_default();
            if !exclude.ignores(name) {
                items.push(Item { from: found.real.clone(), to: to.to_vec(), stat });
            }
            return Ok(items);
        }
        items.push(Item { from: found.real.clone(), to: to.to_vec(), stat });
        let add = |all: &mut Vec<(Item, bool)>, folder: &Folder, entry: &Entry<'_>| {
            let inside = join(&folder.inside, entry.name);
            let item =
                Item { from: join(&folder.from, entry.name), to: join(to, &inside), stat: *entry.stat };
            all.push((item, entry.out));
        };
        let making = Making { make: &Vec::new, add: &add, take: &std::mem::take };
        let mut listed = walk(self, &found.real, exclude, making)?;
        gather(&mut listed, 0, &mut items);
        Ok(items)
    }

    /// Digest of the paths, modes and signs of what [`items`](Self::items) gives, without making it.
    pub fn signs(&self, found: &Found, exclude: &Ignore) -> Result<[u8; 32], StepError> {
        let mut own = Vec::new();
        write_sign(&mut own, b"", &found.stat, false);
        if !found.is_dir() {
            return Ok(Sha256::digest(&own).into());
        }
        let make = || (Sha256::new(), Vec::with_capacity(8 << 10));
        let take = |(hash, bytes): &mut (Sha256, Vec<u8>)| {
            hash.update(&*bytes);
            bytes.clear();
            hash.finalize_reset()
        };
        let add = |(hash, bytes): &mut (Sha256, Vec<u8>), _: &Folder, entry: &Entry<'_>| {
            write_sign(bytes, entry.name, entry.stat, entry.out);
            if bytes.len() > 4 << 10 {
                hash.update(&*bytes);
                bytes.clear();
            }
        };
        let listed = walk(self, &found.real, exclude, Making { make: &make, add: &add, take: &take })?;
        let mut hash = Sha256::new_with_prefix(&own);
        let mut waiting = vec![0];
        // A folder's names say which of the digests that follow are those of its folders.
        while let Some(at) = waiting.pop() {
            hash.update(listed[at].made);
            waiting.extend(listed[at].below.iter().rev());
        }
        Ok(hash.finalize().into())
    }

    /// Opens a file of an item for reading.
    pub fn read(&self, item: &Item) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.root, item.from.as_slice(), flags, Mode::empty()).map(File::from)
    }
}

/// In order, without folders that are left out and hold nothing.
fn gather(listed: &mut [Listed<Vec<(Item, bool)>>], at: usize, items: &mut Vec<Item>) {
    let made = std::mem::take(&mut listed[at].made);
    let mut below = std::mem::take(&mut listed[at].below).into_iter();
    for (item, out) in made {
        let (before, dir) = (items.len(), item.kind() == FileType::Directory);
        items.push(item);
        if let Some(below) = dir.then(|| below.next()).flatten() {
            gather(listed, below, items);
            if out && items.len() == before + 1 {
                items.pop();
            }
        }
    }
}

/// What tells that an item is the same: of a folder, its name and mode alone, as what is in it is told after it.
fn write_sign(to: &mut Vec<u8>, name: &[u8], stat: &Stat, out: bool) {
    to.extend_from_slice(&(name.len() as u64).to_le_bytes());
    to.extend_from_slice(name);
    to.extend_from_slice(&stat.st_mode.to_le_bytes());
    to.push(out.into());
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        to.extend_from_slice(&stat.st_rdev.to_le_bytes());
        Sign::of(stat).write(to);
    }
}

/// Without `/` before, after and twice; `..` stops at the root, as in a chroot.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
