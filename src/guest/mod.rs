//! What runs inside a machine, and the wire format that it shares with `machine`.
//!
//! `tare-init` is the guest's PID 1: it loads the drivers, takes the job from the channel, mounts the image's root,
//! starts the workload, carries its output, and tells how it ended.

mod boot;
pub mod copy;
pub mod copy_program;
mod error;
mod files;
mod host_files;
mod in_system;
mod job;
mod network;
mod program;
mod resume;
mod serve;
mod stdio;
pub mod vsock;
pub mod wire;

pub use boot::run;
pub use error::GuestError;
pub use in_system::{run_in_system, stamp_kernel};
