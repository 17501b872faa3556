//! Workload definitions: what runs, how one knows that it is ready, and what it must answer.

pub mod builtin;
pub mod output;
pub mod ready;

use std::fmt;
use std::str::FromStr;

/// How one knows that a workload is ready. The same rule for every target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// A line that contains this text, on either stream.
    Line(String),
    /// A connection to this port is accepted.
    Tcp(u16),
    /// `GET path` on this port is answered with 2xx.
    Http {
        /// Port.
        port: u16,
        /// Begins with `/`.
        path: String,
    },
    /// It ends with exit code 0.
    Exit,
}

impl Readiness {
    /// The port that is asked, where one is.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(port) | Self::Http { port, .. } => Some(*port),
            Self::Line(_) | Self::Exit => None,
        }
    }
}

/// A readiness that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("readiness {0:?}: use tcp:PORT, http:PORT/PATH, line:TEXT or exit")]
pub struct BadReadiness(String);

impl FromStr for Readiness {
    type Err = BadReadiness;

    fn from_str(text: &str) -> Result<Self, BadReadiness> {
        let bad = || BadReadiness(text.to_owned());
        let port = |p: &str| p.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(bad);
        match text.split_once(':') {
            None if text == "exit" => Ok(Self::Exit),
            Some(("line", line)) if !line.is_empty() => Ok(Self::Line(line.to_owned())),
            Some(("tcp", p)) => Ok(Self::Tcp(port(p)?)),
            Some(("http", rest)) => {
                let (p, path) = rest.split_once('/').unwrap_or((rest, ""));
                Ok(Self::Http { port: port(p)?, path: format!("/{path}") })
            }
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(text) => write!(f, "line:{text}"),
            Self::Tcp(port) => write!(f, "tcp:{port}"),
            Self::Http { port, path } => write!(f, "http:{port}{path}"),
            Self::Exit => f.write_str("exit"),
        }
    }
}

/// How a ready service is asked for an answer that is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `GET path`, answered with 200 and this body.
    Http {
        /// Port.
        port: u16,
        /// Begins with `/`.
        path: String,
        /// Body; empty: any.
        expect: Vec<u8>,
    },
    /// These bytes, answered with those.
    Bytes {
        /// Port.
        port: u16,
        /// What is sent.
        send: Vec<u8>,
        /// What has to come back.
        expect: Vec<u8>,
    },
}

impl Reply {
    /// What has to come back; empty: anything.
    pub fn expected(&self) -> &[u8] {
        match self {
            Self::Http { expect, .. } | Self::Bytes { expect, .. } => expect,
        }
    }
}

/// Where a workload's image comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ImageSource {
    /// The embedded default image: `FROM scratch` with `tare-load`.
    #[default]
    Builtin,
    /// A reference in the store.
    Reference(String),
}

/// A workload: image, what runs in it, how one knows that it is ready, and what it must answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Short, a legal host name.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// What it runs from.
    pub image: ImageSource,
    /// Argument vector; empty: the image's own.
    pub argv: Vec<String>,
    /// `K=V`, added to the image's own.
    pub env: Vec<String>,
    /// Whether it is reached over the network.
    pub network: bool,
    /// Bytes of a writable volume on the host's disk at `/scratch`, where it needs one.
    pub scratch_bytes: Option<u64>,
    /// How one knows that it is ready.
    pub ready: Readiness,
    /// True: it stays until stopped, and its memory is weighed.
    pub service: bool,
    /// How it is asked.
    pub reply: Option<Reply>,
    /// For getting ready, and for a task to end.
    pub deadline_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_reads_what_it_writes() {
        for text in ["exit", "tcp:6379", "http:8080/", "http:80/a:b", "line:Ready: yes"] {
            assert_eq!(text.parse::<Readiness>().expect(text).to_string(), text);
        }
        for text in ["", "exit:1", "tcp:", "tcp:0", "tcp:70000", "line:", "udp:1", "http:x/"] {
            text.parse::<Readiness>().expect_err(text);
        }
    }
}
