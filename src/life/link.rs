//! What the monitor and a command that is attached to it say to each other, over a socket.

use crate::guest::wire::{Message, WireError};
use serde::{Deserialize, Serialize};

/// From the monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToClient {
    /// The workload runs.
    Started,
    /// It could not be started: podman's exit code and why. Nothing follows.
    Failed(i32, String),
    /// Output of descriptor 1 or 2.
    Output(u8, Vec<u8>),
    /// It has ended. Nothing follows.
    Exited(i32),
}

/// To the monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToMonitor {
    /// Standard input; empty: its end.
    Input(Vec<u8>),
    /// Rows and columns of the terminal.
    Size(u16, u16),
    /// For the workload.
    Signal(i32),
    /// Run a second process in a machine; output and end come back over this socket.
    Exec(Box<Command>),
}

/// What is to be executed in a container that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `K=V`.
    pub env: Vec<String>,
    /// Working folder.
    pub cwd: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// With standard input.
    pub interactive: bool,
    /// With a terminal.
    pub terminal: bool,
    /// Its rows and columns.
    pub size: (u16, u16),
}

fn number(kind: u8, body: &[u8]) -> Result<i32, WireError> {
    let bytes = body.try_into().map_err(|_| WireError::Body { kind, length: body.len() })?;
    Ok(i32::from_le_bytes(bytes))
}

impl Message for ToClient {
    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Started => (1, Vec::new()),
            Self::Failed(code, why) => (2, [&code.to_le_bytes(), why.as_bytes()].concat()),
            Self::Output(fd, bytes) => (3, [&[*fd], bytes.as_slice()].concat()),
            Self::Exited(code) => (4, code.to_le_bytes().to_vec()),
        }
    }

    fn from_parts(kind: u8, body: &[u8]) -> Result<Self, WireError> {
        match (kind, body) {
            (1, []) => Ok(Self::Started),
            (2, [a, b, c, d, why @ ..]) => {
                let why = String::from_utf8_lossy(why).into_owned();
                Ok(Self::Failed(i32::from_le_bytes([*a, *b, *c, *d]), why))
            }
            (3, [fd @ 1..=2, bytes @ ..]) => Ok(Self::Output(*fd, bytes.to_vec())),
            (4, body) => Ok(Self::Exited(number(kind, body)?)),
            (1..=3, body) => Err(WireError::Body { kind, length: body.len() }),
            (kind, _) => Err(WireError::Kind { kind }),
        }
    }
}

impl Message for ToMonitor {
    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Input(bytes) => (1, bytes.clone()),
            Self::Size(rows, columns) => (2, [rows.to_le_bytes(), columns.to_le_bytes()].concat()),
            Self::Signal(n) => (3, n.to_le_bytes().to_vec()),
            Self::Exec(command) => (4, serde_json::to_vec(command).unwrap_or_default()),
        }
    }

    fn from_parts(kind: u8, body: &[u8]) -> Result<Self, WireError> {
        match (kind, body) {
            (1, bytes) => Ok(Self::Input(bytes.to_vec())),
            (2, [a, b, c, d]) => Ok(Self::Size(u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]))),
            (3, body) => Ok(Self::Signal(number(kind, body)?)),
            (4, json) => Ok(Self::Exec(serde_json::from_slice(json).map_err(WireError::Job)?)),
            (2, body) => Err(WireError::Body { kind, length: body.len() }),
            (kind, _) => Err(WireError::Kind { kind }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::wire::Decoder;
    use proptest::prelude::*;

    #[test]
    fn what_is_said_is_understood() {
        let mut decoder = Decoder::default();
        let said = [
            ToClient::Started,
            ToClient::Failed(127, "not found: é".into()),
            ToClient::Output(2, b"\0\xff".to_vec()),
            ToClient::Exited(-1),
        ];
        said.iter().for_each(|m| decoder.feed(&m.frame()));
        said.iter().for_each(|m| assert_eq!(decoder.take().expect("message").as_ref(), Some(m)));
        let command = Command { argv: vec!["a b".into()], uid: 7, ..Command::default() };
        let said = [
            ToMonitor::Input(vec![]),
            ToMonitor::Size(24, 80),
            ToMonitor::Signal(15),
            ToMonitor::Exec(command.into()),
        ];
        said.iter().for_each(|m| decoder.feed(&m.frame()));
        said.iter().for_each(|m| assert_eq!(decoder.take().expect("message").as_ref(), Some(m)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_borne(kind in any::<u8>(), body in any::<Vec<u8>>()) {
            let _ = ToClient::from_parts(kind, &body);
            let _ = ToMonitor::from_parts(kind, &body);
        }
    }
}
