//! What runtime and init tell each other over a socket pair of packets.

use super::error::{RuntimeError, system};
use super::rootfs::Step;
use super::trace::Span;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What the init tells, once.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// All is mounted; hooks are due, and the word to go is waited for.
    Mounted,
    /// All is done but the exec; the time line so far.
    Ready(Vec<Span>),
    /// A step failed.
    Failed(String),
    /// A hook failed.
    HookFailed(String),
}

/// The init's way to the runtime.
pub enum Line<'a> {
    /// Both run side by side.
    Socket(OwnedFd),
    /// Memory is shared: the runtime stands still and reads the report afterwards. A thread of its own sends over `from`
    /// what the init waits for.
    Shared {
        /// Last word.
        report: &'a Cell<Option<Report>>,
        /// From the thread.
        from: OwnedFd,
    },
}

/// The runtime's end and the init's end.
pub fn pair() -> Result<(OwnedFd, OwnedFd), RuntimeError> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(system("socketpair"))
}

/// From the init to the runtime. A runtime that is gone hears nothing, and that is no error.
pub fn tell(to: &Line, report: Report) {
    match to {
        Line::Socket(to) => {
            let json = serde_json::to_vec(&report).unwrap_or_default();
            let _ = send(to.as_raw_fd(), &json, MsgFlags::MSG_NOSIGNAL);
        }
        Line::Shared { report: last, .. } => last.set(Some(report)),
    }
}

/// From the runtime to the init: go on, with a descriptor for it or none.
pub fn go(to: &OwnedFd, fd: Option<&OwnedFd>) -> Result<(), RuntimeError> {
    // An init that has failed already has closed its end; its report says why, so this is no error.
    match super::send::send(to, b"g", fd.map(AsFd::as_fd)) {
        Ok(()) | Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Ok(()),
        Err(e) => Err(system("tell the init to go")(e)),
    }
}

/// To the init instead of [`go`]: something failed here.
pub fn give_up(to: &OwnedFd) {
    let _ = send(to.as_raw_fd(), b"x", MsgFlags::MSG_NOSIGNAL);
}

/// In the init: waits until what is done beside it, if anything is, has been done.
pub fn settled(from: &Line) -> Result<(), Step> {
    if let Line::Shared { .. } = from { wait(from).map(drop) } else { Ok(()) }
}

/// In the init: whether the runtime has been killed already.
pub fn is_alone(from: &Line) -> bool {
    let (Line::Socket(from) | Line::Shared { from, .. }) = from;
    let mut fds = [PollFd::new(from.as_fd(), PollFlags::empty())];
    let polled = poll(&mut fds, PollTimeout::ZERO);
    polled.is_ok() && fds[0].revents().is_some_and(|r| r.contains(PollFlags::POLLHUP))
}

/// In the init: waits for [`go`]; without it (the runtime is dead, or something failed there) the init ends.
pub fn wait(from: &Line) -> Result<Option<OwnedFd>, Step> {
    let (Line::Socket(from) | Line::Shared { from, .. }) = from;
    let failed = |e: std::io::Error| Step::new("wait for", "the runtime", e);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8; 1];
    let got = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    });
    if got.map_err(|e| failed(e.into()))?.bytes != 1 || byte != *b"g" {
        return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    }))
}

/// In the runtime: reads until the exec closes the init's end, or (behind a gate) until it says that it is ready. When
/// it has mounted all and waits for hooks, these are run by `mounted`.
pub fn heard(
    from: &OwnedFd,
    gated: bool,
    mut mounted: impl FnMut() -> Result<(), RuntimeError>,
) -> Result<Vec<Span>, RuntimeError> {
    let mut spans = None;
    let mut packet = [0u8; 16 << 10];
    loop {
        let n = match recv(from.as_raw_fd(), &mut packet, MsgFlags::empty()) {
            Ok(n) => n,
            // ECONNRESET: it ended with a word of ours unread; what it has said before is still to come.
            Err(nix::Error::EINTR | nix::Error::ECONNRESET) => continue,
            Err(e) => return Err(system("hear the init")(e)),
        };
        if n == 0 {
            return spans.map_or_else(|| judged(None), Ok);
        }
        match serde_json::from_slice(&packet[..n]) {
            Ok(Report::Mounted) => {
                mounted()?;
                go(from, None)?;
            }
            Ok(report) => match judged(Some(report))? {
                ready if gated => return Ok(ready),
                ready => spans = Some(ready),
            },
            Err(e) => return Err(RuntimeError::Init(format!("unreadable report: {e}"))),
        }
    }
}

/// What the last word of an init means: the time line of one that has executed the workload.
pub fn judged(last: Option<Report>) -> Result<Vec<Span>, RuntimeError> {
    match last {
        Some(Report::Ready(spans)) => Ok(spans),
        Some(Report::HookFailed(why)) => Err(RuntimeError::HookInside(why)),
        Some(Report::Failed(why)) => Err(RuntimeError::Init(why)),
        Some(Report::Mounted) | None => Err(RuntimeError::Init("ended before it could say why".into())),
    }
}
