//! The runtime config, `config.json` (OCI runtime-spec 1.2), as far as this runtime acts on it.
//!
//! Own lean types instead of oci-spec's: parsing is on the path of every start, and an error can name its JSON path.

mod hooks;
mod process;
mod resources;

pub use hooks::{Hook, Hooks};
pub use process::{Capabilities, ConsoleSize, CpuAffinity, IoPriority, Process, Rlimit, Scheduler, User};
pub use resources::{
    BlockIo, Cpu, DeviceRate, DeviceRule, DeviceWeight, HugepageLimit, Memory, Network, Pids, Priority, Rdma,
    Resources,
};

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
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domainname: String,
    /// In the order in which they are mounted.
    pub mounts: Vec<Mount>,
    /// Free; see [`super::rootfs`] for those that we read.
    pub annotations: BTreeMap<String, String>,
    /// Linux.
    pub linux: Linux,
    /// Programs at points of its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
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

/// `mounts[]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
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
    /// Of an idmapped mount; empty: those of the container's user namespace, where the options say `idmap`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Of an idmapped mount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
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
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rootfs_propagation: String,
    /// Offsets of a new time namespace, by clock: `monotonic`, `boottime`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub time_offsets: BTreeMap<String, TimeOffset>,
    /// Execution domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// SELinux label of the mounts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mount_label: String,
    /// Read only to be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<serde_json::Value>,
}

/// `linux.timeOffsets.<clock>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct TimeOffset {
    pub secs: i64,
    pub nanosecs: u32,
}

/// `linux.personality`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Personality {
    /// `LINUX` or `LINUX32`.
    pub domain: String,
    /// None is defined yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
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

/// For `skip_serializing_if`.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Largest config that is read: a hundred times what engines write.
const LARGEST: u64 = 4 << 20;

impl RuntimeConfig {
    /// Reads and checks `bundle/config.json`. Also the bytes it was read from.
    pub fn read(bundle: &Path) -> Result<(Self, Vec<u8>), RuntimeError> {
        let path = bundle.join("config.json");
        let json = Self::bytes(&path)?;
        let config =
            Self::from_json(&json).map_err(|(field, why)| RuntimeError::Config { path, field, why })?;
        Ok((config, json))
    }

    /// Parses and checks. On an error the JSON path of the field, and what is wrong with it.
    pub fn from_json(json: &[u8]) -> Result<Self, (String, String)> {
        let config = Self::parsed(json)?;
        super::validate::check(&config)?;
        Ok(config)
    }

    /// Places of mounts are relative to the root, whether they say so or not: older tools leave the slash out.
    fn parsed(json: &[u8]) -> Result<Self, (String, String)> {
        let mut config: Self = parse(json)?;
        for mount in &mut config.mounts {
            if mount.destination.is_relative() && !mount.destination.as_os_str().is_empty() {
                mount.destination = Path::new("/").join(&mount.destination);
            }
        }
        Ok(config)
    }

    /// One that was checked before.
    pub fn read_unchecked(dir: &Path) -> Result<Self, RuntimeError> {
        let path = dir.join("config.json");
        Self::parsed(&Self::bytes(&path)?).map_err(|(field, why)| RuntimeError::Config { path, field, why })
    }

    /// The file, unless it is too large or no file at all: a device or a FIFO could be read for ever.
    fn bytes(path: &Path) -> Result<Vec<u8>, RuntimeError> {
        use std::io::Read;
        use std::os::unix::fs::OpenOptionsExt;
        let io = |source| RuntimeError::Io { step: "read", path: path.to_owned(), source };
        let whole = |why| RuntimeError::Config { path: path.to_owned(), field: "(whole file)".into(), why };
        let file = std::fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
        let file = file.map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        if !meta.is_file() {
            return Err(whole("is not a regular file".into()));
        }
        let mut json = Vec::with_capacity(meta.len().min(LARGEST) as usize + 1);
        file.take(LARGEST + 1).read_to_end(&mut json).map_err(io)?;
        if json.len() as u64 > LARGEST {
            return Err(whole(format!("is larger than {LARGEST} bytes")));
        }
        Ok(json)
    }

    /// The namespace of this kind, if it is asked for.
    pub fn namespace(&self, kind: NamespaceKind) -> Option<&Namespace> {
        self.linux.namespaces.iter().find(|n| n.kind == kind)
    }
}

/// The quick way first; only when that fails, the one that knows the JSON path. Path and reason.
pub(super) fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, (String, String)> {
    if let Ok(parsed) = serde_json::from_slice(json) {
        return Ok(parsed);
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let parsed = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let path = e.path().to_string();
        // An empty key has an empty path.
        let whole = matches!(path.as_str(), "." | "");
        (if whole { "(whole file)".to_owned() } else { path }, e.inner().to_string())
    })?;
    reader.end().map_err(|e| ("(whole file)".to_owned(), e.to_string()))?;
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::RuntimeConfig;

    /// The specification knows no empty propagation, and youki refuses one.
    #[test]
    fn what_is_not_set_is_not_written() {
        let json = serde_json::to_value(RuntimeConfig::default()).expect("json");
        assert!(
            json.get("domainname").is_none() && json["linux"].get("rootfsPropagation").is_none(),
            "{json}"
        );
    }

    /// Found by fuzzing.
    #[test]
    fn an_error_beside_an_empty_key_names_the_file() {
        let (field, _) = RuntimeConfig::from_json(b"{\"\": {\n,").expect_err("no JSON");
        assert_eq!(field, "(whole file)");
    }
}
