//! Orders to the monitor of a machine, by its socket `ctl`; and descriptors that come over a socket.

use super::machine::Orders;
use crate::guest::wire::{Decoder, Message};
use crate::life::error::{LifeError, io, system};
use crate::life::folder::Folder;
use crate::life::link::{ToClient, ToMonitor};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use rustix::fs::{Mode, OFlags};
use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Listens in the monitor's working folder, which is the container's.
pub fn listen() -> Result<UnixListener, LifeError> {
    let _ = std::fs::remove_file("ctl");
    let listener = UnixListener::bind("ctl").map_err(io("listen on", Path::new("ctl")))?;
    listener.set_nonblocking(true).map_err(system("listen for orders"))?;
    Ok(listener)
}

/// Connects to the monitor of `folder`. By the folder's descriptor: a socket's path is limited to 107 bytes.
pub fn connect(folder: &Folder) -> Result<UnixStream, LifeError> {
    let dir = rustix::fs::open(folder.path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let dir = dir.map_err(|e| io("open", folder.path())(e.into()))?;
    let path = format!("/proc/self/fd/{}/ctl", dir.as_raw_fd());
    UnixStream::connect(path).map_err(io("connect to the monitor in", folder.path()))
}

/// Serves one connection on a thread of its own.
pub fn serve(stream: UnixStream, orders: Orders) {
    std::thread::spawn(move || {
        let _ = stream.set_nonblocking(false);
        let mut id = None;
        let _ = orders_of(&stream, &orders, &mut id);
        if let Some(id) = id {
            orders.forget(id);
        }
    });
}

fn orders_of(stream: &UnixStream, orders: &Orders, id: &mut Option<u32>) -> Result<(), LifeError> {
    let mut decoder = Decoder::default();
    let mut buffer = [0u8; 1 << 15];
    loop {
        let n = (&*stream).read(&mut buffer).map_err(system("read an order"))?;
        if n == 0 {
            return Ok(());
        }
        decoder.feed(&buffer[..n]);
        let wrong = |e| system("understand an order")(std::io::Error::other(e));
        while let Some(order) = decoder.take().map_err(wrong)? {
            match (order, *id) {
                (ToMonitor::Exec(command), None) => {
                    let copy = stream.try_clone().map_err(system("duplicate a socket"))?;
                    *id = Some(orders.exec(*command, copy)?);
                    let _ = (&*stream).write_all(&ToClient::Started.frame());
                }
                (ToMonitor::Input(bytes), Some(id)) => orders.input(id, bytes)?,
                (ToMonitor::Size(rows, columns), Some(id)) => orders.size(id, rows, columns)?,
                (ToMonitor::Signal(n), Some(id)) => orders.signal_exec(id, n)?,
                (ToMonitor::Signal(n), None) => orders.signal(n)?,
                _ => {}
            }
        }
    }
}

/// A descriptor that comes over a socket (SCM_RIGHTS).
pub fn receive_fd(socket: &UnixStream) -> Result<OwnedFd, LifeError> {
    let mut bytes = [0u8; 4096];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let got = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags);
    let got = got.map_err(system("receive a terminal"))?;
    let messages = got.cmsgs().map_err(system("receive a terminal"))?;
    for message in messages {
        if let ControlMessageOwned::ScmRights(fds) = message
            && let Some(fd) = fds.first()
        {
            return crate::sys::process::inherited(*fd).map_err(system("receive a terminal"));
        }
    }
    Err(system("receive a terminal")(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)))
}
