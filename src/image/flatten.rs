//! All layers of an image as one plain tree, for disks of machines.

use super::archive::{Kind, Member, Time};
use super::error::{ImageError, io};
use super::handle::Image;
use super::store::Store;
use super::tree::{Tree, split, stamps};
use super::view::{Seen, walk};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, SeekFrom, Uid, XattrFlags};
use rustix::fs::{
    fchmod, fchown, fsetxattr, futimens, linkat, major, minor, mknodat, openat, readlinkat, seek, symlinkat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

impl Image {
    /// Writes the tree that can be seen through all layers into `dir`, an empty folder: ownership, modes, times,
    /// attributes, devices and hard links as they are. Unpacks the layers that are not yet.
    pub fn flatten_to(&self, store: &Store, dir: &Path) -> Result<(), ImageError> {
        let layers = self.lower_dirs(store)?;
        let tree = Tree::open(dir).map_err(|e| io("open", dir)(e.into()))?;
        let mut copy = Copy { tree, links: HashMap::new(), buffer: vec![0; 1 << 18] };
        walk(&layers, &mut |seen| {
            let shown = dir.join(String::from_utf8_lossy(seen.path).as_ref());
            copy.one(seen).map_err(io("write", &shown))
        })?;
        copy.tree.finish().map_err(|e| io("set times in", dir)(e.into()))
    }
}

struct Copy {
    tree: Tree,
    /// Where a file that has several names was written first.
    links: HashMap<(usize, u64), Vec<u8>>,
    buffer: Vec<u8>,
}

impl Copy {
    fn one(&mut self, seen: &Seen<'_>) -> std::io::Result<()> {
        let (dir, name) = split(seen.path);
        let kind = FileType::from_raw_mode(seen.stat.st_mode);
        let member = member(seen)?;
        if seen.path.is_empty() {
            self.tree.root_time(member.mtime);
            return Ok(self.tree.dress(b"", b".", &member, false)?);
        }
        if kind == FileType::Directory {
            self.tree.directory(dir, name, member.mtime)?;
            return Ok(self.tree.dress(dir, name, &member, false)?);
        }
        if seen.stat.st_nlink > 1 {
            let first =
                self.links.entry((seen.layer, seen.stat.st_ino)).or_insert_with(|| seen.path.to_vec());
            if first != seen.path {
                let (from_dir, from_name) = split(first);
                let from = self.tree.folder(from_dir, false)?.try_clone()?;
                return Ok(linkat(&from, from_name, self.tree.folder(dir, true)?, name, AtFlags::empty())?);
            }
        }
        match kind {
            FileType::RegularFile => return self.file(seen, &member, dir, name),
            FileType::Symlink => {
                let target = readlinkat(seen.at, seen.name, Vec::new())?;
                symlinkat(target, self.tree.folder(dir, true)?, name)?;
            }
            _ => {
                let at = self.tree.folder(dir, true)?;
                mknodat(at, name, kind, Mode::from_raw_mode(0o600), seen.stat.st_rdev)?;
            }
        }
        self.tree.dress(dir, name, &member, kind == FileType::Symlink)?;
        Ok(self.tree.touch(dir, name, member.mtime)?)
    }

    fn file(&mut self, seen: &Seen<'_>, member: &Member, dir: &[u8], name: &[u8]) -> std::io::Result<()> {
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut from = File::from(openat(seen.at, seen.name, read, Mode::empty())?);
        let write = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let at = self.tree.folder(dir, true)?;
        let mut to = File::from(openat(at, name, write, Mode::from_raw_mode(0o600))?);
        let size = seen.stat.st_size.cast_unsigned();
        let sparse = seen.stat.st_blocks.cast_unsigned() * 512 < size;
        if sparse {
            self.with_holes(&mut from, &mut to, size)?;
        } else {
            std::io::copy(&mut from, &mut to)?;
        }
        fchown(&to, Some(Uid::from_raw(member.uid)), Some(Gid::from_raw(member.gid)))?;
        fchmod(&to, Mode::from_raw_mode(member.mode))?;
        for (key, value) in &member.xattrs {
            fsetxattr(&to, key.as_slice(), value, XattrFlags::empty())?;
        }
        Ok(futimens(&to, &stamps(member.mtime))?)
    }

    fn with_holes(&mut self, from: &mut File, to: &mut File, size: u64) -> std::io::Result<()> {
        let mut at = 0;
        loop {
            at = match seek(&*from, SeekFrom::Data(at)) {
                Err(Errno::NXIO) => break,
                other => other?,
            };
            let end = seek(&*from, SeekFrom::Hole(at))?;
            from.seek(std::io::SeekFrom::Start(at))?;
            to.seek(std::io::SeekFrom::Start(at))?;
            let mut part = from.take(end - at);
            loop {
                match part.read(&mut self.buffer)? {
                    0 => break,
                    n => to.write_all(&self.buffer[..n])?,
                }
            }
            at = end;
        }
        to.set_len(size)
    }
}

fn member(seen: &Seen<'_>) -> std::io::Result<Member> {
    let stat = &seen.stat;
    Ok(Member {
        path: seen.path.to_vec(),
        kind: Kind::File,
        link: Vec::new(),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time { seconds: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or_default() },
        size: stat.st_size.cast_unsigned(),
        segments: None,
        device: (major(stat.st_rdev), minor(stat.st_rdev)),
        xattrs: attributes(seen.at, seen.name)?,
    })
}

/// Extended attributes of `name`, which is not followed, without those that belong to overlayfs.
pub(super) fn attributes(at: &OwnedFd, name: &[u8]) -> std::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut path = format!("/proc/self/fd/{}/", at.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    let mut names = vec![0; 64 << 10]; // XATTR_LIST_MAX
    let length = match rustix::fs::llistxattr(path.as_slice(), &mut names[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    let mut all = Vec::new();
    for key in names[..length].split(|b| *b == 0).filter(|k| !k.is_empty()) {
        if key.starts_with(b"trusted.overlay.") {
            continue;
        }
        let mut value = vec![0; 64 << 10]; // XATTR_SIZE_MAX
        let length = rustix::fs::lgetxattr(path.as_slice(), key, &mut value[..])?;
        value.truncate(length);
        all.push((key.to_vec(), value));
    }
    Ok(all)
}
