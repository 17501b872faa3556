//! The same service for a workload, started by the init of a whole operating system instead of being the init itself.

use super::boot::serve_host;
use super::error::{GuestError, failed};
use crate::sys::port;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// An operating system's init has started: its kernel's work is done.
pub fn stamp_kernel() {
    port::stamp(port::KERNEL);
}

/// Serves the host until the workload has ended. What it mounts is its own; the system around it sees nothing of it.
pub fn run_in_system() -> Result<(), GuestError> {
    port::stamp(port::SYSTEM);
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed("make", "a mount namespace"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(failed("make private", "all mounts"))?;
    serve_host()
}
