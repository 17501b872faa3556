//! Our container runtime: namespaces, mounts, cgroups, capabilities, seccomp, state; a verb a file.
//!
//! `tarec` is its face for engines, the suite's target `container` the other. A start is [`run`]: parse, cgroup, one
//! clone3 into all namespaces, [`init`] in the child (mounts, pivot, limits, capabilities, filter, exec).

mod capabilities;
pub mod cgroup;
mod cgroup_devices;
mod cgroup_mount;
pub mod config;
mod cover;
mod create;
mod devices;
mod error;
mod init;
mod kill;
mod launch;
mod mount_options;
mod namespaces;
mod network;
mod order;
mod place;
mod rlimits;
mod rootfs;
pub mod run;
pub mod seccomp;
pub mod spec;
pub mod state;
mod sync;
pub mod trace;
mod validate;

pub use create::{CreateOptions, create, start};
pub use error::RuntimeError;
pub use kill::{delete, kill, parse_signal};
