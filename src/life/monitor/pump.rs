//! The monitor's main loop: output to log and client, the client's input to the workload, until the workload ends.

use super::{Body, End, control, finish, stdio};
use crate::guest::wire::{Decoder, Message};
use crate::life::change::Watch;
use crate::life::error::{LifeError, system};
use crate::life::folder::Folder;
use crate::life::health;
use crate::life::link::{ToClient, ToMonitor};
use crate::life::log::{Stream, Writer};
use crate::life::spec::{Spec, TargetKind};
use crate::life::state::{Process, State};
use crate::life::volume;
use crate::sys::{pidfd, process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

/// Output is not read any more while a client has so much to take.
const MOST_PENDING: usize = 1 << 20;
/// Input of a client is not read any more while the workload has so much to take.
const MOST_INPUT: usize = 1 << 16;
const BUFFER: usize = 1 << 16;
/// A line that is not ended is written to the log after so long, milliseconds.
const IDLE_MS: i64 = 200;

struct Client {
    socket: UnixStream,
    decoder: Decoder,
    pending: VecDeque<u8>,
}

struct Pump<'a> {
    folder: &'a Folder,
    spec: &'a Spec,
    body: Body,
    client: Option<Client>,
    input: VecDeque<u8>,
    /// The client has no more input: the pipe is closed once `input` is out.
    input_ended: bool,
    log: Writer,
    listener: Option<UnixListener>,
    hosts: Option<Watch>,
}

/// What is to be done next.
#[derive(Default)]
struct Ready {
    ended: bool,
    out: bool,
    err: bool,
    client: bool,
    to_client: bool,
    to_input: bool,
    order: bool,
    hosts: bool,
    nothing: bool,
}

/// Until the workload has ended and all is settled.
pub fn run(
    folder: &Folder,
    spec: &Spec,
    state: State,
    body: Body,
    client: Option<UnixStream>,
) -> Result<(), LifeError> {
    let log = Writer::open(&folder.file("log"))?;
    let is_machine = spec.target == TargetKind::Microvm;
    let listener = if is_machine { Some(control::listen()?) } else { None };
    let hosts = if is_machine { Some(Watch::new(folder)?) } else { None };
    let mut client =
        client.map(|socket| Client { socket, decoder: Decoder::default(), pending: VecDeque::new() });
    if let Some(client) = &mut client {
        client.socket.set_nonblocking(true).map_err(system("serve a client"))?;
        client.pending.extend(ToClient::Started.frame());
    }
    if let Some(input) = &body.input {
        rustix::io::ioctl_fionbio(input, true).map_err(system("write without waiting"))?;
    }
    let (input, input_ended) = (VecDeque::new(), false);
    let mut pump = Pump { folder, spec, body, client, input, input_ended, log, listener, hosts };
    pump.until_ended()?;
    let code = pump.code()?;
    finish::kill_all(spec)?;
    pump.drain();
    let log = pump.log.flush();
    let remove = spec.remove;
    finish::settle(folder, spec, state, code)?;
    // Before the client is told: when `run --rm` returns, nothing is left.
    let removed = if remove { volume::gone(folder, spec) } else { Ok(()) };
    pump.farewell(code.unwrap_or(-1));
    removed?;
    log.map_err(system("write the log"))
}

