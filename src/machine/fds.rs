//! Descriptors that QEMU inherits, by number.

use super::error::{MachineError, io, system};
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

pub(super) const CHANNEL: i32 = 10;
pub(super) const STAMPS: i32 = 11;
pub(super) const QMP: i32 = 12;
pub(super) const TAP: i32 = 13;
pub(super) const KERNEL: i32 = 14;
pub(super) const INITRD: i32 = 15;
pub(super) const ROOT: i32 = 16;
pub(super) const SCRATCH: i32 = 17;
pub(super) const RAM: i32 = 18;
pub(super) const STATE: i32 = 19;
pub(super) const CONSOLE: i32 = 20;
/// The volume again, for reading alone: QEMU asks for a descriptor of each mode.
pub(super) const SCRATCH_READ: i32 = 21;
/// An operating system's disk: what is written, the same for reading alone, and what it lies on.
pub(super) const OS: i32 = 22;
pub(super) const OS_READ: i32 = 23;
pub(super) const OS_BASE: i32 = 24;
pub(super) const TOOLS: i32 = 25;
/// Lowest number for the harness's own copies, so that they lie above every number in the child.
const ABOVE: i32 = 64;

/// A file that QEMU gets.
pub(super) struct Given<'a> {
    pub number: i32,
    what: What<'a>,
}

enum What<'a> {
    Read(&'a Path),
    Write(&'a Path),
    Open(BorrowedFd<'a>),
}

impl<'a> Given<'a> {
    pub fn read(number: i32, path: &'a Path) -> Self {
        Self { number, what: What::Read(path) }
    }

    pub fn write(number: i32, path: &'a Path) -> Self {
        Self { number, what: What::Write(path) }
    }

    pub fn open(number: i32, fd: BorrowedFd<'a>) -> Self {
        Self { number, what: What::Open(fd) }
    }

    /// A descriptor of the harness above all numbers of the child.
    pub fn take(&self) -> Result<OwnedFd, MachineError> {
        match self.what {
            What::Read(path) => high(&File::open(path).map_err(io("open", path))?),
            What::Write(path) => {
                let file = File::options().read(true).write(true).open(path);
                high(&file.map_err(io("open for writing", path))?)
            }
            What::Open(fd) => high(&fd),
        }
    }
}

/// A copy above all numbers of the child.
pub(super) fn high(fd: &impl std::os::fd::AsFd) -> Result<OwnedFd, MachineError> {
    rustix::io::fcntl_dupfd_cloexec(fd, ABOVE).map_err(|e| system("duplicate a descriptor")(e.into()))
}
