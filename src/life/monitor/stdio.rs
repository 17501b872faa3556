//! The workload's standard input, output and error.
//!
//! Output goes through named pipes in the container's folder, which the workload holds open for reading as well: so a
//! monitor that dies does not break them, and the next one reads on.

use crate::life::error::{LifeError, io, system};
use crate::life::folder::Folder;
use crate::life::spec::Spec;
use crate::sys::spawn::Spawn;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::os::fd::OwnedFd;

/// Lowest number of descriptors that are given to children, above all numbers in the child.
const ABOVE: i32 = 64;

/// The workload's ends and ours.
pub struct Stdio {
    theirs: [OwnedFd; 3],
    /// Standard output.
    pub out: OwnedFd,
    /// Standard error.
    pub err: OwnedFd,
    /// Standard input, where it is wanted.
    pub input: Option<OwnedFd>,
}

fn high(fd: OwnedFd) -> Result<OwnedFd, LifeError> {
    rustix::io::fcntl_dupfd_cloexec(&fd, ABOVE).map_err(system("duplicate a descriptor"))
}

fn reading_end(folder: &Folder, name: &str) -> Result<OwnedFd, LifeError> {
    let path = folder.file(name);
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    open(&path, flags, Mode::empty()).map_err(|e| io("open", &path)(e.into()))
}

/// Both outputs of a workload that is taken over.
pub fn reopen(folder: &Folder) -> Result<(OwnedFd, OwnedFd), LifeError> {
    Ok((reading_end(folder, "stdout")?, reading_end(folder, "stderr")?))
}

fn named_pipe(folder: &Folder, name: &str, spec: &Spec) -> Result<(OwnedFd, OwnedFd), LifeError> {
    let path = folder.file(name);
    nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|e| io("create", &path)(e.into()))?;
    // /dev/stdout is opened anew by its path: its user may.
    std::os::unix::fs::chown(&path, Some(spec.uid), Some(spec.gid)).map_err(io("give", &path))?;
    let ours = reading_end(folder, name)?;
    let theirs = open(&path, OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty());
    Ok((ours, high(theirs.map_err(|e| io("open", &path)(e.into()))?)?))
}

impl Stdio {
    /// Makes them.
    pub fn new(folder: &Folder, spec: &Spec) -> Result<Self, LifeError> {
        let (out, their_out) = named_pipe(folder, "stdout", spec)?;
        let (err, their_err) = named_pipe(folder, "stderr", spec)?;
        let (their_in, input) = if spec.interactive {
            let (read, write) =
                rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(system("make a pipe"))?;
            (high(read)?, Some(write))
        } else {
            (null()?, None)
        };
        Ok(Self { theirs: [their_in, their_out, their_err], out, err, input })
    }

    /// Makes them the child's.
    pub fn give(&self, spawn: Spawn) -> Spawn {
        spawn.fd(&self.theirs[0], 0).fd(&self.theirs[1], 1).fd(&self.theirs[2], 2)
    }

    /// Ours alone, once the child has its copies.
    pub fn ours(self) -> (OwnedFd, OwnedFd, Option<OwnedFd>) {
        (self.out, self.err, self.input)
    }
}

/// /dev/null, for a child.
pub fn null() -> Result<OwnedFd, LifeError> {
    let path = std::path::Path::new("/dev/null");
    let file = std::fs::File::options().read(true).write(true).open(path).map_err(io("open", path))?;
    high(file.into())
}

/// Tells a terminal its rows and columns.
pub fn set_size(terminal: &OwnedFd, (rows, columns): (u16, u16)) {
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let _ = rustix::termios::tcsetwinsize(terminal, size);
}

/// A pseudo-terminal of the host: master, slave.
pub fn terminal(size: (u16, u16)) -> Result<(OwnedFd, OwnedFd), LifeError> {
    let pair = nix::pty::openpty(None, None).map_err(system("make a terminal"))?;
    set_size(&pair.master, size);
    Ok((high(pair.master)?, high(pair.slave)?))
}
