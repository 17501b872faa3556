//! The terminal of a container in the foreground: bytes between its master and our own standard streams.

use super::error::{RuntimeError, system};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Takes the master that the init sends.
pub fn receive(from: &OwnedFd) -> Result<OwnedFd, RuntimeError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0u8; 256];
    rustix::net::recvmsg(from, &mut [IoSliceMut::new(&mut text)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .map_err(system("receive the terminal"))?;
    let sent = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    sent.ok_or_else(|| system("receive the terminal")(std::io::Error::other("none was sent")))
}

/// Our own terminal in raw mode; as it was again when dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn new() -> Self {
        let before = tcgetattr(rustix::stdio::stdin()).ok();
        if let Some(mut raw) = before.clone() {
            raw.make_raw();
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw);
        }
        Self(before)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

fn follow_size(master: &OwnedFd) {
    if let Ok(size) = tcgetwinsize(rustix::stdio::stdin()) {
        let _ = tcsetwinsize(master, size);
    }
}

/// Copies until the other end is closed by all (a read of the master then fails with EIO), or `pid` has ended and
/// nothing more comes.
pub fn copy(master: OwnedFd, pid: i32) -> Result<(), RuntimeError> {
    let failed = system::<std::io::Error>;
    let raw = Raw::new();
    follow_size(&master);
    let mut sizes = SigSet::empty();
    sizes.add(Signal::SIGWINCH);
    sizes.thread_block().map_err(system("block SIGWINCH"))?;
    let resized = SignalFd::with_flags(&sizes, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(system("signalfd"))?;
    let known = rustix::process::Pid::from_raw(pid);
    let ended = known
        .map(|p| rustix::process::pidfd_open(p, rustix::process::PidfdFlags::empty()))
        .transpose()
        .map_err(system("pidfd_open"))?;
    let mut input_open = true;
    loop {
        let mut fds = vec![
            PollFd::new(master.as_fd(), PollFlags::POLLIN),
            PollFd::new(resized.as_fd(), PollFlags::POLLIN),
        ];
        let end = ended.as_ref().map(|e| PollFd::new(e.as_fd(), PollFlags::POLLIN));
        fds.extend(end);
        if input_open {
            fds.push(PollFd::new(rustix::stdio::stdin(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::Error::EINTR) => continue,
            Err(e) => return Err(failed("wait for the terminal")(e.into())),
            Ok(_) => {}
        }
        let ready = |i: usize| fds.get(i).and_then(PollFd::revents).is_some_and(|r| !r.is_empty());
        let (output, size, gone, input) = (ready(0), ready(1), ready(2), input_open && ready(fds.len() - 1));
        if size {
            while matches!(resized.read_signal(), Ok(Some(_))) {}
            follow_size(&master);
        }
        if output && !pass(master.as_fd(), rustix::stdio::stdout()) {
            break;
        }
        if input && !pass(rustix::stdio::stdin(), master.as_fd()) {
            // End of our input is end of file for a line-wise reader at the other end (VEOF, Ctrl-D).
            let _ = rustix::io::write(&master, &[4]);
            input_open = false;
        }
        if gone && !output {
            break;
        }
    }
    drop(raw);
    Ok(())
}

/// One read and its writes. False: there is no more.
fn pass(from: BorrowedFd, to: BorrowedFd) -> bool {
    let mut buffer = [0u8; 8192];
    let n = match rustix::io::read(from, &mut buffer) {
        Ok(0) => return false,
        Ok(n) => n,
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return true,
        Err(_) => return false,
    };
    let mut rest = &buffer[..n];
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(n) => rest = &rest[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}
