//! A machine from its start to being gone.

mod ending;

use super::error::{MachineError, system};
use super::event::{ExecEvent, MachineEvent};
use super::said::{ending, tail};
use super::watch::{Console, Seen};
use crate::guest::wire::{GuestMemory, Message, ToGuest, ToHost, spoken};
use crate::sys::clock::monotonic_ns;
use crate::sys::port;
use crate::sys::spawn::Child;
use std::collections::VecDeque;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// For the guest's init to speak, after the spawn.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(30);
/// For an answer of a guest that runs.
const ANSWER: Duration = Duration::from_secs(5);
/// For the last words of a QEMU that has ended; longer than that, somebody else holds its descriptors.
const LINGER_NS: u64 = 1_000_000_000;

/// What came of waiting.
enum Step {
    Event(u64, MachineEvent),
    /// Something that only changes the state.
    Answer,
    Nothing,
}

/// The harness's ends of the sockets to QEMU.
pub(super) struct Ends {
    pub channel: UnixStream,
    pub stamps: UnixStream,
    pub qmp: UnixStream,
    pub console: UnixStream,
}

#[derive(Default)]
struct State {
    hello: bool,
    exited: bool,
    /// A guest that is told to hold has done all that comes before the workload's start.
    held: bool,
    channel_ended: bool,
    console_ended: bool,
    qemu_ended: Option<i32>,
    /// When that was seen.
    ended_ns: u64,
    closed: bool,
    memory: Option<GuestMemory>,
    echo: Option<u64>,
}

/// A started machine. Dropping it kills QEMU and waits until it is reaped.
pub struct RunningMachine {
    /// CLOCK_MONOTONIC right before QEMU's clone3.
    pub t0_ns: u64,
    /// When that returned.
    pub spawned_ns: u64,
    child: Arc<Child>,
    pub(super) ours: Ends,
    seen: Receiver<(u64, Seen)>,
    /// Events that came while something else was waited for.
    kept: VecDeque<(u64, MachineEvent)>,
    state: State,
    threads: Vec<std::thread::JoinHandle<()>>,
    log: PathBuf,
    console: Console,
    boot_deadline: Duration,
    /// See [`super::arm::Command::power_button`].
    pub(super) power_button: Option<Duration>,
    /// For errors.
    program: &'static str,
    /// It has no monitor that could be told to quit, and its RAM has no name.
    by_signal: bool,
}

impl RunningMachine {
    pub(super) fn new(
        child: Arc<Child>,
        ours: Ends,
        seen: Receiver<(u64, Seen)>,
        threads: Vec<std::thread::JoinHandle<()>>,
        log: PathBuf,
        console: Console,
        boot_deadline: Duration,
    ) -> Self {
        let (t0_ns, spawned_ns) = (child.t0_ns, child.spawned_ns);
        let (kept, state) = (VecDeque::new(), State::default());
        let power_button = None;
        Self {
            t0_ns,
            spawned_ns,
            child,
            ours,
            seen,
            kept,
            state,
            threads,
            log,
            console,
            boot_deadline,
            power_button,
            program: "QEMU",
            by_signal: false,
        }
    }

    /// Of another program than QEMU, which is ended by SIGTERM.
    pub(super) fn by_signal(&mut self, program: &'static str) {
        (self.program, self.by_signal) = (program, true);
    }

    /// The guest's init has called: this is its channel, and the thread that reads it.
    pub(super) fn connected(&mut self, channel: UnixStream, reader: std::thread::JoinHandle<()>) {
        self.ours.channel = channel;
        self.threads.push(reader);
    }

    /// Whether the guest's RAM can be told from the rest of the program's memory.
    pub fn knows_its_ram(&self) -> bool {
        !self.by_signal
    }

    /// QEMU's process.
    pub fn pid(&self) -> i32 {
        self.child.pid
    }

    /// A second handle for [`ToGuest`] frames, for who does not wait for events. Whoever has it must write whole frames,
    /// one at a time, and ask nothing that is answered by figures.
    pub fn orders(&self) -> Result<UnixStream, MachineError> {
        self.ours.channel.try_clone().map_err(system("duplicate a socket"))
    }

