//! The language of host and guest on the machine's channel.
//!
//! A frame is its length (u32, little-endian, of what follows it), its kind (u8) and its body. Either side may meet any
//! bytes at all, so decoding never trusts a length and never panics.

pub use super::job::{GuestExec, GuestJob, GuestMemory, GuestNetwork};

/// Raised with every change of a message. Host and guest init of different versions do not talk.
pub const VERSION: u32 = 4;
/// Longest frame, kind and body; a job with a large environment has to fit.
pub const MAX_FRAME: usize = 1 << 20;
/// Most bytes of one program's input that the host sends without being told that they were taken: what a guest has to
/// keep for a program that does not read.
pub const INPUT_WINDOW: usize = 256 << 10;
/// Most bytes of one program's output that the guest sends without being told that they were heard, where the host says
/// that it does.
pub const OUTPUT_WINDOW: usize = 1 << 20;
/// Name of the channel's virtio port.
pub const PORT_NAME: &str = "taremark";

/// From host to guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToGuest {
    /// First, and once.
    Job(Box<GuestJob>),
    /// Send this signal to the workload.
    Signal(i32),
    /// Answer with [`ToHost::Memory`].
    AskMemory,
    /// Answer with the same number.
    Echo(u64),
    /// A piece of a tar archive that is to be unpacked on the root; empty: that was all of it. What is whole before the
    /// job comes is there when the workload starts.
    Files(Vec<u8>),
    /// Start a second process.
    Exec(Box<GuestExec>),
    /// Standard input of the workload (0) or of a second process; empty: its end.
    Input(u32, Vec<u8>),
    /// A signal for a second process.
    SignalExec(u32, i32),
    /// So many bytes of output of the workload (0) or of a second process have got to where they belong; see
    /// [`OUTPUT_WINDOW`].
    Heard(u32, u32),
    /// Rows and columns of the terminal of the workload (0) or of a second process.
    Size(u32, u16, u16),
    /// The machine was restored: time and randomness are those of the day it was saved.
    Resume {
        /// The time now, nanoseconds of CLOCK_REALTIME.
        realtime_ns: u64,
        /// New randomness.
        seed: [u8; 32],
    },
}

/// From guest to host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToHost {
    /// First: the guest's [`VERSION`].
    Hello(u32),
    /// The workload wrote to descriptor 1 or 2.
    Output(u8, Vec<u8>),
    /// Answer to [`ToGuest::AskMemory`].
    Memory(GuestMemory),
    /// Answer to [`ToGuest::Echo`].
    Echo(u64),
    /// The workload ended with this code, or 128 + signal. Nothing follows.
    Exited(i32),
    /// The workload could not be started, and why. Nothing follows.
    Failed(String),
    /// A second process wrote to descriptor 1 or 2.
    ExecOutput(u32, u8, Vec<u8>),
    /// A second process ended.
    ExecEnded(u32, i32),
    /// A second process could not be started, and why.
    ExecFailed(u32, String),
    /// The workload (0) or a second process has taken so many bytes of its input, or will never: see [`INPUT_WINDOW`].
    Taken(u32, u32),
    /// All is made ready for the workload that is to be held.
    Held,
}

/// Bytes that are no message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Length 0 or over [`MAX_FRAME`].
    #[error("a frame of {length} bytes (1 to {MAX_FRAME} are possible)")]
    Length {
        /// As read.
        length: usize,
    },
    /// A kind that this side does not expect.
    #[error("a message of unknown kind {kind}")]
    Kind {
        /// As read.
        kind: u8,
    },
    /// A body that does not fit its kind.
    #[error("a message of kind {kind} with a body of {length} bytes that is not one")]
    Body {
        /// As read.
        kind: u8,
        /// Length of the body.
        length: usize,
    },
    /// The job's JSON.
    #[error("a job that is not one")]
    Job(#[source] serde_json::Error),
    /// The other side is of another version.
    #[error(
        "version {theirs} of the wire format, where {VERSION} is spoken: host and tare-init are of different builds"
    )]
    Version {
        /// As told.
        theirs: u32,
    },
}

