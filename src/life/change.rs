//! Waits until something in a container's folder changes, without asking again and again.

use super::error::{LifeError, system};
use super::folder::Folder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A watch on a folder.
pub struct Watch(OwnedFd);

impl Watch {
    /// From now on.
    pub fn new(folder: &Folder) -> Result<Self, LifeError> {
        let fd =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(system("make an inotify"))?;
        let flags = WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::MOVE_SELF;
        match inotify::add_watch(&fd, folder.path(), flags) {
            Ok(_) => Ok(Self(fd)),
            Err(rustix::io::Errno::NOENT) => Err(LifeError::NotFound(folder.path().display().to_string())),
            Err(e) => Err(system("watch a container's folder")(e)),
        }
    }

    /// Until something changes, or `timeout` is over.
    pub fn wait(&self, timeout: Duration) {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let timeout =
            Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        let _ = poll(&mut fds, Some(&timeout));
        self.clear();
    }

    /// Forgets what has been told.
    pub fn clear(&self) {
        let mut buffer = [0u8; 4096];
        while rustix::io::read(&self.0, &mut buffer).is_ok_and(|n| n > 0) {}
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
