//! Starts a monitor, has it boot the guest, and waits for the guest's init to call.

use super::http::Client;
use super::requests::{Guest, requests};
use super::{Kind, VSOCK_PORT};
use crate::guest::wire::{GuestJob, Message, ToGuest};
use crate::machine::arm::kvm_group;
use crate::machine::error::{MachineError, io, system};
use crate::machine::fds::{Given, INITRD, KERNEL, ROOT, SCRATCH, high};
use crate::machine::running::{Ends, RunningMachine};
use crate::machine::watch::{self, Console, Seen};
use crate::machine::{Machine, USER};
use crate::sys::clock::monotonic_ns;
use crate::sys::spawn::{CgroupPlace, Spawn};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// For the monitor's API to answer after its start.
const API: Duration = Duration::from_secs(5);
/// Between two looks for something that another program makes.
const LOOK_AGAIN: Duration = Duration::from_micros(100);

/// A monitor that only has to be started.
pub struct Armed {
    kind: Kind,
    spawn: Spawn,
    guest: Guest,
    job: Vec<u8>,
    api: PathBuf,
    calls: UnixListener,
    ours: Ends,
    /// Held until the monitor has its copies.
    theirs: Vec<OwnedFd>,
    log: PathBuf,
    boot_deadline: Duration,
}

impl Armed {
    /// Makes sockets and arguments in `dir`, where a folder is given to the monitor's user. `machine` says what is booted;
    /// `tap` is the name of a device that lasts without a descriptor.
    pub fn new(
        kind: Kind,
        program: &Path,
        machine: &Machine,
        job: &GuestJob,
        tap: Option<&str>,
        cgroup: CgroupPlace,
        dir: &Path,
    ) -> Result<Self, MachineError> {
        let own = dir.join("monitor");
        std::fs::create_dir(&own).map_err(io("create", &own))?;
        let as_root = nix::unistd::geteuid().is_root();
        let give = |path: &Path| {
            if as_root {
                std::os::unix::fs::chown(path, Some(USER), Some(USER)).map_err(io("give away", path))
            } else {
                Ok(())
            }
        };
        give(&own)?;
        let (api, vsock) = (own.join("api.sock"), own.join("vsock"));
        let port = own.join(format!("vsock_{VSOCK_PORT}"));
        let calls = UnixListener::bind(&port).map_err(io("listen on", &port))?;
        std::fs::set_permissions(&port, std::fs::Permissions::from_mode(0o600))
            .map_err(io("set the mode of", &port))?;
        give(&port)?;
        let log_path = dir.join("qemu.log");
        let log = std::fs::File::create(&log_path).map_err(io("create", &log_path))?;
        let null = std::fs::File::open("/dev/null").map_err(io("open", Path::new("/dev/null")))?;
        let mut fds = vec![(high(&null)?, 0), (high(&log)?, 1), (high(&log)?, 2)];
        for file in files(machine) {
            fds.push((file.take()?, file.number));
        }
        let argv = [kind.name().to_owned(), kind.api_option().to_owned(), api.display().to_string()];
        let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        let mut spawn = Spawn::new(program, &argv, &environment)?;
        for (fd, number) in &fds {
            spawn = spawn.fd(fd, *number);
        }
        if machine.isolated && as_root {
            spawn = spawn.ids(USER, USER).groups(&kvm_group());
        }
        let pair = || UnixStream::pair().map(|p| p.0).map_err(system("make a socket pair"));
        Ok(Self {
            kind,
            spawn: spawn.new_session().cgroup(cgroup),
            guest: guest(machine, tap, &vsock),
            job: ToGuest::Job(Box::new(job.clone())).frame(),
            api,
            calls,
            // Only the channel is used, once the guest has called; the ends of the others are closed.
            ours: Ends { channel: pair()?, stamps: pair()?, qmp: pair()?, console: pair()? },
            theirs: fds.into_iter().map(|(fd, _)| fd).collect(),
            log: log_path,
            boot_deadline: crate::machine::running::BOOT_DEADLINE,
        })
    }

    /// Another deadline for the guest's init to call.
    pub fn boot_deadline(mut self, deadline: Duration) -> Self {
        self.boot_deadline = deadline;
        self
    }

