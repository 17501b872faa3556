//! Machines: a guest kernel, an initramfs with our init, disks, and QEMU with the arguments that start them.
//!
//! [`kernel::find`], [`initramfs::build`] and [`disk::root`] give files; [`recipe::Machine`] says how they are put
//! together; [`Armed`] is one that only has to be started, and [`running::RunningMachine`] one that was.

pub mod accelerator;
mod arguments;
mod arm;
pub mod cache;
pub mod convert;
mod cpio;
pub mod debian;
pub mod disk;
mod elf;
mod error;
mod event;
mod fds;
pub mod foreign;
pub mod hypervisor;
pub mod initramfs;
pub mod kernel;
pub mod memory;
pub mod parts;
pub mod pc;
mod program;
pub mod qemu;
mod qmp;
pub mod recipe;
pub mod root;
pub mod running;
mod said;
pub mod snapshot;
mod watch;
mod zstd_size;

pub use arm::{Armed, USER};
pub use error::MachineError;
pub use event::{ExecEvent, MachineEvent};
pub use recipe::{Machine, Memory};
pub use running::RunningMachine;
pub use zstd_size::ZstdSize;
