//! Makes everything that a machine needs before the clock starts, and starts it.

use super::error::{MachineError, io, system};
use super::fds::{CHANNEL, CONSOLE, Given, QMP, STAMPS, TAP, high};
use super::pc::Pc;
use super::recipe::Machine;
use super::running::{BOOT_DEADLINE, Ends, RunningMachine};
use super::watch::{self, Console};
use crate::guest::wire::{GuestJob, Message, ToGuest};
use crate::sys::spawn::{CgroupPlace, Spawn};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// QEMU's user: one that owns nothing and that no distribution gives away (above systemd's range for containers).
pub const USER: u32 = 0x7000_0000;

/// What QEMU is started with.
pub(super) struct Command<'a> {
    pub program: &'a Path,
    pub arguments: Vec<String>,
    pub files: Vec<Given<'a>>,
    /// As a user without rights.
    pub isolated: bool,
    pub restored: bool,
    /// For an operating system to turn itself off after its power button was pressed; none has a machine that is ended.
    pub power_button: Option<Duration>,
}

/// A machine that only has to be started.
pub struct Armed {
    spawn: Spawn,
    job: Option<Vec<u8>>,
    ours: Ends,
    /// Held until QEMU has its copies.
    theirs: Vec<OwnedFd>,
    log: PathBuf,
    restored: bool,
    power_button: Option<Duration>,
    boot_deadline: Duration,
}

impl Armed {
    /// Makes sockets and arguments. `job` is sent at once, or after the restore; without one the guest's init waits.
    /// `dir` takes QEMU's log.
    pub fn new(
        machine: &Machine,
        job: Option<&GuestJob>,
        tap: Option<OwnedFd>,
        cgroup: CgroupPlace,
        dir: &Path,
    ) -> Result<Self, MachineError> {
        Self::of(&machine.command(), job, tap, cgroup, dir)
    }

    /// As [`Self::new`], of a classic machine.
    pub fn pc(
        pc: &Pc,
        job: &GuestJob,
        tap: Option<OwnedFd>,
        cgroup: CgroupPlace,
        dir: &Path,
    ) -> Result<Self, MachineError> {
        Self::of(&pc.command(), Some(job), tap, cgroup, dir)
    }

    fn of(
        command: &Command,
        job: Option<&GuestJob>,
        tap: Option<OwnedFd>,
        cgroup: CgroupPlace,
        dir: &Path,
    ) -> Result<Self, MachineError> {
        let log_path = dir.join("qemu.log");
        let log = std::fs::File::create(&log_path).map_err(io("create", &log_path))?;
        let null = std::fs::File::open("/dev/null").map_err(io("open", Path::new("/dev/null")))?;
        let pair = || UnixStream::pair().map_err(system("make a socket pair"));
        let ((channel, c), (stamps, s), (qmp, q), (console, t)) = (pair()?, pair()?, pair()?, pair()?);
        let sockets = [(c, CHANNEL), (s, STAMPS), (q, QMP), (t, CONSOLE)];
        let mut fds = vec![(high(&null)?, 0), (high(&log)?, 1), (high(&log)?, 2)];
        for (socket, number) in sockets {
            fds.push((high(&socket)?, number));
        }
        if let Some(tap) = tap {
            fds.push((high(&tap)?, TAP));
        }
        for file in &command.files {
            fds.push((file.take()?, file.number));
        }
        let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        let mut spawn = Spawn::new(command.program, &command.arguments, &environment)?;
        for (fd, number) in &fds {
            spawn = spawn.fd(fd, *number);
        }
        if command.isolated && nix::unistd::geteuid().is_root() {
            spawn = spawn.ids(USER, USER).groups(&kvm_group());
        }
        Ok(Self {
            spawn: spawn.new_session().cgroup(cgroup),
            job: job.map(|job| ToGuest::Job(Box::new(job.clone())).frame()),
            ours: Ends { channel, stamps, qmp, console },
            theirs: fds.into_iter().map(|(fd, _)| fd).collect(),
            log: log_path,
            restored: command.restored,
            power_button: command.power_button,
            boot_deadline: BOOT_DEADLINE,
        })
    }

    /// Another deadline than [`BOOT_DEADLINE`].
    pub fn boot_deadline(mut self, deadline: Duration) -> Self {
        self.boot_deadline = deadline;
        self
    }

    /// How long the power button is pressed, where there is one.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.power_button = self.power_button.map(|_| deadline);
        self
    }

    /// Starts QEMU and the threads that watch it.
    pub fn start(self) -> Result<RunningMachine, MachineError> {
        let Self { spawn, job, ours, theirs, log, restored, power_button, boot_deadline } = self;
        let clone = |s: &UnixStream| s.try_clone().map_err(system("duplicate a socket"));
        let (stamps, messages, console) =
            (clone(&ours.stamps)?, clone(&ours.channel)?, clone(&ours.console)?);
        let resume = if restored { Some((clone(&ours.qmp)?, clone(&ours.channel)?)) } else { None };
        ours.channel.set_write_timeout(Some(boot_deadline)).map_err(system("set a deadline"))?;
        let (send, seen) = channel();
        let said = Console::default();
        // Nothing may fail from here on until the machine is in the hands of what kills it when dropped.
        let child = Arc::new(spawn.start()?);
        drop(theirs);
        let mut threads = vec![
            watch::child(&child, send.clone()),
            watch::stamps(stamps, send.clone()),
            watch::console(console, said.clone(), send.clone()),
            watch::messages(messages, send.clone()),
        ];
        let mut at_once = job;
        if let Some((qmp, channel)) = resume {
            threads.push(watch::resume(qmp, channel, at_once.take(), send));
        }
        let mut machine = RunningMachine::new(child, ours, seen, threads, log, said, boot_deadline);
        machine.power_button = power_button;
        if let Some(job) = at_once {
            // A machine that is dead already says so by its events, which know more than "broken pipe".
            let _ = (&machine.ours.channel).write_all(&job);
        }
        Ok(machine)
    }
}

/// The group that may open /dev/kvm, if there is one.
pub(super) fn kvm_group() -> Vec<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/dev/kvm").map(|m| m.gid()).ok().filter(|gid| *gid != 0).into_iter().collect()
}
