//! openat2(2), asked again where the kernel says so: while anything on the host is renamed or mounted it cannot tell
//! whether `..` stays inside, and answers EAGAIN.

use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Renames come in bursts of microseconds; somebody who renames without end is not waited for.
const TRIES: u32 = 10_000;

/// Opens `path` relative to `dir`.
pub fn open_at(
    dir: impl AsFd,
    path: impl AsRef<Path>,
    flags: OFlags,
    resolve: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let path = path.as_ref();
    let open = || rustix::fs::openat2(&dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
    let mut opened = open();
    for _ in 0..TRIES {
        if !matches!(opened, Err(rustix::io::Errno::AGAIN)) {
            break;
        }
        opened = open();
    }
    opened
}
