//! What the guest is told to run, and what it tells of itself.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// What the guest is to run, and in what surroundings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestJob {
    /// [`super::wire::VERSION`] of the host.
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
    /// With standard input, by [`super::wire::ToGuest::Input`]; else it is empty.
    pub stdin: bool,
    /// With a terminal of the guest's, of this many rows and columns; its output is all of descriptor 1.
    pub terminal: Option<(u16, u16)>,
    /// Whether the host says [`super::wire::ToGuest::Heard`], so that no more output is under way than it can keep.
    pub paced: bool,
    /// Made read-only before the workload starts; `/` is the root.
    pub read_only: Vec<String>,
    /// Whether to wait, with all made ready, for [`super::wire::ToGuest::Resume`] and another job on the same image.
    pub hold: bool,
}

/// A second process in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestExec {
    /// Tells it from others; not 0, which is the workload.
    pub id: u32,
    /// Argument vector.
    pub argv: Vec<String>,
    /// `K=V`.
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// With standard input.
    pub stdin: bool,
    /// As [`GuestJob::terminal`].
    pub terminal: Option<(u16, u16)>,
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
