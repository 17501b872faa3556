//! The loopback link of the calling thread's network namespace.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Sets it up (netdevice(7), SIOCSIFFLAGS). Not by rtnetlink, as all other links: for this one request a guest would run
/// through some five hundred pieces of code for the first time, and an emulated one has each translated.
pub fn set_up() -> std::io::Result<()> {
    // SAFETY: plain call; the descriptor is fresh, and nothing else owns it.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: of a structure of integers and byte arrays, in which zeros mean nothing.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the request outlives the call, which reads it and no more.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if done < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
