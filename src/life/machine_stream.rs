//! A second process of a machine's init, as a stream: what it writes is read, what is written it reads.

use super::error::{LifeError, system};
use super::folder::Folder;
use super::link::{Command, ToClient, ToMonitor};
use super::monitor;
use crate::guest::copy_program::PROGRAM;
use crate::guest::wire::{Decoder, Message};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// See the module.
pub struct MachineStream {
    socket: UnixStream,
    decoder: Decoder,
    output: VecDeque<u8>,
    said: String,
    /// Exit code, once it has ended.
    code: Option<i32>,
}

impl MachineStream {
    /// Starts the guest's init with these arguments.
    pub fn open(folder: &Folder, args: &[&str], with_input: bool) -> Result<Self, LifeError> {
        let argv = [PROGRAM].iter().chain(args).map(|a| (*a).to_owned()).collect();
        let command = Command { argv, cwd: "/".into(), interactive: with_input, ..Command::default() };
        let mut socket = monitor::connect(folder)?;
        let order = ToMonitor::Exec(Box::new(command)).frame();
        socket.write_all(&order).map_err(system("tell the monitor"))?;
        let (output, said) = (VecDeque::new(), String::new());
        Ok(Self { socket, decoder: Decoder::default(), output, said, code: None })
    }

    /// Takes in one message. False at the end.
    fn hear(&mut self) -> std::io::Result<bool> {
        let mut buffer = [0u8; 1 << 16];
        loop {
            match self.decoder.take().map_err(std::io::Error::other)? {
                Some(ToClient::Started) => {}
                Some(ToClient::Output(1, bytes)) => {
                    self.output.extend(bytes);
                    return Ok(true);
                }
                Some(ToClient::Output(_, bytes)) => self.said += &String::from_utf8_lossy(&bytes),
                Some(ToClient::Failed(code, why)) => {
                    self.said = why;
                    self.code = Some(code);
                    return Ok(false);
                }
                Some(ToClient::Exited(code)) => {
                    self.code = Some(code);
                    return Ok(false);
                }
                None if self.code.is_some() => return Ok(false),
                None => match self.socket.read(&mut buffer) {
                    Ok(0) => return Ok(false),
                    Ok(n) => self.decoder.feed(&buffer[..n]),
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return Ok(false),
                    Err(e) => return Err(e),
                },
            }
        }
    }

    /// Its input has ended: waits for its end, which has to be a good one.
    pub fn finish(mut self) -> Result<(), LifeError> {
        let ended = (&self.socket).write_all(&ToMonitor::Input(Vec::new()).frame());
        while self.hear().map_err(system("hear the machine"))? {
            self.output.clear();
        }
        match self.code {
            Some(0) => Ok(()),
            None => Err(system("copy")(
                ended.err().unwrap_or_else(|| std::io::Error::other("the machine has ended")),
            )),
            Some(_) => Err(LifeError::Argument(self.said.trim().to_owned())),
        }
    }

    /// What it says went wrong, where that is why the stream broke off. Otherwise it is left alone, and ended.
    pub fn blame(self) -> Option<LifeError> {
        self.code.filter(|code| *code != 0).and_then(|_| self.finish().err())
    }
}

impl Read for MachineStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.output.is_empty() {
            self.hear()?;
        }
        self.output.read(buffer)
    }
}

impl Write for MachineStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(1 << 15)];
        if !bytes.is_empty() {
            (&self.socket).write_all(&ToMonitor::Input(bytes.to_vec()).frame())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
