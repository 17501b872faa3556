//! Our container runtime: namespaces, mounts, cgroups, capabilities, seccomp, state; a verb a file.
//!
//! `tarec` is its face for engines, the suite's target `container` the other. A start is [`run`]: parse, cgroup, one
//! clone3 into all namespaces, [`init`] in the child (mounts, pivot, limits, capabilities, filter, exec).

mod agent;
mod attach;
mod capabilities;
pub mod cgroup;
mod cgroup_mount;
pub mod checkpoint;
pub mod config;
mod confine;
mod console;
pub mod copy_up;
mod cover;
mod create;
mod devices;
mod error;
pub mod events;
pub mod exec;
mod exec_child;
mod exec_process;
pub mod features;
pub mod freezer;
mod home;
mod hooks;
mod id_map;
mod idmap;
mod init;
mod kill;
mod labels;
mod launch;
mod lend;
pub mod list;
mod listen;
mod mount_options;
mod namespaces;
mod network;
mod open;
mod order;
mod place;
pub mod processes;
mod procfs;
mod program;
mod relay;
mod rlimits;
mod rootfs;
pub mod run;
mod scheduling;
pub mod seal;
pub mod seccomp;
mod send;
pub mod spec;
pub mod state;
mod sync;
mod sysctl;
pub mod systemd;
pub mod template;
mod terminal;
pub mod trace;
pub mod update;
mod validate;
pub mod warning;

pub use create::{CreateOptions, create, start};
pub use error::RuntimeError;
pub use kill::{delete, kill, parse_signal};
