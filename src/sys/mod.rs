//! The only room with `unsafe`: system calls that no crate offers safely. Imports no sibling.

#![allow(unsafe_code)]

pub mod affinity;
pub mod bpf;
pub mod capability;
pub mod clock;
mod clone3;
#[cfg(target_arch = "x86_64")]
pub mod early;
pub mod loopback;
pub mod mount_attr;
pub mod netlink;
pub mod nsfs;
pub mod pidfd;
pub mod port;
pub mod process;
pub mod random;
pub mod sched;
pub mod signals;
pub mod slim;
pub mod spawn;
pub mod start;
pub mod tap;
pub mod vfork;
