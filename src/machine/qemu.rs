//! The QEMU of this host, and how it can run a guest.

use super::error::MachineError;
use super::program;
use std::path::{Path, PathBuf};

/// Firmware that QEMU loads: 64 KiB, starts the kernel at once (github.com/bonzini/qboot).
pub const FIRMWARE: &str = "qboot.rom";

/// How the guest's processors are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// By the host's.
    Kvm,
    /// By emulation.
    Tcg,
}

impl Accelerator {
    /// As in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// The value of `-cpu`: the host's, or all that the emulator can but for the fast string instructions. A kernel that
    /// sees those clears and copies memory byte by byte, and the emulator takes each byte by itself; without them it is
    /// eight at a time.
    pub fn processor(self) -> &'static str {
        match self {
            Self::Kvm => "host",
            Self::Tcg => "max,erms=off",
        }
    }
}

/// The program on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// Its path.
    pub program: PathBuf,
    /// Where its firmware is; empty if QEMU has to find it itself.
    pub firmware: PathBuf,
}

/// Finds QEMU; TAREMARK_QEMU names another one.
pub fn find() -> Result<Qemu, MachineError> {
    let named = std::env::var("TAREMARK_QEMU").ok().filter(|v| !v.is_empty());
    let program = match named {
        Some(path) if Path::new(&path).is_file() => PathBuf::from(path),
        Some(path) => return Err(MachineError::Missing { program: path, package: "qemu-system-x86" }),
        None => program::find("qemu-system-x86_64", "qemu-system-x86")?,
    };
    let beside = program.parent().and_then(Path::parent).map(|p| p.join("share/qemu").join(FIRMWARE));
    let firmware = beside.filter(|p| p.is_file()).unwrap_or_default();
    Ok(Qemu { program, firmware })
}
