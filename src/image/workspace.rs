//! Folders in `tmp/` for what is not whole yet, each locked by the process that uses it.
//!
//! A lock ends with its process, however that ends: a folder whose lock can be had is nobody's. Folders are made and
//! cleared under the store's lock, so that none is seen between its making and its locking.

use super::error::{ImageError, io};
use super::sweep::remove_tree;
use nix::fcntl::{Flock, FlockArg};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::ErrorKind::{DirectoryNotEmpty, NotADirectory, NotFound};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder of this process, removed with the handle.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Workspace {
    pub(super) fn create(store: &Path) -> Result<Self, ImageError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let _making = lock(&store.join("lock"), FlockArg::LockExclusive)?;
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = store.join("tmp").join(format!("{}-{n}", std::process::id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                // Of a process with the same number, in another namespace or long dead.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                other => other.map_err(io("create", &path))?,
            }
            let lock = lock_folder(&path, FlockArg::LockExclusiveNonblock)?;
            let lock = lock.ok_or_else(|| io("lock", &path)(std::io::ErrorKind::WouldBlock.into()))?;
            return Ok(Self { path, _lock: lock });
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What cannot be removed now is nobody's from now on, and is cleared by the next who opens the store.
        let _ = remove(&self.path);
    }
}

/// Removes what dead processes left.
pub(super) fn clear(store: &Path) -> Result<(), ImageError> {
    let tmp = store.join("tmp");
    let mut entries = std::fs::read_dir(&tmp).map_err(io("read", &tmp))?.peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let _clearing = lock(&store.join("lock"), FlockArg::LockExclusive)?;
    for entry in entries {
        let path = entry.map_err(io("read", &tmp))?.path();
        match lock_folder(&path, FlockArg::LockExclusiveNonblock) {
            // A program that a killed process had started may still write there, for a moment: what is left is cleared
            // by the next who opens the store.
            Ok(Some(_nobodys)) => {
                remove(&path).or_else(|e| unless(e, &[NotFound, DirectoryNotEmpty, NotADirectory]))?;
            }
            Ok(None) => {}
            // Its maker may remove it at the same moment.
            Err(e) => unless(e, &[NotFound])?,
        }
    }
    Ok(())
}

/// Only an error of these kinds is none.
fn unless(error: ImageError, kinds: &[std::io::ErrorKind]) -> Result<(), ImageError> {
    match error {
        ImageError::Io { source, .. } if kinds.contains(&source.kind()) => Ok(()),
        other => Err(other),
    }
}

/// Removes a folder and all in it.
pub(super) fn remove(path: &Path) -> Result<(), ImageError> {
    let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let at = rustix::fs::open(parent, flags, Mode::empty()).map_err(|e| io("open", parent)(e.into()))?;
    remove_tree(&at, name.as_bytes()).map_err(|e| io("remove", path)(e.into()))
}

/// Locks a file of the store, which is made when it is missing.
pub(super) fn lock(path: &Path, how: FlockArg) -> Result<Flock<File>, ImageError> {
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path);
    Flock::lock(file.map_err(io("open", path))?, how).map_err(|(_, e)| io("lock", path)(e.into()))
}

/// Locks a folder; none when another has it.
pub(super) fn lock_folder(path: &Path, how: FlockArg) -> Result<Option<Flock<File>>, ImageError> {
    let file = File::options().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(path);
    match Flock::lock(file.map_err(io("open", path))?, how) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, e)) => Err(io("lock", path)(e.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_what_is_nobodys_goes() {
        let dir = tempfile::tempdir().expect("folder");
        std::fs::create_dir_all(dir.path().join("tmp/77-0/layer/etc")).expect("left by a dead process");
        let used = Workspace::create(dir.path()).expect("workspace");
        std::fs::write(used.path().join("blob"), b"half").expect("write");
        clear(dir.path()).expect("cleared");
        assert!(used.path().join("blob").exists(), "another process cleared what is in use");
        assert!(!dir.path().join("tmp/77-0").exists());
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_still_written_to_is_cleared_when_that_has_ended() {
        let dir = tempfile::tempdir().expect("folder");
        let left = dir.path().join("tmp/77-0");
        std::fs::create_dir_all(&left).expect("left by a dead process");
        let ended = std::sync::atomic::AtomicBool::new(false);
        let mut found_it = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0u64.. {
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    let _ = std::fs::create_dir_all(left.join(format!("layer/{}", n % 50)));
                    let _ = std::fs::write(left.join(format!("layer/{}/{n}", n % 50)), b"x");
                }
            });
            // Not a number of times: on a busy machine the writer may come late.
            let from = std::time::Instant::now();
            while found_it < 50 && from.elapsed().as_secs() < 20 {
                let cleared = clear(dir.path());
                found_it += u32::from(left.exists());
                if cleared.is_err() {
                    ended.store(true, Ordering::Relaxed);
                }
                cleared.expect("opening does not fail");
            }
            ended.store(true, Ordering::Relaxed);
        });
        assert_eq!(found_it, 50, "nothing was written while it was cleared");
        clear(dir.path()).expect("cleared");
        assert!(!left.exists());
    }
}
