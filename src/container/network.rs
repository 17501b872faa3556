//! The new network namespace of a container. To make one takes the kernel half a millisecond, more than all else that a
//! clone does, so the runtime makes it itself while the init mounts, and hands it over by its descriptor.

use super::config::{NamespaceKind, RuntimeConfig};
use super::error::{RuntimeError, system};
use crate::sys::netlink;
use nix::sched::{CloneFlags, setns, unshare};
use std::os::fd::OwnedFd;

/// Whether one is to be made, rather than none or one that exists.
pub fn is_new(config: &RuntimeConfig) -> bool {
    config.namespace(NamespaceKind::Network).is_some_and(|n| n.path.is_none())
}

/// Whether the runtime makes it. In a user namespace the container must own it, so there the clone makes it; and a
/// runtime that is in one itself (`rootless`) could not come back to its own network.
pub fn is_made_beside(config: &RuntimeConfig, rootless: bool) -> bool {
    !rootless && is_new(config) && config.namespace(NamespaceKind::User).is_none()
}

/// Makes one, with its loopback up. The calling thread is back in its own network afterwards, where hooks belong.
pub fn make() -> Result<OwnedFd, RuntimeError> {
    let home = own()?;
    let made = move_into_new();
    setns(&home, CloneFlags::CLONE_NEWNET).map_err(system("return to the network namespace"))?;
    made
}

/// As [`make`], for a thread that has nothing else to do: it stays there.
pub fn move_into_new() -> Result<OwnedFd, RuntimeError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(system("make a network namespace"))?;
    netlink::set_up_loopback().map_err(|e| system("set up lo")(std::io::Error::other(e)))?;
    own()
}

fn own() -> Result<OwnedFd, RuntimeError> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open("/proc/thread-self/ns/net", flags, rustix::fs::Mode::empty())
        .map_err(system("open the network namespace"))
}
