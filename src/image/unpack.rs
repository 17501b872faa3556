//! One layer's archive -> a file tree in the form that overlayfs takes.

use super::archive::{Archive, Kind, Member};
use super::error::ImageError;
use super::tree::{Tree, clean, split, stamps};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::fs::{fchmod, fchown, fsetxattr, futimens, linkat, makedev, mknodat, openat, statat, symlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What one layer may take. The defaults are far above what images have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the uncompressed archive, and of all its files' apparent sizes.
    pub bytes: u64,
    /// Files, folders and links.
    pub members: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 30, members: 8 << 20 }
    }
}

/// Unpacks the archive that `reader` gives into `root`, an empty folder, and returns the reader, read to its end.
pub fn unpack<R: BufRead>(reader: R, what: &str, root: &Path, limits: Limits) -> Result<R, ImageError> {
    let mut archive = Archive::new(reader, what);
    let tree = Tree::open(root).map_err(|e| super::error::io("open", root)(e.into()))?;
    let own = Own::of_process();
    let mut unpacker = Unpacker { tree, limits, own, bytes: 0, members: 0, buffer: vec![0; 256 << 10] };
    while let Some(member) = archive.next()? {
        unpacker.account(&member)?;
        unpacker.member(&mut archive, &member)?;
    }
    let reader = archive.finish()?;
    unpacker.tree.finish().map_err(|e| super::error::io("set times in", root)(e.into()))?;
    Ok(reader)
}

/// Reads an archive to its end and refuses what [`unpack`] would refuse by name, size or form.
pub fn check<R: Read>(reader: R, what: &str, limits: Limits) -> Result<R, ImageError> {
    let mut archive = Archive::new(reader, what);
    let (mut bytes, mut members) = (0, 0);
    while let Some(member) = archive.next()? {
        admit(&member, &limits, &mut bytes, &mut members)?;
        clean(&member.path).map_err(|why| member.error(why))?;
    }
    archive.finish()
}

fn admit(member: &Member, limits: &Limits, bytes: &mut u64, members: &mut u64) -> Result<(), ImageError> {
    *members += 1;
    if member.kind == Kind::File {
        *bytes = bytes.saturating_add(member.size);
    }
    if *bytes > limits.bytes {
        return Err(ImageError::TooLarge { limit: limits.bytes });
    }
    if *members > limits.members {
        return Err(ImageError::TooMany { limit: limits.members });
    }
    if member.xattrs.iter().any(|(key, _)| key.starts_with(b"trusted.overlay.")) {
        return Err(member.error("it has an attribute by which overlayfs steers: refused"));
    }
    if member.kind == Kind::Character && member.device == (0, 0) {
        return Err(member.error("character device 0:0 is a whiteout of overlayfs in disguise: refused"));
    }
    Ok(())
}

struct Unpacker {
    tree: Tree,
    limits: Limits,
    own: Own,
    bytes: u64,
    members: u64,
    buffer: Vec<u8>,
}

impl Unpacker {
    fn account(&mut self, member: &Member) -> Result<(), ImageError> {
        admit(member, &self.limits, &mut self.bytes, &mut self.members)
    }

