//! The runtime config, `config.json` (OCI runtime-spec 1.2), as far as this runtime acts on it.
//!
//! Own lean types instead of oci-spec's: parsing is on the path of every start, and an error can name its JSON path.

use super::error::RuntimeError;
use super::seccomp::Seccomp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuntimeConfig {
    /// Version of the specification.
    pub oci_version: String,
    /// Root file system.
    pub root: Root,
    /// What to run.
    pub process: Process,
    /// Of the uts namespace.
    pub hostname: String,
    /// NIS domain of the uts namespace.
    pub domainname: String,
    /// In the order in which they are mounted.
    pub mounts: Vec<Mount>,
    /// Free; see [`super::rootfs`] for those that we read.
    pub annotations: BTreeMap<String, String>,
    /// Linux.
    pub linux: Linux,
    /// Read only to be refused: a hook that an engine relies on must not be passed over in silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<BTreeMap<String, serde_json::Value>>,
}

/// `root`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Root {
    /// Absolute, or relative to the bundle.
    pub path: PathBuf,
    /// Remounted read-only.
    pub readonly: bool,
}

/// `process`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    /// Wants a terminal.
    pub terminal: bool,
    /// Ids.
    pub user: User,
    /// Argument vector.
    pub args: Vec<String>,
    /// `K=V`.
    pub env: Vec<String>,
    /// Absolute.
    pub cwd: String,
    /// Absent: all are dropped.
    pub capabilities: Option<Capabilities>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
    /// /proc/self/oom_score_adj.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
}

/// `process.user`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// User id in the container.
    pub uid: u32,
    /// Group id in the container.
    pub gid: u32,
    /// umask, if it is to be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Further groups.
    pub additional_gids: Vec<u32>,
}

/// `process.capabilities`: names as `CAP_KILL`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Capabilities {
    pub bounding: Vec<String>,
    pub effective: Vec<String>,
    pub inheritable: Vec<String>,
    pub permitted: Vec<String>,
    pub ambient: Vec<String>,
}

/// `process.rlimits[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// `RLIMIT_*`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Hard limit.
    pub hard: u64,
    /// Soft limit.
    pub soft: u64,
}

/// `mounts[]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Absolute, in the container.
    pub destination: PathBuf,
    /// File system type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Device, name or path; relative paths are relative to the bundle.
    pub source: String,
    /// As for mount(8).
    pub options: Vec<String>,
}

/// `linux`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Linux {
    /// New ones, or entered by path.
    pub namespaces: Vec<Namespace>,
    /// Of the user namespace.
    pub uid_mappings: Vec<IdMapping>,
    /// Of the user namespace.
    pub gid_mappings: Vec<IdMapping>,
    /// Beyond the default ones.
    pub devices: Vec<Device>,
    /// Path in every hierarchy; empty: `/<id>`.
    pub cgroups_path: String,
    /// Limits.
    pub resources: Resources,
    /// `net.ipv4.ip_forward` and the like.
    pub sysctl: BTreeMap<String, String>,
    /// Filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// Covered, so that nothing can be read there.
    pub masked_paths: Vec<PathBuf>,
    /// Remounted read-only.
    pub readonly_paths: Vec<PathBuf>,
    /// `private`, `slave`, `shared`, `unbindable`, each also with `r` before it.
    pub rootfs_propagation: String,
}

/// `linux.namespaces[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Which.
    #[serde(rename = "type")]
    pub kind: NamespaceKind,
    /// To be entered; absent: a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// Kinds of namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum NamespaceKind {
    Pid,
    Network,
    Mount,
    Ipc,
    Uts,
    User,
    Cgroup,
    Time,
}

/// `linux.uidMappings[]` and `gidMappings[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdMapping {
    /// First id inside.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// First id outside.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

/// `linux.devices[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Absolute, in the container.
    pub path: PathBuf,
    /// `c`, `b`, `u` or `p`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Major number.
    #[serde(default)]
    pub major: u32,
    /// Minor number.
    #[serde(default)]
    pub minor: u32,
    /// Permission bits.
    #[serde(default)]
    pub file_mode: Option<u32>,
    /// Owner.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Group.
    #[serde(default)]
    pub gid: Option<u32>,
}

/// `linux.resources`, as far as we set them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Resources {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<Pids>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceRule>,
}

/// `linux.resources.memory`, bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<i64>,
}

/// `linux.resources.cpu`; times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Cpu {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<u64>,
}

/// `linux.resources.pids`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Pids {
    pub limit: i64,
}

/// `linux.resources.devices[]`: a rule of the device cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct DeviceRule {
    pub allow: bool,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}

/// Largest config that is read: a hundred times what engines write.
const LARGEST: u64 = 4 << 20;

impl RuntimeConfig {
    /// Reads and checks `bundle/config.json`.
    pub fn read(bundle: &Path) -> Result<Self, RuntimeError> {
        let path = bundle.join("config.json");
        let io = |source| RuntimeError::Io { step: "read", path: path.clone(), source };
        let size = std::fs::metadata(&path).map_err(io)?.len();
        if size > LARGEST {
            let why = format!("{size} bytes, more than {LARGEST}");
            return Err(RuntimeError::Config { path, field: "(whole file)".into(), why });
        }
        let json = std::fs::read(&path).map_err(io)?;
        let config = Self::parse(&json).map_err(|(field, why)| RuntimeError::Config {
            path: path.clone(),
            field,
            why,
        })?;
        super::validate::check(&config).map_err(|(field, why)| RuntimeError::Config { path, field, why })?;
        Ok(config)
    }

    /// The quick way first; only when that fails, the one that knows the JSON path.
    fn parse(json: &[u8]) -> Result<Self, (String, String)> {
        if let Ok(config) = serde_json::from_slice(json) {
            return Ok(config);
        }
        let mut reader = serde_json::Deserializer::from_slice(json);
        serde_path_to_error::deserialize(&mut reader)
            .map_err(|e| (e.path().to_string(), e.inner().to_string()))
    }

    /// The namespace of this kind, if it is asked for.
    pub fn namespace(&self, kind: NamespaceKind) -> Option<&Namespace> {
        self.linux.namespaces.iter().find(|n| n.kind == kind)
    }
}
