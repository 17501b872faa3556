//! What is known of a container while it lives and after: `state.json`, written by its monitor, each time whole.

use super::ports::{Carrier, Published};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its folder is there, its workload is not yet started.
    #[default]
    Created,
    /// The workload runs.
    Running,
    /// The workload has ended, or could not be started.
    Exited,
}

impl Status {
    /// As podman spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Exited => "exited",
        }
    }
}

/// A process, told from later ones of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Process {
    /// Its id; 0: none.
    pub pid: i32,
    /// Clock ticks since boot.
    pub start_time: u64,
}

impl Process {
    /// The process of this number, if it lives.
    pub fn of(pid: i32) -> Option<Self> {
        crate::container::state::start_time(pid).map(|start_time| Self { pid, start_time })
    }

    /// Whether it still lives. A zombie does not.
    pub fn is_alive(&self) -> bool {
        self.pid > 0 && crate::container::state::start_time(self.pid) == Some(self.start_time)
    }
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// See [`Status`].
    pub status: Status,
    /// The workload: the container's init, the bare process, or QEMU.
    pub process: Process,
    /// Who watches it.
    pub monitor: Process,
    /// In its network.
    pub address: Option<Ipv4Addr>,
    /// The monitor's descriptor of the network's namespace, by which others join it.
    pub switch_fd: Option<i32>,
    /// Ports as they are really published.
    pub ports: Vec<Published>,
    /// Who carries them: never [`Carrier::Auto`] once it runs.
    #[serde(default)]
    pub published_by: Carrier,
    /// Why not by nftables, where that was tried.
    #[serde(default)]
    pub published_why: String,
    /// Milliseconds since 1970.
    pub started_ms: u64,
    /// Milliseconds since 1970.
    pub finished_ms: u64,
    /// Of the workload, or 128 + signal; none while it runs, and where nobody was there to see.
    pub exit_code: Option<i32>,
    /// Why it could not be started or how its end became known.
    pub error: String,
}

/// The clock of people, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as u64)
}
