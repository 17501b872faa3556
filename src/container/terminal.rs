//! The terminal of a container: a pair of the container's own devpts, its master handed to whoever asked for it.

use super::config::ConsoleSize;
use super::open::open_at;
use super::rootfs::{Step, by_fd, open_path};
use nix::mount::{MsFlags, mount};
use rustix::fs::{OFlags, ResolveFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::pty::OpenptFlags;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Of /dev/ptmx and pts/ptmx (Documentation/admin-guide/devices.txt).
const PTMX: u64 = nix::sys::stat::makedev(5, 2);
/// linux/magic.h
const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

/// Both ends.
pub struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
    name: String,
}

fn failed<E: Into<std::io::Error>>(what: &'static str, object: &'static str) -> impl FnOnce(E) -> Step {
    move |e| Step::new(what, object, e.into())
}

impl Terminal {
    /// A new pair of the devpts at /dev/pts beneath `root`, with `size`, owned by `uid`.
    ///
    /// No path of the image is trusted: ptmx has to be the device, on a devpts, and the other end is opened by the
    /// master itself (TIOCGPTPEER), never by name.
    pub fn open(root: &OwnedFd, size: Option<ConsoleSize>, uid: u32) -> Result<Self, Step> {
        let ptmx = "/dev/pts/ptmx of the container";
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let master = open_at(root, "dev/pts/ptmx", flags, resolve).map_err(failed("open", ptmx))?;
        let stat = rustix::fs::fstat(&master).map_err(failed("look at", ptmx))?;
        let magic = rustix::fs::fstatfs(&master).map_err(failed("look at", ptmx))?.f_type;
        if stat.st_rdev != PTMX || magic != DEVPTS_SUPER_MAGIC {
            return Err(failed("use", ptmx)(std::io::Error::other(
                "it is not the terminal device of a devpts",
            )));
        }
        rustix::pty::unlockpt(&master).map_err(failed("unlock", ptmx))?;
        let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave =
            rustix::pty::ioctl_tiocgptpeer(&master, peer).map_err(failed("open the peer of", ptmx))?;
        let name = rustix::pty::ptsname(&master, Vec::new()).map_err(failed("name the peer of", ptmx))?;
        let given = size.map(|size| rustix::termios::Winsize {
            ws_row: size.height,
            ws_col: size.width,
            ws_xpixel: 0,
            ws_ypixel: 0,
        });
        // Else that of the terminal that the runtime is called from, so that the program never sees another one first.
        let ours = || rustix::termios::tcgetwinsize(rustix::stdio::stdin()).ok();
        if let Some(size) = given.or_else(ours) {
            rustix::termios::tcsetwinsize(&slave, size).map_err(failed("set", "process.consoleSize"))?;
        }
        rustix::fs::fchown(&slave, Some(rustix::fs::Uid::from_raw(uid)), None)
            .map_err(failed("give the terminal to", "process.user"))?;
        Ok(Self { master, slave, name: name.to_string_lossy().into_owned() })
    }

    /// Binds the terminal on /dev/console beneath `root`.
    pub fn bind_console(&self, root: &OwnedFd) -> Result<(), Step> {
        let console = Path::new("/dev/console");
        super::rootfs::make_file(root, console)?;
        let target = open_path(root, console)?;
        let bind = MsFlags::MS_BIND;
        mount(Some(by_fd(&self.slave).as_str()), by_fd(&target).as_str(), None::<&str>, bind, None::<&str>)
            .map_err(failed("bind the terminal on", "/dev/console"))
    }

    /// Sends the master to `to` (its name as the text of the message, as engines expect), and makes the other end the
    /// controlling terminal and the standard streams of this process, which leads its session.
    pub fn hand_over(self, to: &OwnedFd) -> Result<(), Step> {
        let fds = [self.master.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        let text = [IoSlice::new(self.name.as_bytes())];
        rustix::net::sendmsg(to, &text, &mut ancillary, SendFlags::NOSIGNAL)
            .map_err(failed("send the terminal to", "--console-socket"))?;
        rustix::process::ioctl_tiocsctty(&self.slave).map_err(failed("take", "the controlling terminal"))?;
        let streams = rustix::stdio::dup2_stdin(&self.slave)
            .and_then(|()| rustix::stdio::dup2_stdout(&self.slave))
            .and_then(|()| rustix::stdio::dup2_stderr(&self.slave));
        streams.map_err(failed("use the terminal for", "the standard streams"))
    }
}

/// Pipes on standard streams are given to the user of the process, so that `/dev/stdout` can be opened by it.
pub fn give_pipes(uid: u32) {
    for stream in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        let Ok(stat) = rustix::fs::fstat(stream) else { continue };
        let pipe = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_fifo();
        if pipe && stat.st_uid != uid {
            // Where this is not allowed, the workload still has its descriptors.
            let _ = rustix::fs::fchown(stream, Some(rustix::fs::Uid::from_raw(uid)), None);
        }
    }
}
