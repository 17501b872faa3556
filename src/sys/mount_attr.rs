//! mount_setattr(2), which no crate wraps.

use std::os::fd::{AsRawFd, BorrowedFd};

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MountAttr {
    /// `MOUNT_ATTR_*` to be set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to be cleared.
    pub clear: u64,
    /// `MS_SHARED` and its kin; 0: none.
    pub propagation: u64,
    /// For `MOUNT_ATTR_IDMAP`.
    pub userns_fd: u64,
}

/// linux/mount.h
pub const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

/// Changes the mount that `mount` is open on, and with `recursive` all below it.
pub fn mount_setattr(mount: BorrowedFd, recursive: bool, attr: &MountAttr) -> std::io::Result<()> {
    const AT_RECURSIVE: libc::c_int = 0x8000;
    let flags = libc::AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: an empty path and a structure that live through the call, with the structure's size.
    let r = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
