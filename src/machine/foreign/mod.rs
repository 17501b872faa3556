//! A machine with another processor than the host's: the distribution's kernel for it, and a shell as its init that runs
//! one script and tells by the console what came of it.

mod execute;
mod fetch;

pub use execute::{Said, execute, tree};
pub use fetch::{Foreign, fetch};

/// A kind of machine: a row of what differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// As people are told.
    pub name: &'static str,
    /// Debian's name of the architecture, which is OCI's as well.
    pub architecture: &'static str,
    /// What `uname -m` says there.
    pub processor: &'static str,
    /// Bytes of a page of memory, as `/proc/PID/smaps` writes it.
    pub page: &'static str,
    /// The meta-package of its kernel.
    kernel: &'static str,
    /// The release that has this kernel, where the host's has not.
    suite: Option<&'static str>,
    emulator: &'static str,
    /// That has the emulator.
    package: &'static str,
    cpu: &'static str,
    console: &'static str,
    memory_mib: u32,
}

/// All kinds. Memory: what the kernel's own structures need with an initramfs of a few megabytes.
pub const KINDS: [Kind; 3] = [
    Kind {
        name: "arm64",
        architecture: "arm64",
        processor: "aarch64",
        page: "4 kB",
        kernel: "linux-image-cloud-arm64",
        suite: None,
        emulator: "qemu-system-aarch64",
        package: "qemu-system-arm",
        cpu: "cortex-a72",
        console: "ttyAMA0",
        memory_mib: 256,
    },
    Kind {
        name: "arm64, 16 KiB pages",
        architecture: "arm64",
        processor: "aarch64",
        page: "16 kB",
        kernel: "linux-image-arm64-16k",
        suite: Some("trixie"),
        emulator: "qemu-system-aarch64",
        package: "qemu-system-arm",
        // The A72 has pages of 4 and of 64 KiB only.
        cpu: "cortex-a76",
        console: "ttyAMA0",
        memory_mib: 512,
    },
    Kind {
        name: "riscv64",
        architecture: "riscv64",
        processor: "riscv64",
        page: "4 kB",
        kernel: "linux-image-riscv64",
        suite: Some("trixie"),
        emulator: "qemu-system-riscv64",
        package: "qemu-system-misc",
        cpu: "rv64",
        console: "ttyS0",
        memory_mib: 256,
    },
];
