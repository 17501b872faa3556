//! What the image has where something empty comes to lie is copied into it: the mount option `tmpcopyup`, and a new
//! volume.

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod,
    fchown, fgetxattr, flistxattr, fsetxattr, futimens, linkat, mkdirat, mknodat, openat, readlinkat, statat,
    symlinkat, utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Deeper trees than this are refused rather than followed: each level holds two descriptors.
const DEEPEST: u32 = 256;
/// Of a list of attributes' names, and of a value: XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h.
const LONGEST: usize = 64 << 10;
const EMPTY: &CStr = c"";

/// Copies what is in `from` into `to`, an empty folder that nobody else sees: modes, owners, times, extended attributes,
/// and hard links as such. Links are copied, never followed; sockets are passed over. As `cp -a`, it leaves out
/// attributes and device nodes that this user or the file system of `to` may not have.
pub fn copy(from: BorrowedFd, to: BorrowedFd) -> std::io::Result<()> {
    Copy { to, linked: HashMap::new() }.folder(open_dir(from, c".")?, to, &mut Vec::new(), 0)
}

/// The same, for the folder itself, too: its mode, owner, times and attributes.
pub fn copy_with_itself(from: BorrowedFd, to: BorrowedFd) -> std::io::Result<()> {
    copy(from, to)?;
    finish(&open_dir(from, c".")?, &open_dir(to, c".")?, &statat(from, EMPTY, AtFlags::EMPTY_PATH)?)
}

struct Copy<'a> {
    to: BorrowedFd<'a>,
    /// Where a file of several names was put, by device and inode.
    linked: HashMap<(u64, u64), Vec<u8>>,
}

impl Copy<'_> {
    /// `path` is that of `made` below `self.to`, with a slash after it.
    fn folder(
        &mut self,
        from: OwnedFd,
        made: BorrowedFd,
        path: &mut Vec<u8>,
        depth: u32,
    ) -> std::io::Result<()> {
        if depth > DEEPEST {
            return Err(std::io::Error::other("the tree that is to be copied is too deep"));
        }
        let mut dir = Dir::new(from)?;
        while let Some(entry) = dir.read() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let below = path.len();
            path.extend_from_slice(name.to_bytes());
            self.one(dir.fd()?, made, name, path, depth)?;
            path.truncate(below);
        }
        Ok(())
    }

    fn one(
        &mut self,
        from: BorrowedFd,
        to: BorrowedFd,
        name: &CStr,
        path: &mut Vec<u8>,
        depth: u32,
    ) -> std::io::Result<()> {
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            let file = (stat.st_dev, stat.st_ino);
            match self.linked.get(&file) {
                // A name that is too long for it is given a copy of its own.
                Some(first) if linkat(self.to, first.as_slice(), to, name, AtFlags::empty()).is_ok() => {
                    return Ok(());
                }
                _ => drop(self.linked.insert(file, path.clone())),
            }
        }
        match kind {
            FileType::Directory => {
                mkdirat(to, name, Mode::RWXU)?;
                let made = open_dir(to, name)?;
                path.push(b'/');
                self.folder(open_dir(from, name)?, made.as_fd(), path, depth + 1)?;
                finish(&open_dir(from, name)?, &made, &stat)
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut source = File::from(openat(from, name, flags, Mode::empty())?);
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut made = File::from(openat(to, name, flags, Mode::RUSR | Mode::WUSR)?);
                std::io::copy(&mut source, &mut made)?;
                finish(&source, &made, &stat)
            }
            FileType::Symlink => {
                symlinkat(readlinkat(from, name, Vec::new())?.as_c_str(), to, name)?;
                named(to, name, &stat)
            }
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo => {
                match mknodat(to, name, kind, mode(&stat), stat.st_rdev) {
                    Err(Errno::PERM) => Ok(()),
                    other => {
                        other?;
                        named(to, name, &stat)?;
                        // What it was made with has passed the umask.
                        Ok(rustix::fs::chmodat(to, name, mode(&stat), AtFlags::empty())?)
                    }
                }
            }
            _ => Ok(()),
        }
    }
}

fn open_dir(at: BorrowedFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

fn mode(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode & 0o7777)
}

fn owner(stat: &Stat) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
}