    /// Next event with the host's stamp; `None` after `timeout`.
    pub fn next(&mut self, timeout: Duration) -> Option<(u64, MachineEvent)> {
        if let Some(event) = self.kept.pop_front() {
            return Some(event);
        }
        self.receive(timeout)
    }

    /// As [`Self::next`], past what was kept.
    fn receive(&mut self, timeout: Duration) -> Option<(u64, MachineEvent)> {
        let until = monotonic_ns() + timeout.as_nanos() as u64;
        loop {
            match self.step(Duration::from_nanos(until.saturating_sub(monotonic_ns()))) {
                Step::Event(at_ns, event) => return Some((at_ns, event)),
                Step::Answer => {}
                Step::Nothing => return None,
            }
        }
    }

    fn step(&mut self, timeout: Duration) -> Step {
        if let Some(closed) = self.closed() {
            return Step::Event(monotonic_ns(), closed);
        }
        match self.seen.recv_timeout(timeout) {
            Ok((at_ns, seen)) => self.take(seen).map_or(Step::Answer, |event| Step::Event(at_ns, event)),
            Err(RecvTimeoutError::Timeout) => Step::Nothing,
            Err(RecvTimeoutError::Disconnected) => {
                // Whoever asks again and again must not spin.
                std::thread::sleep(timeout.min(Duration::from_millis(1)));
                Step::Nothing
            }
        }
    }

    fn take(&mut self, seen: Seen) -> Option<MachineEvent> {
        match seen {
            Seen::Stamp(byte) => return Some(MachineEvent::Stamp(byte)),
            Seen::Message(ToHost::Hello(version)) => {
                self.state.hello = true;
                if let Err(e) = spoken(version) {
                    self.state.closed = true;
                    return Some(MachineEvent::Closed(e.to_string()));
                }
            }
            Seen::Message(ToHost::Output(fd, bytes)) => return Some(MachineEvent::Output(fd, bytes)),
            Seen::Message(ToHost::Exited(code)) => {
                self.state.exited = true;
                return Some(MachineEvent::Exited(code));
            }
            Seen::Message(ToHost::Failed(why)) => {
                self.state.closed = true;
                return Some(MachineEvent::Closed(why));
            }
            Seen::Message(ToHost::Memory(m)) => self.state.memory = Some(m),
            Seen::Message(ToHost::Echo(n)) => self.state.echo = Some(n),
            Seen::Message(ToHost::ExecOutput(id, fd, bytes)) => {
                return Some(MachineEvent::Exec(id, ExecEvent::Output(fd, bytes)));
            }
            Seen::Message(ToHost::ExecEnded(id, code)) => {
                return Some(MachineEvent::Exec(id, ExecEvent::Ended(code)));
            }
            Seen::Message(ToHost::ExecFailed(id, why)) => {
                return Some(MachineEvent::Exec(id, ExecEvent::Failed(why)));
            }
            Seen::Message(ToHost::Taken(id, n)) => return Some(MachineEvent::Exec(id, ExecEvent::Taken(n))),
            Seen::BadChannel(why) => {
                self.state.closed = true;
                return Some(MachineEvent::Closed(why));
            }
            Seen::Message(ToHost::Held) => self.state.held = true,
            Seen::Resumed => {
                self.state.hello = true;
                return Some(MachineEvent::Stamp(port::RESUMED));
            }
            Seen::ConsoleEnd => self.state.console_ended = true,
            Seen::ChannelEnd => self.state.channel_ended = true,
            Seen::QemuEnd(code) => {
                self.state.ended_ns = monotonic_ns();
                self.state.qemu_ended = Some(code);
            }
        }
        None
    }

    /// The last event, once all others are out: QEMU has ended, or the guest has not spoken in time.
    fn closed(&mut self) -> Option<MachineEvent> {
        let s = &self.state;
        if s.closed {
            return None;
        }
        let silent = !s.hello && monotonic_ns() > self.t0_ns + self.boot_deadline.as_nanos() as u64;
        let why = match s.qemu_ended {
            Some(_) if (!s.channel_ended || !s.console_ended) && monotonic_ns() < s.ended_ns + LINGER_NS => {
                return None;
            }
            Some(_) if s.exited => String::new(),
            Some(code) => self.explain(&format!("{} {} before the workload did", self.program, ending(code))),
            None if silent => {
                let seconds = self.boot_deadline.as_secs_f64();
                self.explain(&format!("the guest's init did not speak within {seconds} s"))
            }
            None => return None,
        };
        self.state.closed = true;
        Some(MachineEvent::Closed(why))
    }

