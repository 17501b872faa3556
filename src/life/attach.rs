//! A command in the foreground: its input, output, signals and terminal, carried to and from a monitor.

use super::error::{LifeError, system};
use super::link::{ToClient, ToMonitor};
use crate::guest::wire::{Decoder, Message};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// What is carried besides output.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Standard input.
    pub input: bool,
    /// The terminal: raw mode, size, no signals of one's own.
    pub terminal: bool,
}

/// How it came to an end.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The workload's code.
    Exited(i32),
    /// It could not be started.
    Failed(i32, String),
    /// The monitor is gone.
    Lost,
}

/// The terminal's mode as it was, put back when this is dropped, whatever happens.
struct Raw(Termios);

impl Raw {
    fn set() -> Option<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Flush, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Signals that are passed on. With a terminal in raw mode its keys come as bytes, so what comes as a signal then was
/// sent by somebody, and is passed on as well.
const PASSED_ON: [Signal; 7] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

struct Session {
    socket: UnixStream,
    decoder: Decoder,
    signals: SignalFd,
    input_open: bool,
    options: Options,
}

/// Waits for the first word: [`ToClient::Started`] or [`ToClient::Failed`].
pub fn first_word(socket: &mut UnixStream) -> Result<End, LifeError> {
    let mut decoder = Decoder::default();
    let mut byte = [0u8; 1];
    // Byte by byte, so that nothing of what comes after is taken away from who reads next.
    loop {
        match decoder.take() {
            Ok(Some(ToClient::Started)) => return Ok(End::Exited(0)),
            Ok(Some(ToClient::Failed(code, why))) => return Ok(End::Failed(code, why)),
            Ok(Some(_)) | Err(_) => return Ok(End::Lost),
            Ok(None) => {}
        }
        match socket.read(&mut byte) {
            Ok(0) => return Ok(End::Lost),
            Ok(_) => decoder.feed(&byte),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return Ok(End::Lost),
            Err(e) => return Err(system("hear the monitor")(e)),
        }
    }
}

/// Carries everything until the workload ends.
pub fn carry(socket: UnixStream, options: Options) -> Result<End, LifeError> {
    let mut set = SigSet::empty();
    PASSED_ON.iter().for_each(|s| set.add(*s));
    set.thread_block().map_err(system("block signals"))?;
    let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(system("make a signalfd"))?;
    let raw = if options.terminal { Raw::set() } else { None };
    let input_open = options.input;
    let mut session = Session { socket, decoder: Decoder::default(), signals, input_open, options };
    if options.terminal {
        session.tell_size();
    }
    if !options.input {
        session.tell(&ToMonitor::Input(Vec::new()));
    }
    let end = session.run();
    drop(raw);
    end
}

impl Session {
    fn run(&mut self) -> Result<End, LifeError> {
        loop {
            let (socket, signal, input) = self.wait()?;
            if signal {
                self.pass_signals();
            }
            if input {
                self.pass_input();
            }
            if socket && let Some(end) = self.hear()? {
                return Ok(end);
            }
        }
    }

    fn wait(&self) -> Result<(bool, bool, bool), LifeError> {
        let stdin = std::io::stdin();
        let mut fds = vec![
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        if self.input_open {
            fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(system("poll")(e)),
        }
        let set = |n: usize| fds.get(n).is_some_and(|f| !f.revents().is_empty());
        Ok((set(0), set(1), set(2)))
    }

    /// A monitor that is gone shows when it is read from.
    fn tell(&self, message: &ToMonitor) {
        let _ = (&self.socket).write_all(&message.frame());
    }

    fn tell_size(&self) {
        if let Ok(size) = tcgetwinsize(std::io::stdin()) {
            self.tell(&ToMonitor::Size(size.ws_row, size.ws_col));
        }
    }

    fn pass_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            match Signal::try_from(info.ssi_signo as i32) {
                Ok(Signal::SIGWINCH) if self.options.terminal => self.tell_size(),
                Ok(Signal::SIGWINCH) | Err(_) => {}
                Ok(signal) => self.tell(&ToMonitor::Signal(signal as i32)),
            }
        }
    }

    fn pass_input(&mut self) {
        let mut buffer = [0u8; 1 << 15];
        match rustix::io::read(std::io::stdin(), &mut buffer) {
            Ok(n) if n > 0 => self.tell(&ToMonitor::Input(buffer[..n].to_vec())),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            _ => {
                self.input_open = false;
                self.tell(&ToMonitor::Input(Vec::new()));
            }
        }
    }

    /// Takes in what the monitor says; how it ends, if it does.
    fn hear(&mut self) -> Result<Option<End>, LifeError> {
        let mut buffer = [0u8; 1 << 16];
        let n = match self.socket.read(&mut buffer) {
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => return Ok(None),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(e) => return Err(system("hear the monitor")(e)),
        };
        if n == 0 {
            return Ok(Some(End::Lost));
        }
        self.decoder.feed(&buffer[..n]);
        let wrong = |e| system("understand the monitor")(std::io::Error::other(e));
        while let Some(message) = self.decoder.take().map_err(wrong)? {
            match message {
                ToClient::Started => {}
                ToClient::Failed(code, why) => return Ok(Some(End::Failed(code, why))),
                ToClient::Exited(code) => return Ok(Some(End::Exited(code))),
                ToClient::Output(fd, bytes) => put_out(fd, &bytes),
            }
        }
        Ok(None)
    }
}

/// Output that nobody takes (a closed pipe) does not end the workload, as with podman: it runs on, unseen.
fn put_out(fd: u8, bytes: &[u8]) {
    if fd == 1 {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    } else {
        let _ = std::io::stderr().lock().write_all(bytes);
    }
}