fn times(stat: &Stat) -> Timestamps {
    let at = |tv_sec, nsec| Timespec { tv_sec, tv_nsec: nsec as _ };
    Timestamps {
        last_access: at(stat.st_atime, stat.st_atime_nsec),
        last_modification: at(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// A new owner takes the mode's set-id bits and file capabilities away, and writing sets the time: so in this order.
fn finish(from: impl AsFd, made: impl AsFd, stat: &Stat) -> std::io::Result<()> {
    let (uid, gid) = owner(stat);
    fchown(&made, uid, gid)?;
    fchmod(&made, mode(stat))?;
    attributes(from, &made)?;
    Ok(futimens(&made, &times(stat))?)
}

/// What has no content to be opened.
fn named(at: BorrowedFd, name: &CStr, stat: &Stat) -> std::io::Result<()> {
    let (uid, gid) = owner(stat);
    chownat(at, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(utimensat(at, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn attributes(from: impl AsFd, made: impl AsFd) -> std::io::Result<()> {
    // Nearly always there is none, and then no memory is needed to find that out.
    let (mut few, mut many) = ([0; 256], Vec::new());
    let names = match flistxattr(&from, &mut few[..]) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(Errno::RANGE) => {
            many.resize(LONGEST, 0);
            let length = flistxattr(&from, &mut many[..])?;
            &many[..length]
        }
        length => &few[..length?],
    };
    for key in names.split_inclusive(|b| *b == 0) {
        let Ok(key) = CStr::from_bytes_with_nul(key) else { continue };
        let mut value = vec![0; LONGEST];
        let length = fgetxattr(&from, key, &mut value[..])?;
        match fsetxattr(&made, key, &value[..length], XattrFlags::empty()) {
            // EINVAL: it names ids that the user namespace does not have.
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL) => {}
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn opened(path: &std::path::Path) -> OwnedFd {
        open_dir(rustix::fs::CWD, &std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("name"))
            .expect("folder")
    }

    #[test]
    fn all_that_a_file_is_is_copied() {
        let dir = tempfile::tempdir().expect("folder");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(from.join("a/b")).expect("folder");
        std::fs::create_dir(&to).expect("folder");
        let file = from.join("a/b/file");
        std::fs::write(&file, "text").expect("file");
        std::fs::hard_link(&file, from.join("other")).expect("link");
        std::os::unix::fs::symlink("/no/where", from.join("link")).expect("link");
        let at = opened(&from);
        mknodat(&at, "pipe", FileType::Fifo, Mode::from_raw_mode(0o622), 0).expect("pipe");
        rustix::fs::chmodat(&at, "pipe", Mode::from_raw_mode(0o622), AtFlags::empty()).expect("mode");
        rustix::fs::setxattr(&file, "user.of", b"mine", XattrFlags::empty()).expect("attribute");
        rustix::fs::setxattr(&from, "user.of", b"folder", XattrFlags::empty()).expect("attribute");
        let change = |path, mode| rustix::fs::chmodat(&at, path, Mode::from_raw_mode(mode), AtFlags::empty());
        change("a/b/file", 0o4755).expect("mode");
        change("a", 0o2750).expect("mode");
        for name in ["a/b/file", "a/b", "link", ""] {
            let old = Timespec { tv_sec: 1_000_000_000, tv_nsec: 123_456_789 };
            let times = Timestamps { last_access: old, last_modification: old };
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
            utimensat(&at, name, &times, flags).expect("time");
        }
        copy_with_itself(at.as_fd(), opened(&to).as_fd()).expect("copies");
        for name in ["", "a", "a/b", "a/b/file", "other", "link", "pipe"] {
            let [a, b] = [&from, &to].map(|d| d.join(name).symlink_metadata().expect(name));
            let of =
                |m: &std::fs::Metadata| (m.mode(), m.uid(), m.gid(), m.mtime(), m.mtime_nsec(), m.nlink());
            assert_eq!(of(&a), of(&b), "{name}");
        }
        assert_eq!(std::fs::read_link(to.join("link")).expect("link"), std::path::Path::new("/no/where"));
        assert_eq!(std::fs::read_to_string(to.join("other")).expect("file"), "text");
        let inode = |name: &str| to.join(name).metadata().expect(name).ino();
        assert_eq!(inode("other"), inode("a/b/file"));
        for (path, value) in [(to.join("other"), &b"mine"[..]), (to.clone(), b"folder")] {
            let mut bytes = [0; 16];
            let length = rustix::fs::getxattr(&path, "user.of", &mut bytes[..]).expect("attribute");
            assert_eq!(&bytes[..length], value);
        }
    }

    #[test]
    fn a_tree_without_end_is_refused() {
        let dir = tempfile::tempdir().expect("folder");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(from.join("d/".repeat(DEEPEST as usize + 1))).expect("folders");
        std::fs::create_dir(&to).expect("folder");
        let error = copy(opened(&from).as_fd(), opened(&to).as_fd()).expect_err("refused");
        assert!(error.to_string().contains("too deep"), "{error}");
    }
}