    /// Adds what QEMU and the guest's console said last.
    pub(super) fn explain(&self, what: &str) -> String {
        let mut text = what.to_owned();
        let log = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned();
        for (name, said) in [(self.program, tail(&log)), ("console", tail(&self.console.text()))] {
            if !said.is_empty() {
                text += &format!("; {name}: {said}");
            }
        }
        text
    }

    fn tell(&mut self, message: &ToGuest) -> Result<(), MachineError> {
        (&self.ours.channel).write_all(&message.frame()).map_err(system("write to the guest's channel"))
    }

    /// Keeps events until `answered` gives something.
    fn until<T>(&mut self, deadline: Duration, answered: impl Fn(&mut State) -> Option<T>) -> Option<T> {
        let until = monotonic_ns() + deadline.as_nanos() as u64;
        loop {
            if let Some(answer) = answered(&mut self.state) {
                return Some(answer);
            }
            if monotonic_ns() > until || self.state.closed {
                return None;
            }
            if let Step::Event(at_ns, event) = self.step(Duration::from_millis(5)) {
                self.kept.push_back((at_ns, event));
            }
        }
    }

    /// Waits until a guest that was told to hold has done all that comes before the workload's start.
    pub fn held(&mut self) -> Result<(), MachineError> {
        // Later than the boot's own deadline, which says more where the guest has not spoken at all.
        let deadline = self.boot_deadline + ANSWER;
        let silent = MachineError::Silent { asked: "to hold", seconds: deadline.as_secs() };
        if self.until(deadline, |s| s.held.then_some(())).is_some() {
            return Ok(());
        }
        let why = self.kept.iter().find_map(|(_, e)| match e {
            MachineEvent::Closed(why) => Some(MachineError::Broke { why: why.clone() }),
            _ => None,
        });
        Err(why.unwrap_or(silent))
    }

    /// An error if it has ended.
    pub fn alive(&mut self) -> Result<(), MachineError> {
        while let Step::Event(at_ns, event) = self.step(Duration::ZERO) {
            if let MachineEvent::Closed(why) = event {
                return Err(MachineError::Broke { why });
            }
            self.kept.push_back((at_ns, event));
        }
        Ok(())
    }

    /// The guest's own memory figures.
    pub fn guest_memory(&mut self) -> Result<GuestMemory, MachineError> {
        self.tell(&ToGuest::AskMemory)?;
        let silent = MachineError::Silent { asked: "for its memory", seconds: ANSWER.as_secs() };
        self.until(ANSWER, |s| s.memory.take()).ok_or(silent)
    }

    /// Median round trip of nine echoes over the channel, nanoseconds.
    pub fn echo_ns(&mut self) -> Result<u64, MachineError> {
        let mut trips = Vec::new();
        for n in 0..9 {
            let from = monotonic_ns();
            self.tell(&ToGuest::Echo(n))?;
            let silent = MachineError::Silent { asked: "an echo", seconds: ANSWER.as_secs() };
            self.until(ANSWER, |s| s.echo.take_if(|e| *e == n)).ok_or(silent)?;
            trips.push(monotonic_ns() - from);
        }
        trips.sort_unstable();
        Ok(trips[trips.len() / 2])
    }
}

/// Names of the phases that end with each stamp.
pub fn phase_of(stamp: u8) -> Option<&'static str> {
    match stamp {
        port::QEMU => Some("qemu"),
        port::FIRMWARE => Some("firmware"),
        port::LOADER => Some("boot_loader"),
        port::SYSTEM => Some("guest_system"),
        port::KERNEL => Some("kernel"),
        port::DRIVERS => Some("guest_drivers"),
        port::ROOT => Some("guest_root"),
        port::INIT => Some("guest_init"),
        port::RESUMED => Some("restore"),
        _ => None,
    }
}
