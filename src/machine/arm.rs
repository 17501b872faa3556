//! Makes everything that a machine needs before the clock starts, and starts it.

use super::error::{MachineError, io, system};
use super::qemu::Machine;
use super::running::{BOOT_DEADLINE, Ends, RunningMachine};
use super::watch;
use crate::guest::wire::{GuestJob, Message, ToGuest};
use crate::sys::spawn::{CgroupPlace, Spawn};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Descriptors that QEMU inherits, by number.
pub(super) const CHANNEL_FD: i32 = 10;
pub(super) const STAMPS_FD: i32 = 11;
pub(super) const QMP_FD: i32 = 12;
pub(super) const TAP_FD: i32 = 13;
/// Lowest number for the harness's own copies, so that they lie above every number in the child.
const ABOVE: i32 = 64;

/// A machine that only has to be started.
pub struct Armed {
    spawn: Spawn,
    job: Option<Vec<u8>>,
    ours: Ends,
    /// Held until QEMU has its copies.
    theirs: Vec<OwnedFd>,
    dir: PathBuf,
    console: PathBuf,
    boot_deadline: Duration,
}

impl Armed {
    /// Makes sockets and arguments. `job` is sent at once; without one the guest's init waits. `dir` takes the log.
    pub fn new(
        machine: &Machine,
        job: Option<&GuestJob>,
        tap: Option<OwnedFd>,
        cgroup: CgroupPlace,
        dir: &Path,
    ) -> Result<Self, MachineError> {
        let log_path = dir.join("qemu.log");
        let log = std::fs::File::create(&log_path).map_err(io("create", &log_path))?;
        let null = std::fs::File::open("/dev/null").map_err(io("open", Path::new("/dev/null")))?;
        let pair = || UnixStream::pair().map_err(system("make a socket pair"));
        let ((channel, c), (stamps, s), (qmp, q)) = (pair()?, pair()?, pair()?);
        let mut fds: Vec<(OwnedFd, i32)> = vec![
            (null.into(), 0),
            (log.into(), 2),
            (c.into(), CHANNEL_FD),
            (s.into(), STAMPS_FD),
            (q.into(), QMP_FD),
        ];
        fds.extend(tap.map(|tap| (tap, TAP_FD)));
        let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        let mut spawn = Spawn::new(&machine.qemu.program, &machine.arguments(), &environment)?;
        let mut theirs = Vec::new();
        for (fd, number) in fds {
            let high = rustix::io::fcntl_dupfd_cloexec(&fd, ABOVE);
            let high = high.map_err(|e| system("duplicate a descriptor")(e.into()))?;
            spawn = spawn.fd(&high, number);
            if number == 2 {
                spawn = spawn.fd(&high, 1);
            }
            theirs.push(high);
        }
        Ok(Self {
            spawn: spawn.new_session().cgroup(cgroup),
            job: job.map(|job| ToGuest::Job(Box::new(job.clone())).frame()),
            ours: Ends { channel, stamps, qmp },
            theirs,
            dir: dir.to_owned(),
            console: machine.console.clone(),
            boot_deadline: BOOT_DEADLINE,
        })
    }

    /// Another deadline than [`BOOT_DEADLINE`].
    pub fn boot_deadline(mut self, deadline: Duration) -> Self {
        self.boot_deadline = deadline;
        self
    }

    /// Starts QEMU and the threads that watch it.
    pub fn start(self) -> Result<RunningMachine, MachineError> {
        let Self { spawn, job, ours, theirs, dir, console, boot_deadline } = self;
        let clone = |s: &UnixStream| s.try_clone().map_err(system("duplicate a socket"));
        let (stamps, messages) = (clone(&ours.stamps)?, clone(&ours.channel)?);
        ours.channel.set_write_timeout(Some(boot_deadline)).map_err(system("set a deadline"))?;
        let (send, seen) = channel();
        // Nothing may fail from here on until the machine is in the hands of what kills it when dropped.
        let child = Arc::new(spawn.start()?);
        drop(theirs);
        let threads = vec![
            watch::child(&child, send.clone()),
            watch::stamps(stamps, send.clone()),
            watch::messages(messages, send),
        ];
        let machine = RunningMachine::new(child, ours, seen, threads, dir, console, boot_deadline);
        if let Some(job) = job {
            // A machine that is dead already says so by its events, which know more than "broken pipe".
            let _ = (&machine.ours.channel).write_all(&job);
        }
        Ok(machine)
    }
}