/// A message of one direction.
pub trait Message: Sized {
    /// Kind and body.
    fn parts(&self) -> (u8, Vec<u8>);
    /// From kind and body.
    fn from_parts(kind: u8, body: &[u8]) -> Result<Self, WireError>;

    /// The whole frame.
    fn frame(&self) -> Vec<u8> {
        let (kind, body) = self.parts();
        let mut frame = Vec::with_capacity(body.len() + 5);
        frame.extend_from_slice(&(body.len() as u32 + 1).to_le_bytes());
        frame.push(kind);
        frame.extend_from_slice(&body);
        frame
    }
}

impl Message for ToGuest {
    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Job(job) => (1, serde_json::to_vec(job).unwrap_or_default()),
            Self::Signal(n) => (2, n.to_le_bytes().to_vec()),
            Self::AskMemory => (3, Vec::new()),
            Self::Echo(n) => (4, n.to_le_bytes().to_vec()),
            Self::Files(bytes) => (6, bytes.clone()),
            Self::Exec(exec) => (7, serde_json::to_vec(exec).unwrap_or_default()),
            Self::Input(id, bytes) => (8, [&id.to_le_bytes(), bytes.as_slice()].concat()),
            Self::SignalExec(id, n) => (9, [id.to_le_bytes(), n.to_le_bytes()].concat()),
            Self::Heard(id, n) => (11, [id.to_le_bytes(), n.to_le_bytes()].concat()),
            Self::Size(id, rows, columns) => {
                (10, [&id.to_le_bytes()[..], &rows.to_le_bytes(), &columns.to_le_bytes()].concat())
            }
            Self::Resume { realtime_ns, seed } => (5, [&realtime_ns.to_le_bytes()[..], seed].concat()),
        }
    }

    fn from_parts(kind: u8, body: &[u8]) -> Result<Self, WireError> {
        match kind {
            1 => {
                let job: GuestJob = serde_json::from_slice(body).map_err(WireError::Job)?;
                spoken(job.version)?;
                Ok(Self::Job(Box::new(job)))
            }
            2 => Ok(Self::Signal(i32::from_le_bytes(exactly(kind, body)?))),
            3 => exactly::<0>(kind, body).map(|_| Self::AskMemory),
            4 => Ok(Self::Echo(u64::from_le_bytes(exactly(kind, body)?))),
            6 => Ok(Self::Files(body.to_vec())),
            7 => Ok(Self::Exec(serde_json::from_slice(body).map_err(WireError::Job)?)),
            8 => numbered(kind, body).map(|(id, bytes)| Self::Input(id, bytes.to_vec())),
            9 => {
                let (id, n) = numbered(kind, body)?;
                Ok(Self::SignalExec(id, i32::from_le_bytes(exactly(kind, n)?)))
            }
            10 => {
                let (id, size) = numbered(kind, body)?;
                let [a, b, c, d] = exactly(kind, size)?;
                Ok(Self::Size(id, u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
            }
            11 => {
                let (id, n) = numbered(kind, body)?;
                Ok(Self::Heard(id, u32::from_le_bytes(exactly(kind, n)?)))
            }
            5 => {
                let both: [u8; 40] = exactly(kind, body)?;
                let (time, seed) = both.split_at(8);
                let realtime_ns = u64::from_le_bytes(exactly(kind, time)?);
                Ok(Self::Resume { realtime_ns, seed: exactly(kind, seed)? })
            }
            kind => Err(WireError::Kind { kind }),
        }
    }
}

impl Message for ToHost {
    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Hello(version) => (1, version.to_le_bytes().to_vec()),
            Self::Output(fd, bytes) => (2, [&[*fd], bytes.as_slice()].concat()),
            Self::Memory(m) => (3, [m.total_bytes.to_le_bytes(), m.available_bytes.to_le_bytes()].concat()),
            Self::Echo(n) => (4, n.to_le_bytes().to_vec()),
            Self::Exited(code) => (5, code.to_le_bytes().to_vec()),
            Self::Failed(why) => (6, why.as_bytes().to_vec()),
            Self::ExecOutput(id, fd, bytes) => (8, [&id.to_le_bytes(), &[*fd][..], bytes].concat()),
            Self::ExecEnded(id, code) => (9, [id.to_le_bytes(), code.to_le_bytes()].concat()),
            Self::ExecFailed(id, why) => (10, [&id.to_le_bytes(), why.as_bytes()].concat()),
            Self::Taken(id, n) => (11, [id.to_le_bytes(), n.to_le_bytes()].concat()),
            Self::Held => (7, Vec::new()),
        }
    }

    fn from_parts(kind: u8, body: &[u8]) -> Result<Self, WireError> {
        match kind {
            1 => Ok(Self::Hello(u32::from_le_bytes(exactly(kind, body)?))),
            2 => match body.split_first() {
                Some((fd @ 1..=2, bytes)) => Ok(Self::Output(*fd, bytes.to_vec())),
                _ => Err(WireError::Body { kind, length: body.len() }),
            },
            3 => {
                let both: [u8; 16] = exactly(kind, body)?;
                let (total, available) = both.split_at(8);
                Ok(Self::Memory(GuestMemory {
                    total_bytes: u64::from_le_bytes(exactly(kind, total)?),
                    available_bytes: u64::from_le_bytes(exactly(kind, available)?),
                }))
            }
            4 => Ok(Self::Echo(u64::from_le_bytes(exactly(kind, body)?))),
            5 => Ok(Self::Exited(i32::from_le_bytes(exactly(kind, body)?))),
            6 => Ok(Self::Failed(String::from_utf8_lossy(body).into_owned())),
            8 => match numbered(kind, body)? {
                (id, [fd @ 1..=2, bytes @ ..]) => Ok(Self::ExecOutput(id, *fd, bytes.to_vec())),
                _ => Err(WireError::Body { kind, length: body.len() }),
            },
            9 => {
                let (id, code) = numbered(kind, body)?;
                Ok(Self::ExecEnded(id, i32::from_le_bytes(exactly(kind, code)?)))
            }
            10 => numbered(kind, body)
                .map(|(id, why)| Self::ExecFailed(id, String::from_utf8_lossy(why).into_owned())),
            11 => {
                let (id, n) = numbered(kind, body)?;
                Ok(Self::Taken(id, u32::from_le_bytes(exactly(kind, n)?)))
            }
            7 => exactly::<0>(kind, body).map(|_| Self::Held),
            kind => Err(WireError::Kind { kind }),
        }
    }
}

/// Refuses a version that is not ours.
pub fn spoken(theirs: u32) -> Result<(), WireError> {
    if theirs == VERSION { Ok(()) } else { Err(WireError::Version { theirs }) }
}

/// A number and the rest.
fn numbered(kind: u8, body: &[u8]) -> Result<(u32, &[u8]), WireError> {
    let (id, rest) = body.split_first_chunk().ok_or(WireError::Body { kind, length: body.len() })?;
    Ok((u32::from_le_bytes(*id), rest))
}

fn exactly<const N: usize>(kind: u8, body: &[u8]) -> Result<[u8; N], WireError> {
    body.try_into().map_err(|_| WireError::Body { kind, length: body.len() })
}

/// Puts frames together from whatever pieces come.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Takes in what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one. After an error the stream is of no use any more.
    pub fn take<M: Message>(&mut self) -> Result<Option<M>, WireError> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*head) as usize;
        if length == 0 || length > MAX_FRAME {
            return Err(WireError::Length { length });
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let message = M::from_parts(frame[0], &frame[1..])?;
        self.buffer.drain(..4 + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests;