    /// Starts it, boots the guest and gives its init the job. Returns once the init has called, so that whatever fails
    /// before that is told by its own step.
    pub fn start(self) -> Result<RunningMachine, MachineError> {
        let Self { kind, spawn, guest, job, api, calls, ours, theirs, log, boot_deadline } = self;
        let (send, seen) = channel();
        let child = Arc::new(spawn.start()?);
        drop(theirs);
        // It has no console: the guest's kernel is told to be quiet.
        let _ = send.send((monotonic_ns(), Seen::ConsoleEnd));
        let threads = vec![watch::child(&child, send.clone())];
        let said = Console::default();
        let mut machine = RunningMachine::new(child, ours, seen, threads, log, said, boot_deadline);
        machine.by_signal(kind.name());
        // From here on dropping `machine` ends it.
        let mut client = Client::new(connect(&machine, &api)?)?;
        for request in requests(kind, &guest) {
            client.send(&request).map_err(|e| machine.blamed(e))?;
        }
        let channel = called(&machine, &calls, boot_deadline)?;
        greet(&mut machine, channel, &job, send)?;
        Ok(machine)
    }
}

fn files(machine: &Machine) -> Vec<Given<'_>> {
    let mut files =
        vec![Given::read(KERNEL, &machine.kernel.vmlinux), Given::read(INITRD, &machine.initramfs)];
    files.extend(machine.root.iter().map(|path| Given::read(ROOT, path)));
    files.extend(machine.scratch.iter().map(|path| Given::write(SCRATCH, path)));
    files
}

fn guest(machine: &Machine, tap: Option<&str>, vsock: &Path) -> Guest {
    let of = |number: i32| format!("/proc/self/fd/{number}");
    Guest {
        cpus: machine.cpus,
        memory_bytes: machine.memory_bytes,
        kernel: of(KERNEL),
        initramfs: of(INITRD),
        root: of(ROOT),
        scratch: machine.scratch.as_ref().map(|_| of(SCRATCH)),
        network: tap.zip(machine.network).map(|(tap, mac)| (tap.to_owned(), mac)),
        vsock: vsock.display().to_string(),
        initialises: machine.initialises,
        distribution: machine.kernel.origin != crate::machine::kernel::Origin::Own,
    }
}

/// Asks again and again for something that is there in a moment, as long as the monitor lives.
fn soon<T>(
    machine: &RunningMachine,
    within: Duration,
    late: &str,
    mut ask: impl FnMut() -> std::io::Result<T>,
) -> Result<T, MachineError> {
    let until = monotonic_ns() + within.as_nanos() as u64;
    loop {
        if let Ok(found) = ask() {
            return Ok(found);
        }
        if let Some(why) = machine.ended() {
            return Err(MachineError::Broke { why });
        }
        if monotonic_ns() > until {
            let why = machine.explain(&format!("{late} within {} s", within.as_secs_f64()));
            return Err(MachineError::Broke { why });
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn connect(machine: &RunningMachine, api: &Path) -> Result<UnixStream, MachineError> {
    soon(machine, API, "its API did not come up", || UnixStream::connect(api))
}

fn called(
    machine: &RunningMachine,
    calls: &UnixListener,
    within: Duration,
) -> Result<UnixStream, MachineError> {
    calls.set_nonblocking(true).map_err(system("set a socket's mode"))?;
    let (channel, _) = soon(machine, within, "the guest's init did not call", || calls.accept())?;
    channel.set_nonblocking(false).map_err(system("set a socket's mode"))?;
    channel.set_write_timeout(Some(within)).map_err(system("set a deadline"))?;
    Ok(channel)
}

fn greet(
    machine: &mut RunningMachine,
    channel: UnixStream,
    job: &[u8],
    send: Sender<(u64, Seen)>,
) -> Result<(), MachineError> {
    use std::io::Write;
    let messages = channel.try_clone().map_err(system("duplicate a socket"))?;
    machine.connected(channel, watch::messages(messages, send));
    // A machine that is dead already says so by its events.
    let _ = (&machine.ours.channel).write_all(job);
    Ok(())
}
