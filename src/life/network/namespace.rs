//! Network namespaces: made, found, and entered by a thread.

use crate::life::error::{LifeError, io, system};
use nix::sched::{CloneFlags, setns, unshare};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T, LifeError>>) -> Result<T, LifeError> {
    let panicked = || Err(system("network thread")(std::io::Error::other("panicked")));
    thread.join().unwrap_or_else(|_| panicked())
}

/// Runs `f` on a thread in `namespace`.
pub fn inside<T: Send>(
    namespace: BorrowedFd,
    f: impl FnOnce() -> Result<T, LifeError> + Send,
) -> Result<T, LifeError> {
    std::thread::scope(|scope| {
        joined(scope.spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).map_err(system("enter a network namespace"))?;
            f()
        }))
    })
}

/// A fresh one, held by a descriptor alone, in which `f` has run.
pub fn new_namespace(f: impl FnOnce() -> Result<(), LifeError> + Send) -> Result<OwnedFd, LifeError> {
    std::thread::scope(|scope| {
        joined(scope.spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(system("make a network namespace (containers need root: try sudo)"))?;
            f()?;
            let path = PathBuf::from("/proc/thread-self/ns/net");
            Ok(std::fs::File::open(&path).map_err(io("open", &path))?.into())
        }))
    })
}

/// That of a process.
pub fn of_process(pid: i32) -> Result<OwnedFd, LifeError> {
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    Ok(std::fs::File::open(&path).map_err(io("open", &path))?.into())
}
