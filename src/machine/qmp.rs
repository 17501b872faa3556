//! The few commands of QEMU's monitor that saving a machine needs (docs/interop/qmp-spec.txt of QEMU).

use super::error::{MachineError, system};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// For the answer to one command.
const ANSWER: Duration = Duration::from_secs(10);

/// A client that waits for each answer.
pub(super) struct Qmp {
    socket: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Qmp {
    pub fn new(socket: &UnixStream) -> Result<Self, MachineError> {
        let clone = || socket.try_clone().map_err(system("duplicate QEMU's monitor"));
        let (socket, reading) = (clone()?, clone()?);
        reading.set_read_timeout(Some(ANSWER)).map_err(system("set a deadline"))?;
        let mut qmp = Self { socket, lines: BufReader::new(reading) };
        qmp.command("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Sends a command and gives what it returns; greetings and events before that are passed over.
    pub fn command(&mut self, name: &str, arguments: &Value) -> Result<Value, MachineError> {
        let line = json!({ "execute": name, "arguments": arguments }).to_string() + "\n";
        self.socket.write_all(line.as_bytes()).map_err(system("write to QEMU's monitor"))?;
        let refused = |said: String| MachineError::Qmp { command: name.to_owned(), said };
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).map_err(system("read from QEMU's monitor"))? == 0 {
                return Err(refused("its monitor is closed".into()));
            }
            let Ok(mut answer) = serde_json::from_str::<Value>(&line) else { continue };
            if let Some(error) = answer.get("error") {
                return Err(refused(error["desc"].as_str().unwrap_or_default().to_owned()));
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }
}