    fn member<R: BufRead>(&mut self, archive: &mut Archive<R>, member: &Member) -> Result<(), ImageError> {
        let path = clean(&member.path).map_err(|why| member.error(why))?;
        let (dir, name) = split(&path);
        let system = |e: Errno| refused(member, e);
        if name.is_empty() {
            if member.kind != Kind::Directory {
                return Err(member.error("the root is a folder, and cannot be anything else"));
            }
            self.tree.root_time(member.mtime);
            return self.tree.dress(b"", b".", member, false).map_err(system);
        }
        if let Some(hidden) = name.strip_prefix(b".wh.") {
            return self.whiteout(member, dir, hidden);
        }
        match member.kind {
            Kind::File => return self.file(archive, member, dir, name),
            Kind::HardLink => return self.hard_link(member, dir, name),
            Kind::Directory => {
                self.own.inherits |= member.mode & 0o2000 != 0;
                self.tree.directory(dir, name, member.mtime).map_err(system)?;
                return self.tree.dress(dir, name, member, false).map_err(system);
            }
            Kind::Symlink => {
                let target = member.link.as_slice();
                self.tree.put(dir, name, |at| symlinkat(target, at, name)).map_err(system)?;
            }
            Kind::Character | Kind::Block | Kind::Fifo => {
                let kind = match member.kind {
                    Kind::Character => FileType::CharacterDevice,
                    Kind::Block => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                let device = makedev(member.device.0, member.device.1);
                let make = |at: &_| mknodat(at, name, kind, Mode::from_raw_mode(0o600), device);
                self.tree.put(dir, name, make).map_err(system)?;
            }
        }
        self.tree.dress(dir, name, member, member.kind == Kind::Symlink).map_err(system)?;
        self.tree.touch(dir, name, member.mtime).map_err(system)
    }

    /// image-spec, layer.md, "Whiteouts".
    fn whiteout(&mut self, member: &Member, dir: &[u8], hidden: &[u8]) -> Result<(), ImageError> {
        let system = |e: Errno| refused(member, e);
        match hidden {
            b".wh..opq" => self.tree.opaque(dir).map_err(system),
            b"" | b"." | b".." => Err(member.error("a whiteout of nothing or of a folder above: refused")),
            // Notes of AUFS, which are not part of the image.
            _ if hidden.starts_with(b".wh.") => Ok(()),
            _ => self.tree.whiteout(dir, hidden).map_err(system),
        }
    }

    fn file<R: BufRead>(
        &mut self,
        archive: &mut Archive<R>,
        member: &Member,
        dir: &[u8],
        name: &[u8],
    ) -> Result<(), ImageError> {
        let system = |e: Errno| refused(member, e);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = self.own.mode(member);
        let create = |at: &_| openat(at, name, flags, Mode::from_raw_mode(mode.unwrap_or(0o600)));
        let mut file = File::from(self.tree.put(dir, name, create).map_err(system)?);
        let write = |e: std::io::Error| ImageError::Write { entry: member.shown(), source: e };
        match &member.segments {
            None => loop {
                let chunk = archive.chunk()?;
                if chunk.is_empty() {
                    break;
                }
                file.write_all(chunk).map_err(write)?;
                let n = chunk.len();
                archive.consume(n);
            },
            Some(segments) => {
                for segment in segments {
                    file.seek(SeekFrom::Start(segment.offset)).map_err(write)?;
                    let mut left = usize::try_from(segment.length).unwrap_or(usize::MAX);
                    while left > 0 {
                        let most = left.min(self.buffer.len());
                        archive.stored(&mut self.buffer[..most])?;
                        file.write_all(&self.buffer[..most]).map_err(write)?;
                        left -= most;
                    }
                }
                file.set_len(member.size).map_err(write)?;
            }
        }
        // In this order: a change of owner clears setuid bits and file capabilities.
        let owned = self.own.owns(member, &file).map_err(system)?;
        if !owned {
            fchown(&file, Some(Uid::from_raw(member.uid)), Some(Gid::from_raw(member.gid)))
                .map_err(system)?;
        }
        if mode.is_none() {
            fchmod(&file, Mode::from_raw_mode(member.mode)).map_err(system)?;
        }
        for (key, value) in &member.xattrs {
            fsetxattr(&file, key.as_slice(), value, XattrFlags::empty()).map_err(system)?;
        }
        futimens(&file, &stamps(member.mtime)).map_err(system)
    }

    fn hard_link(&mut self, member: &Member, dir: &[u8], name: &[u8]) -> Result<(), ImageError> {
        let target = clean(&member.link).map_err(|why| member.error(format!("of its target: {why}")))?;
        let (target_dir, target_name) = split(&target);
        if target_name.is_empty() {
            return Err(member.error("a hard link to a folder"));
        }
        let missing = |e: Errno| match e {
            Errno::NOENT | Errno::NOTDIR => {
                member.error("a hard link to something that is not in this layer")
            }
            e => refused(member, e),
        };
        let system = |e: Errno| refused(member, e);
        let stat = |at: &_, name: &[u8]| statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
        let from = self.tree.folder(target_dir, false).map_err(missing)?;
        let from = from.try_clone().map_err(|source| ImageError::Write { entry: member.shown(), source })?;
        let there = stat(&from, target_name).map_err(missing)?;
        if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
            return Err(member.error("a hard link to a folder"));
        }
        let at = self.tree.folder(dir, true).map_err(system)?;
        // A file that an archive holds twice comes as a link to itself: nothing to do, and nothing to clear first.
        if stat(at, name).is_ok_and(|s| (s.st_dev, s.st_ino) == (there.st_dev, there.st_ino)) {
            return Ok(());
        }
        let link = |at: &_| linkat(&from, target_name, at, name, AtFlags::empty());
        self.tree.put(dir, name, link).map_err(system)
    }
}

/// What a new file gets without being told: most files of most images need no more.
struct Own {
    ids: (u32, u32),
    umask: u32,
    /// A folder gave its group to what is in it.
    inherits: bool,
    /// Whether the file system gives new files this process's user and group; none: not looked at yet.
    given: Option<bool>,
}

impl Own {
    fn of_process() -> Self {
        let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        // Without changing it for the other threads, as umask(2) would (proc_pid_status(5)).
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let told = status.lines().find_map(|l| l.strip_prefix("Umask:"));
        let umask = told.and_then(|u| u32::from_str_radix(u.trim(), 8).ok()).unwrap_or(0o7777);
        Self { ids, umask, inherits: false, given: None }
    }

    /// The mode to create a file with, where that is all there is to do.
    fn mode(&self, member: &Member) -> Option<u32> {
        let plain = member.mode & !0o777 == 0 && member.mode & self.umask == 0;
        // Setting attributes needs a file that may be written.
        (plain && member.mode & 0o200 != 0).then_some(member.mode)
    }

    /// Whether a new file has its owner already.
    fn owns(&mut self, member: &Member, file: &File) -> Result<bool, Errno> {
        if self.inherits || (member.uid, member.gid) != self.ids {
            return Ok(false);
        }
        if self.given.is_none() {
            let stat = rustix::fs::fstat(file)?;
            self.given = Some((stat.st_uid, stat.st_gid) == self.ids);
        }
        Ok(self.given == Some(true))
    }
}

fn refused(member: &Member, error: Errno) -> ImageError {
    match error {
        Errno::XDEV | Errno::LOOP => member.error(
            "its path goes through a symbolic link that leads out of the root or in a circle: refused",
        ),
        error => ImageError::Write { entry: member.shown(), source: error.into() },
    }
}
