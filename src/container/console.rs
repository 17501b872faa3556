//! Where the master of a container's terminal goes: to an engine's socket, or to us.

use super::error::{RuntimeError, io};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, socketpair};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Sockets for one terminal.
#[derive(Debug)]
pub struct Console {
    /// The init sends the master here.
    pub to: OwnedFd,
    /// And it comes out here, where it is ours; None: at the engine.
    pub ours: Option<OwnedFd>,
}

/// Whether a terminal is wanted has to fit to whether there is somebody to take it. None: no terminal.
pub fn open(
    terminal: bool,
    socket: Option<&Path>,
    foreground: bool,
) -> Result<Option<Console>, RuntimeError> {
    match (terminal, socket) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(RuntimeError::Console("--console-socket needs a process with a terminal")),
        (true, Some(path)) => {
            Ok(Some(Console { to: connected(path).map_err(io("connect to", path))?, ours: None }))
        }
        (true, None) if foreground => {
            let failed = |e: rustix::io::Errno| RuntimeError::System { step: "socketpair", source: e.into() };
            let (ours, to) =
                socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                    .map_err(failed)?;
            Ok(Some(Console { to, ours: Some(ours) }))
        }
        (true, None) => Err(RuntimeError::Console("a process with a terminal needs --console-socket")),
    }
}

fn connected(path: &Path) -> std::io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}
