//! Standard input, output and error of a program in the guest: pipes, or a terminal of its own.

use super::error::{GuestError, failed};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::os::fd::OwnedFd;

/// Both sides' ends.
pub(super) struct Stdio {
    /// The program's descriptors 0, 1 and 2.
    pub theirs: [OwnedFd; 3],
    /// The number of an output, and where it is read; without waiting.
    pub outputs: Vec<(u8, File)>,
    /// Where its input is written, without waiting.
    pub input: Option<File>,
    /// The terminal.
    pub terminal: Option<Terminal>,
}

/// A terminal's two sides. The program's is held as well: a program that closes its own for a while is no end of it.
pub(super) struct Terminal {
    master: File,
    _slave: OwnedFd,
}

impl Terminal {
    /// Tells it its size.
    pub(super) fn set_size(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let _ = tcsetwinsize(&self.master, size);
    }
}

fn copy(fd: &OwnedFd) -> Result<OwnedFd, GuestError> {
    fd.try_clone().map_err(failed("duplicate", "a descriptor"))
}

/// A new one of this size, the user's own.
pub(super) fn terminal((rows, columns): (u16, u16), uid: u32) -> Result<Stdio, GuestError> {
    let pair = nix::pty::openpty(None, None).map_err(failed("make", "a terminal"))?;
    for fd in [&pair.master, &pair.slave] {
        fcntl(fd, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).map_err(failed("make", "a terminal"))?;
    }
    // As runc does: a user who may not open /dev/stdout anew could not write to it.
    rustix::fs::fchown(&pair.slave, Some(rustix::fs::Uid::from_raw(uid)), None)
        .map_err(failed("give away", "a terminal"))?;
    fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))
        .map_err(failed("make", "a terminal"))?;
    let theirs = [copy(&pair.slave)?, copy(&pair.slave)?, copy(&pair.slave)?];
    let outputs = vec![(1, File::from(copy(&pair.master)?))];
    let input = Some(File::from(copy(&pair.master)?));
    let terminal = Terminal { master: File::from(pair.master), _slave: pair.slave };
    terminal.set_size(rows, columns);
    Ok(Stdio { theirs, outputs, input, terminal: Some(terminal) })
}

/// Three pipes, or two where it has no input.
pub(super) fn pipes(stdin: bool) -> Result<Stdio, GuestError> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(failed("make", "a pipe"));
    let unwaiting = |fd: OwnedFd| {
        let _ = rustix::io::ioctl_fionbio(&fd, true);
        File::from(fd)
    };
    let (their_in, input): (OwnedFd, Option<File>) = if stdin {
        let (read, write) = pipe()?;
        (read, Some(unwaiting(write)))
    } else {
        (File::open("/dev/null").map_err(failed("open", "/dev/null"))?.into(), None)
    };
    let ((out_read, out_write), (err_read, err_write)) = (pipe()?, pipe()?);
    let outputs = vec![(1, unwaiting(out_read)), (2, unwaiting(err_read))];
    Ok(Stdio { theirs: [their_in, out_write, err_write], outputs, input, terminal: None })
}
