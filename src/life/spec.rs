//! What was asked for, settled once by `run` and never changed: `spec.json`.

use super::ports::Port;
use super::volume::Volume;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;

/// How it is run: the one switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// Our OCI runtime.
    #[default]
    Container,
    /// A QEMU machine.
    Microvm,
    /// chroot and exec.
    Process,
}

impl TargetKind {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Microvm => "microvm",
            Self::Process => "process",
        }
    }
}

impl std::fmt::Display for TargetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TargetKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Container, Self::Microvm, Self::Process];
        let found = all.into_iter().find(|t| t.as_str() == text);
        found.ok_or_else(|| format!("unknown target {text:?}: container, microvm or process"))
    }
}

/// Which network it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// Nothing but lo.
    None,
    /// The host's.
    Host,
    /// A bridge that it shares with those that name the same one.
    Bridge(String),
}

/// Name of the network of those that name none.
pub const DEFAULT_NETWORK: &str = "taremark";

impl FromStr for NetworkMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            "bridge" => Ok(Self::Bridge(DEFAULT_NETWORK.to_owned())),
            name if super::names::is_valid(name) => Ok(Self::Bridge(name.to_owned())),
            other => Err(format!("{other:?}: none, host, bridge, or a network's name")),
        }
    }
}

impl std::fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Host => "host",
            Self::Bridge(name) => name,
        })
    }
}

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique among the containers of a state folder.
    pub name: String,
    /// As it was given.
    pub image: String,
    /// Of its manifest.
    pub image_digest: String,
    /// Folder of the image store.
    pub store: PathBuf,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// How it is run.
    pub target: TargetKind,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `K=V`.
    pub env: Vec<String>,
    /// Working folder.
    pub cwd: String,
    /// As it was given or the image says.
    pub user: String,
    /// Looked up in the image.
    pub uid: u32,
    /// Looked up in the image.
    pub gid: u32,
    /// Looked up in the image.
    pub groups: Vec<u32>,
    /// Of the container.
    pub hostname: String,
    /// CPUs.
    pub cpus: Option<f64>,
    /// Limit, or a machine's RAM.
    pub memory_bytes: Option<u64>,
    /// Root read-only.
    pub read_only: bool,
    /// With a terminal.
    pub terminal: bool,
    /// Rows and columns that it begins with.
    #[serde(default)]
    pub terminal_size: (u16, u16),
    /// With standard input.
    pub interactive: bool,
    /// Removed at its end.
    pub remove: bool,
    /// Where it is reached.
    pub network: NetworkMode,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Who carries them.
    #[serde(default)]
    pub publish_by: super::ports::Carrier,
    /// Folders and files of the host.
    pub volumes: Vec<Volume>,
    /// Number of the signal that asks it to end.
    pub stop_signal: i32,
    /// What is checked while it runs.
    #[serde(default)]
    pub health: Option<super::health::Plan>,
    /// The OCI runtime; ours where none is given.
    pub runtime: Option<String>,
}

impl Spec {
    /// The first twelve digits.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// Its cgroup, relative to the hierarchies' roots.
    pub fn cgroup(&self) -> String {
        format!("{CGROUP_PARENT}/{}", self.id)
    }
}

/// Parent of the cgroups of containers.
pub const CGROUP_PARENT: &str = "taremark-run";
