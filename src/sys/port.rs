//! Stamps of the guest's start: one byte each to the debug port of QEMU (isa-debugcon), which the host reads from a
//! socket and stamps with its own clock. It needs no driver, so it works from the first instruction on.

/// Port of isa-debugcon.
pub const PORT: u16 = 0xe9;
/// The kernel's first instruction: the phase `qemu` ends.
pub const QEMU: u8 = b'q';
/// A boot loader's first command: the phase `firmware` ends.
pub const FIRMWARE: u8 = b'f';
/// The boot loader has the kernel and its initramfs in memory.
pub const LOADER: u8 = b'l';
/// The first instruction of our part in an operating system that has come up.
pub const SYSTEM: u8 = b'u';
/// The guest init's first instruction: the phase `kernel` ends.
pub const KERNEL: u8 = b'k';
/// Drivers are loaded and the job is there.
pub const DRIVERS: u8 = b'd';
/// The image's root is `/`.
pub const ROOT: u8 = b'r';
/// All is set up; the workload is started next.
pub const INIT: u8 = b'i';

/// A restored machine runs: not from the port, but as QEMU tells it.
pub const RESUMED: u8 = b's';

/// Writes one stamp. Does nothing where the port cannot be had.
#[cfg(target_arch = "x86_64")]
pub fn stamp(byte: u8) {
    // SAFETY: ioperm touches no memory; `out` to a port that it allowed has no effect on this process.
    unsafe {
        if libc::ioperm(libc::c_ulong::from(PORT), 1, 1) == 0 {
            std::arch::asm!("out dx, al", in("dx") PORT, in("al") byte, options(nomem, nostack, preserves_flags));
        }
    }
}
