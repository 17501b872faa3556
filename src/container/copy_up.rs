//! The mount option `tmpcopyup`: what the image has where a fresh tmpfs comes to lie is copied into it.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fchown, openat, readlinkat, statat, symlinkat};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Deeper trees than this are refused rather than followed.
const DEEPEST: u32 = 64;

/// Copies what is in `from` into `to`: folders, files and links with their modes and owners. All else is passed over.
pub fn copy(from: BorrowedFd, to: BorrowedFd) -> std::io::Result<()> {
    folder(from, to, 0)
}

fn open_dir(at: BorrowedFd, name: &std::ffi::CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

fn folder(from: BorrowedFd, to: BorrowedFd, depth: u32) -> std::io::Result<()> {
    if depth > DEEPEST {
        return Err(std::io::Error::other("tmpcopyup: the tree is too deep"));
    }
    // A descriptor of its own: `from` may have been opened for its path alone.
    let readable = open_dir(from, c".")?;
    for entry in Dir::read_from(&readable)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = statat(&readable, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, mode)?;
                let made = open_dir(to, name)?;
                folder(open_dir(readable.as_fd(), name)?.as_fd(), made.as_fd(), depth + 1)?;
                owned(&made, &stat)?;
                rustix::fs::fchmod(&made, mode)?;
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut source = File::from(openat(&readable, name, flags, Mode::empty())?);
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut made = File::from(openat(to, name, flags, mode)?);
                std::io::copy(&mut source, &mut made)?;
                owned(&made, &stat)?;
                rustix::fs::fchmod(&made, mode)?;
            }
            FileType::Symlink => {
                let target = readlinkat(&readable, name, Vec::new())?;
                symlinkat(target.as_c_str(), to, name)?;
                let (uid, gid) = ids(&stat);
                rustix::fs::chownat(to, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn ids(stat: &Stat) -> (Option<rustix::fs::Uid>, Option<rustix::fs::Gid>) {
    (Some(rustix::fs::Uid::from_raw(stat.st_uid)), Some(rustix::fs::Gid::from_raw(stat.st_gid)))
}

fn owned(file: impl AsFd, stat: &Stat) -> rustix::io::Result<()> {
    let (uid, gid) = ids(stat);
    fchown(file, uid, gid)
}
