//! The language of host and guest on the machine's channel.
//!
//! A frame is its length (u32, little-endian, of what follows it), its kind (u8) and its body. Either side may meet any
//! bytes at all, so decoding never trusts a length and never panics.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Raised with every change of a message. Host and guest init of different versions do not talk.
pub const VERSION: u32 = 2;
/// Longest frame, kind and body; a job with a large environment has to fit.
pub const MAX_FRAME: usize = 1 << 20;
/// Name of the channel's virtio port.
pub const PORT_NAME: &str = "taremark";

/// What the guest is to run, and in what surroundings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestJob {
    /// [`VERSION`] of the host.
    pub version: u32,
    /// Argument vector.
    pub argv: Vec<String>,
    /// `K=V`.
    pub env: Vec<String>,
    /// Working directory in the image.
    pub cwd: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Host name.
    pub hostname: String,
    /// Soft and hard limit of open files; the same as the container's.
    pub open_files: (u64, u64),
    /// Address of `eth0`, where the workload has a network.
    pub network: Option<GuestNetwork>,
    /// Whether there is a disk to be mounted on `/scratch`.
    pub scratch: bool,
    /// Whether to wait, with all made ready, for [`ToGuest::Resume`] and another job on the same image.
    pub hold: bool,
}

/// How `eth0` is set up: no DHCP, no ARP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestNetwork {
    /// Its address.
    pub address: Ipv4Addr,
    /// Length of the network's prefix, bits.
    pub prefix: u8,
    /// The host's address.
    pub host: Ipv4Addr,
    /// The host's hardware address.
    pub host_mac: [u8; 6],
}

/// The guest's own memory figures, bytes, from /proc/meminfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestMemory {
    /// MemTotal.
    pub total_bytes: u64,
    /// MemAvailable.
    pub available_bytes: u64,
}

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
            7 => exactly::<0>(kind, body).map(|_| Self::Held),
            kind => Err(WireError::Kind { kind }),
        }
    }
}

/// Refuses a version that is not ours.
pub fn spoken(theirs: u32) -> Result<(), WireError> {
    if theirs == VERSION { Ok(()) } else { Err(WireError::Version { theirs }) }
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn job() -> impl Strategy<Value = ToGuest> {
        let strings = || prop::collection::vec(any::<String>(), 0..4);
        let net = (any::<[u8; 4]>(), any::<u8>(), any::<[u8; 6]>());
        let rest = (any::<(u32, u32)>(), prop::option::of(net), any::<bool>());
        (strings(), strings(), any::<String>(), rest).prop_map(
            |(argv, env, cwd, ((uid, gid), net, scratch))| {
                let network = net.map(|(a, prefix, host_mac)| GuestNetwork {
                    address: a.into(),
                    prefix,
                    host: a.into(),
                    host_mac,
                });
                let hostname = "h".into();
                let groups = vec![uid];
                let open_files = (1024, 4096);
                let version = VERSION;
                let job = GuestJob {
                    version,
                    argv,
                    env,
                    cwd,
                    uid,
                    gid,
                    groups,
                    hostname,
                    open_files,
                    network,
                    scratch,
                    hold: !scratch,
                };
                ToGuest::Job(Box::new(job))
            },
        )
    }

    fn to_guest() -> impl Strategy<Value = ToGuest> {
        let small = prop_oneof![
            any::<i32>().prop_map(ToGuest::Signal),
            Just(ToGuest::AskMemory),
            any::<u64>().prop_map(ToGuest::Echo),
            any::<(u64, [u8; 32])>().prop_map(|(realtime_ns, seed)| ToGuest::Resume { realtime_ns, seed })
        ];
        prop_oneof![job(), small]
    }

    fn to_host() -> impl Strategy<Value = ToHost> {
        prop_oneof![
            any::<u32>().prop_map(ToHost::Hello),
            (1u8..=2, any::<Vec<u8>>()).prop_map(|(fd, b)| ToHost::Output(fd, b)),
            any::<(u64, u64)>().prop_map(|(total_bytes, available_bytes)| ToHost::Memory(GuestMemory {
                total_bytes,
                available_bytes
            })),
            any::<u64>().prop_map(ToHost::Echo),
            any::<i32>().prop_map(ToHost::Exited),
            any::<String>().prop_map(ToHost::Failed),
            Just(ToHost::Held),
        ]
    }

    /// All messages of `stream`, which arrives in pieces of `piece` bytes.
    fn decode<M: Message>(stream: &[u8], piece: usize) -> Result<Vec<M>, WireError> {
        let mut decoder = Decoder::default();
        let mut all = Vec::new();
        for bytes in stream.chunks(piece) {
            decoder.feed(bytes);
            while let Some(message) = decoder.take()? {
                all.push(message);
            }
        }
        Ok(all)
    }

    proptest! {
        #[test]
        fn what_is_sent_arrives(a in prop::collection::vec(to_guest(), 0..5), b in prop::collection::vec(to_host(), 0..5), piece in 1usize..40) {
            let stream: Vec<u8> = a.iter().flat_map(Message::frame).collect();
            prop_assert_eq!(decode::<ToGuest>(&stream, piece).expect("to guest"), a);
            let stream: Vec<u8> = b.iter().flat_map(Message::frame).collect();
            prop_assert_eq!(decode::<ToHost>(&stream, piece).expect("to host"), b);
        }

        #[test]
        fn any_bytes_are_borne(bytes in any::<Vec<u8>>(), kind in any::<u8>(), piece in 1usize..40) {
            let _ = decode::<ToGuest>(&bytes, piece);
            let _ = decode::<ToHost>(&bytes, piece);
            let _ = ToGuest::from_parts(kind, &bytes);
            let _ = ToHost::from_parts(kind, &bytes);
        }
    }

    #[test]
    fn other_versions_and_absurd_lengths_are_refused() {
        let json = br#"{"version":99,"argv":[],"env":[],"cwd":"/","uid":0,"gid":0,"groups":[],"hostname":"","open_files":[1,1],"network":null,"scratch":false,"hold":false}"#;
        let e = ToGuest::from_parts(1, json).expect_err("version 99");
        assert!(e.to_string().contains("version 99"), "{e}");
        let e = decode::<ToHost>(&u32::MAX.to_le_bytes(), 4).expect_err("4 GiB");
        assert!(matches!(e, WireError::Length { .. }), "{e}");
    }
}
