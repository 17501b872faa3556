//! Files of /proc/PID/ns (ioctl_ns(2)).

use std::os::fd::{AsRawFd, BorrowedFd};

/// Type of the namespace that a descriptor stands for, as `CLONE_NEW*` (NS_GET_NSTYPE). Any other file is an error.
pub fn namespace_type(file: BorrowedFd) -> std::io::Result<u32> {
    // _IO(NSIO, 3) of linux/nsfs.h
    const NS_GET_NSTYPE: u64 = 0xb703;
    // SAFETY: this request takes no argument; a file that does not know it answers ENOTTY.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE as _) };
    u32::try_from(kind).map_err(|_| std::io::Error::last_os_error())
}