impl Pump<'_> {
    fn until_ended(&mut self) -> Result<(), LifeError> {
        loop {
            let ready = self.wait()?;
            if ready.client {
                self.hear();
            }
            if ready.to_input {
                self.feed();
            }
            if ready.out {
                self.take_output(Stream::Out);
            }
            if ready.err {
                self.take_output(Stream::Err);
            }
            if ready.to_client {
                self.send();
            }
            self.rarely(&ready);
            if ready.ended {
                return Ok(());
            }
        }
    }

    fn rarely(&mut self, ready: &Ready) {
        if ready.nothing {
            let _ = self.log.flush();
        }
        if ready.order
            && let (Some(listener), Some(orders)) = (&self.listener, &self.body.machine)
            && let Ok((stream, _)) = listener.accept()
        {
            control::serve(stream, orders.clone());
        }
        if ready.hosts
            && let (Some(watch), Some(orders)) = (&self.hosts, &self.body.machine)
        {
            watch.clear();
            let _ = orders.hosts(self.folder);
        }
        if let (End::Child { pid, .. }, TargetKind::Process) = (&self.body.end, self.spec.target) {
            health::reap_others(*pid);
        }
    }

    /// Waits for the next thing to do.
    fn wait(&self) -> Result<Ready, LifeError> {
        let end = match &self.body.end {
            End::Child { pidfd, .. } | End::Stranger(pidfd) | End::Told(pidfd) => pidfd,
        };
        let mut what: Vec<fn(&mut Ready)> = vec![|r| r.ended = true];
        let mut fds = vec![PollFd::new(end, PollFlags::IN)];
        let room = self.client.as_ref().is_none_or(|c| c.pending.len() < MOST_PENDING);
        if let (Some(out), true) = (&self.body.out, room) {
            fds.push(PollFd::new(out, PollFlags::IN));
            what.push(|r| r.out = true);
        }
        if let (Some(err), true) = (&self.body.err, room) {
            fds.push(PollFd::new(err, PollFlags::IN));
            what.push(|r| r.err = true);
        }
        if let Some(client) = &self.client {
            if self.input.len() < MOST_INPUT {
                fds.push(PollFd::new(&client.socket, PollFlags::IN));
                what.push(|r| r.client = true);
            }
            if !client.pending.is_empty() {
                fds.push(PollFd::new(&client.socket, PollFlags::OUT));
                what.push(|r| r.to_client = true);
            }
        }
        if let (Some(input), false) = (&self.body.input, self.input.is_empty()) {
            fds.push(PollFd::new(input, PollFlags::OUT));
            what.push(|r| r.to_input = true);
        }
        if let Some(listener) = &self.listener {
            fds.push(PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN));
            what.push(|r| r.order = true);
        }
        if let Some(hosts) = &self.hosts {
            fds.push(PollFd::from_borrowed_fd(hosts.as_fd(), PollFlags::IN));
            what.push(|r| r.hosts = true);
        }
        let idle = Timespec { tv_sec: 0, tv_nsec: IDLE_MS * 1_000_000 };
        let idle = self.log.has_kept().then_some(&idle);
        let mut ready = Ready::default();
        match poll(&mut fds, idle) {
            Ok(0) => ready.nothing = true,
            Ok(_) => {
                fds.iter().zip(what).filter(|(f, _)| !f.revents().is_empty()).for_each(|(_, w)| w(&mut ready))
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(system("poll")(e)),
        }
        Ok(ready)
    }

    /// Reads once. False when nothing was there.
    fn take_output(&mut self, stream: Stream) -> bool {
        let from = if stream == Stream::Out { &mut self.body.out } else { &mut self.body.err };
        let Some(fd) = from else { return false };
        let mut buffer = [0u8; BUFFER];
        match rustix::io::read(&*fd, &mut buffer) {
            Ok(n) if n > 0 => {
                let bytes = &buffer[..n];
                // A full disk must not end a container: its log has a gap then.
                let _ = self.log.write(stream, bytes);
                if let Some(client) = &mut self.client {
                    let number = if stream == Stream::Out { 1 } else { 2 };
                    client.pending.extend(ToClient::Output(number, bytes.to_vec()).frame());
                    self.send();
                }
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            // The end: nobody writes any more; on a terminal the kernel says EIO.
            _ => {
                *from = None;
                false
            }
        }
    }

    fn send(&mut self) {
        let Some(client) = &mut self.client else { return };
        while !client.pending.is_empty() {
            let (front, _) = client.pending.as_slices();
            match (&client.socket).write(front) {
                Ok(n) => drop(client.pending.drain(..n)),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return self.lose_client(),
            }
        }
    }

    /// The command in the foreground is gone: the workload goes on without it.
    fn lose_client(&mut self) {
        self.client = None;
        self.input_ended = true;
        self.feed();
    }

    fn hear(&mut self) {
        let Some(client) = &mut self.client else { return };
        let mut buffer = [0u8; BUFFER];
        match (&client.socket).read(&mut buffer) {
            Ok(n) if n > 0 => client.decoder.feed(&buffer[..n]),
            Err(e)
                if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) =>
            {
                return;
            }
            _ => return self.lose_client(),
        }
        let mut said = Vec::new();
        while let Ok(Some(message)) = client.decoder.take::<ToMonitor>() {
            said.push(message);
        }
        for message in said {
            self.obey(message);
        }
    }

    fn obey(&mut self, message: ToMonitor) {
        match message {
            ToMonitor::Input(bytes) if bytes.is_empty() => {
                self.input_ended = true;
                self.feed();
            }
            ToMonitor::Input(bytes) => {
                self.input.extend(bytes);
                self.feed();
            }
            ToMonitor::Size(rows, columns) => match (&self.body.machine, &self.body.out) {
                (Some(orders), _) => drop(orders.size(0, rows, columns)),
                (None, Some(master)) if self.body.terminal => stdio::set_size(master, (rows, columns)),
                _ => {}
            },
            ToMonitor::Signal(n) => self.signal(n),
            ToMonitor::Exec(_) => {}
        }
    }

    fn signal(&self, number: i32) {
        if let Some(orders) = &self.body.machine {
            let _ = orders.signal(number);
        } else if let Ok(signal) = nix::sys::signal::Signal::try_from(number) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.body.process.pid), signal);
        }
    }

    /// Writes what the workload takes of its input.
    fn feed(&mut self) {
        let Some(input) = &self.body.input else {
            self.input.clear();
            return;
        };
        while !self.input.is_empty() {
            let (front, _) = self.input.as_slices();
            match rustix::io::write(input, front) {
                Ok(n) => drop(self.input.drain(..n)),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.input.clear();
                    self.input_ended = true;
                }
            }
        }
        // A terminal has no end of input but the one that is typed.
        if self.input_ended && !self.body.terminal {
            self.body.input = None;
        }
    }

    fn code(&mut self) -> Result<Option<i32>, LifeError> {
        match &self.body.end {
            End::Child { pid, .. } => loop {
                match process::wait_for(*pid) {
                    Ok(Some(code)) => return Ok(Some(code)),
                    Ok(None) => {}
                    Err(e) => return Err(system("wait for the workload")(e)),
                }
            },
            End::Stranger(fd) => Ok(told_by_kernel(self.body.process, fd)),
            End::Told(fd) => {
                let mut bytes = [0u8; 4];
                let whole = rustix::io::read(fd, &mut bytes).is_ok_and(|n| n == 4);
                Ok(whole.then(|| i32::from_le_bytes(bytes)))
            }
        }
    }

    /// Takes in what was written before the end.
    fn drain(&mut self) {
        for stream in [Stream::Out, Stream::Err] {
            while self.take_output(stream) {}
        }
    }

    /// Tells the client, however long it takes to listen.
    fn farewell(&mut self, code: i32) {
        let Some(client) = &mut self.client else { return };
        client.pending.extend(ToClient::Exited(code).frame());
        let _ = client.socket.set_nonblocking(false);
        let _ = (&client.socket).write_all(client.pending.make_contiguous());
    }
}

/// The exit code of a process that somebody else reaps: of the zombie, or, once it is reaped, of the pidfd.
fn told_by_kernel(of: Process, fd: &OwnedFd) -> Option<i32> {
    for _ in 0..100 {
        if let Some(code) =
            pidfd::exit_code(fd.as_fd()).or_else(|| pidfd::zombie_exit_code(of.pid, of.start_time))
        {
            return Some(code);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    None
}
