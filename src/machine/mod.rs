//! Machines: a guest kernel, an initramfs with our init, disks, and QEMU with the arguments that start them.
//!
//! [`kernel::find`], [`initramfs::build`] and [`disk::root`] give files; [`qemu::Machine`] says how they are put
//! together; [`Armed`] is one that only has to be started, and [`running::RunningMachine`] one that was.

pub mod accelerator;
mod arm;
pub mod cache;
pub mod disk;
mod elf;
mod error;
pub mod initramfs;
pub mod kernel;
pub mod memory;
mod program;
pub mod qemu;
pub mod running;
mod watch;

pub use arm::Armed;
pub use error::MachineError;
pub use running::{ExecEvent, MachineEvent, RunningMachine};
