//! Removes file trees, however deep, without following a link; and what dead processes left in `tmp/`.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// Removes the folder `name` of `at` and all in it. Holds two descriptors at any depth: a hostile archive can make
/// folders deeper than a process may have files open.
pub(super) fn remove_tree(at: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |at: &OwnedFd, name: &CString| openat(at, name.as_c_str(), flags, Mode::empty());
    let mut here = openat(&at, name, flags, Mode::empty())?;
    // Folders still to be removed in `here` and in each folder above it.
    let mut waiting = vec![empty(&here)?];
    while let Some(folders) = waiting.last_mut() {
        if let Some(next) = folders.last() {
            here = open(&here, next)?;
            waiting.push(empty(&here)?);
            continue;
        }
        waiting.pop();
        if let Some(above) = waiting.last_mut() {
            here = openat(&here, "..", flags, Mode::empty())?;
            if let Some(done) = above.pop() {
                unlinkat(&here, done.as_c_str(), AtFlags::REMOVEDIR)?;
            }
        }
    }
    unlinkat(at, name, AtFlags::REMOVEDIR)
}

/// Unlinks what is no folder, and names the folders.
fn empty(dir: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut folders = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let removed = match entry.file_type() {
            FileType::Directory => Err(Errno::ISDIR),
            _ => unlinkat(dir, name, AtFlags::empty()),
        };
        match removed {
            Err(Errno::ISDIR) => folders.push(name.to_owned()),
            other => other?,
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_deeper_than_open_files_goes() {
        let dir = tempfile::tempdir().expect("folder");
        let open = |d: &std::path::Path| {
            rustix::fs::open(d, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).expect("open")
        };
        let root = open(dir.path());
        rustix::fs::mkdirat(&root, "deep", Mode::RWXU).expect("folder");
        let mut at = open(&dir.path().join("deep"));
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).expect("folder");
            rustix::fs::symlinkat("/etc", &at, "link").expect("link");
            at = openat(&at, "d", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).expect("open");
        }
        remove_tree(&root, b"deep").expect("removed");
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0);
        assert!(std::path::Path::new("/etc/passwd").exists());
    }
}
