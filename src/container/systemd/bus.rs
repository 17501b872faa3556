//! A connection to systemd: its own socket, where the two speak without a bus between them, or the bus of the system or
//! the user.

use super::SystemdError;
use super::message::{self, FIXED, Message};
use super::wire::{Call, Writer};
use crate::sys::process::is_rootless;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
const BUS: &str = "org.freedesktop.DBus";
/// How long systemd may take for an answer, jobs included.
const PATIENCE: Duration = Duration::from_secs(30);

const REPLY: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    /// Signals that came while something else was waited for.
    signals: VecDeque<Message>,
}

/// Sockets of the manager that looks after this user's units, the manager's own ones first.
fn sockets() -> Result<Vec<(PathBuf, bool)>, SystemdError> {
    if !is_rootless() {
        if !Path::new("/run/systemd/system").exists() {
            return Err(SystemdError::None);
        }
        let all = [("/run/systemd/private", true), ("/run/dbus/system_bus_socket", false)];
        return Ok(all.map(|(path, own)| (path.into(), own)).to_vec());
    }
    let mut all = Vec::new();
    if let Some(dir) = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        all.push((dir.join("systemd/private"), true));
        all.push((dir.join("bus"), false));
    }
    let address = std::env::var("DBUS_SESSION_BUS_ADDRESS").unwrap_or_default();
    let path = address.strip_prefix("unix:path=").map(|p| p.split([',', ';']).next().unwrap_or(p));
    all.extend(path.map(|p| (p.into(), false)));
    Ok(all)
}

impl Bus {
    /// To the manager of the system, or for an ordinary user to that of the user.
    pub(super) fn connect() -> Result<Self, SystemdError> {
        let mut last = None;
        for (path, own) in sockets()? {
            match UnixStream::connect(&path) {
                Ok(stream) => return Self::greet(stream, own),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(source) => last = Some(SystemdError::Connect { path, source }),
            }
        }
        Err(last.unwrap_or(if is_rootless() { SystemdError::NoneOfUser } else { SystemdError::None }))
    }

    fn greet(stream: UnixStream, own: bool) -> Result<Self, SystemdError> {
        let failed = |source| SystemdError::Talk { source };
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        let mut bus = Self { stream, serial: 0, signals: VecDeque::new() };
        bus.authenticate()?;
        if !own {
            // Only a bus gives names and chooses signals; systemd's own socket knows neither.
            let hello = Call {
                destination: BUS,
                path: "/org/freedesktop/DBus",
                interface: BUS,
                method: "Hello",
                signature: "",
                body: Writer::default(),
            };
            bus.call(&hello)?;
            let mut body = Writer::default();
            body.text("type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'");
            bus.call(&Call { method: "AddMatch", signature: "s", body, ..hello })?;
            bus.call(&super::manager("Subscribe", "", Writer::default()))?;
        }
        Ok(bus)
    }

    /// By the credentials of the socket. No user id is said: in a user namespace it would be another one than systemd sees.
    ///
    /// All in one write: sd-bus forgets a message that it reads together with `BEGIN` until more comes, and so would not
    /// answer the first call if that came right after a `BEGIN` of its own.
    fn authenticate(&mut self) -> Result<(), SystemdError> {
        self.write(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        for wanted in ["DATA", "OK "] {
            let line = self.line()?;
            if !line.starts_with(wanted) {
                return Err(SystemdError::Refused { said: line });
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SystemdError> {
        self.stream.write_all(bytes).map_err(|source| SystemdError::Talk { source })
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), SystemdError> {
        self.stream.read_exact(bytes).map_err(|e| match e.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                SystemdError::Silent { seconds: PATIENCE.as_secs() }
            }
            _ => SystemdError::Talk { source: e },
        })
    }

    fn line(&mut self) -> Result<String, SystemdError> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 1024 {
            let mut byte = [0];
            self.read(&mut byte)?;
            line.extend(byte);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn next(&mut self) -> Result<Message, SystemdError> {
        let mut fixed = [0; FIXED];
        self.read(&mut fixed)?;
        let mut bytes = fixed.to_vec();
        bytes.resize(message::length(&fixed)?, 0);
        self.read(&mut bytes[FIXED..])?;
        Message::parse(&bytes)
    }

    /// Calls a method: its answer.
    pub(super) fn call(&mut self, call: &Call) -> Result<Message, SystemdError> {
        self.serial += 1;
        let serial = self.serial;
        self.write(&call.message(serial))?;
        loop {
            let message = self.next()?;
            match message.kind {
                REPLY if message.reply_to == serial => return Ok(message),
                ERROR if message.reply_to == serial => {
                    let said = message.reader().text().unwrap_or_default();
                    let (method, name) = (call.method.to_owned(), message.error);
                    return Err(SystemdError::Call { method, name, said });
                }
                SIGNAL => self.signals.push_back(message),
                _ => {}
            }
        }
    }

    /// Waits for the end of a job; `path`: the object that it is.
    pub(super) fn finish(&mut self, path: &str, unit: &str) -> Result<(), SystemdError> {
        loop {
            let signal = match self.signals.pop_front() {
                Some(signal) => signal,
                None => self.next()?,
            };
            if signal.kind != SIGNAL || signal.member != "JobRemoved" {
                continue;
            }
            // uoss: id, job, unit, result.
            let mut body = signal.reader();
            let (_, job, _, result) = (body.number32()?, body.text()?, body.text()?, body.text()?);
            if job == path {
                return match result.as_str() {
                    "done" => Ok(()),
                    _ => Err(SystemdError::Job { unit: unit.to_owned(), result }),
                };
            }
        }
    }
}
