//! The channel on monitors without virtio ports: a stream socket to the host (vsock(7)).

use super::error::{GuestError, failed};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, VsockAddr, connect, socket};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// The host's number (VMADDR_CID_HOST of linux/vm_sockets.h).
pub const HOST: u32 = 2;
/// For the device to show up after its driver.
const DEADLINE: Duration = Duration::from_secs(10);

/// Connects to a port of `cid`.
pub fn call(cid: u32, port: u32) -> Result<File, GuestError> {
    let until = Instant::now() + DEADLINE;
    let step = |e: nix::Error| failed("call the host by", "vsock")(std::io::Error::from(e));
    loop {
        let socket = socket(AddressFamily::Vsock, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
        let socket = socket.map_err(step)?;
        match connect(socket.as_raw_fd(), &VsockAddr::new(cid, port)) {
            Ok(()) => return Ok(File::from(socket)),
            Err(e) if Instant::now() > until => return Err(step(e)),
            Err(_) => std::thread::sleep(Duration::from_micros(300)),
        }
    }
}
