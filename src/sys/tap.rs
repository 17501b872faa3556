//! Tap devices (Documentation/networking/tuntap.rst).

use std::os::fd::{AsRawFd, OwnedFd};

/// TUNSETIFF of linux/if_tun.h: `_IOW('T', 202, int)`.
const TUNSETIFF: u64 = 0x4004_54ca;
/// `_IOW('T', 203, int)`.
const TUNSETPERSIST: u64 = 0x4004_54cb;
/// `_IOW('T', 204, int)`.
const TUNSETOWNER: u64 = 0x4004_54cc;
const IFF_TAP: i16 = 0x0002;
const IFF_NO_PI: i16 = 0x1000;
const IFF_VNET_HDR: i16 = 0x4000;

#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// Makes tap device `name` in this thread's network namespace. It goes when the descriptor is closed.
pub fn create(name: &str) -> std::io::Result<OwnedFd> {
    let file = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    let mut request =
        InterfaceRequest { name: [0; 16], flags: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, rest: [0; 22] };
    if name.len() > 15 {
        return Err(std::io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: the request has the size and layout of struct ifreq (40 bytes) and outlives the call.
    let r = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(file.into()) }
}

/// Makes a tap device stay when its descriptor is closed, until it is deleted or its network namespace goes; `user` may
/// open it by its name.
pub fn make_last(tap: &OwnedFd, user: u32) -> std::io::Result<()> {
    for (request, value) in [(TUNSETOWNER, u64::from(user)), (TUNSETPERSIST, 1)] {
        // SAFETY: both requests take their number by value, and touch no memory of ours.
        let r = unsafe { libc::ioctl(tap.as_raw_fd(), request, value) };
        if r < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}
