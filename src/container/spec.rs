//! Writes bundles: the config that an engine would write, with Docker's defaults.

use super::capabilities::DEFAULT as DEFAULT_CAPABILITIES;
use super::config::{
    Capabilities, Cpu, DeviceRule, Linux, Memory, Mount, Namespace, NamespaceKind, Pids, Process, Resources,
    Rlimit, Root, RuntimeConfig, User,
};
use super::error::{RuntimeError, io};
use super::rootfs::{LOWER, SIZE};
use super::seccomp::profile;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The container's network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Network {
    /// A new namespace with nothing but lo.
    #[default]
    New,
    /// A namespace that somebody has made ready.
    Path(PathBuf),
}

/// What is to be run, and how it is confined.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// Root file system; None: an overlay of `lower_dirs`.
    pub rootfs: Option<PathBuf>,
    /// Unpacked layers, top first.
    pub lower_dirs: Vec<PathBuf>,
    /// Size of the overlay's tmpfs.
    pub overlay_bytes: Option<u64>,
    /// Argument vector.
    pub argv: Vec<String>,
    /// `K=V`.
    pub env: Vec<String>,
    /// Absolute; empty: `/`.
    pub cwd: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub additional_gids: Vec<u32>,
    /// Host name; empty: none is set.
    pub hostname: String,
    /// Quota.
    pub cpus: Option<f64>,
    /// Limit.
    pub memory_bytes: Option<u64>,
    /// Limit.
    pub pids: Option<u64>,
    /// Network.
    pub network: Network,
    /// Host path, path in the container; bound read-write.
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// Path in the cgroup hierarchies; None: the runtime's choice.
    pub cgroups_path: Option<String>,
    /// With the default seccomp profile.
    pub seccomp: bool,
    /// Root read-only.
    pub readonly: bool,
}

impl Bundle {
    /// Writes `dir/config.json`, and `dir/rootfs` where an overlay is to be mounted.
    pub fn write(&self, dir: &Path) -> Result<(), RuntimeError> {
        let config = self.config();
        if self.rootfs.is_none() {
            let root = dir.join("rootfs");
            std::fs::create_dir(&root).map_err(io("create", &root))?;
        }
        let path = dir.join("config.json");
        let json = serde_json::to_vec_pretty(&config).unwrap_or_default();
        std::fs::write(&path, json).map_err(io("write", &path))
    }

    /// The config.
    pub fn config(&self) -> RuntimeConfig {
        let mut annotations = BTreeMap::new();
        if self.rootfs.is_none() {
            let lower: Vec<String> = self.lower_dirs.iter().map(|d| d.display().to_string()).collect();
            annotations.insert(LOWER.to_owned(), lower.join(":"));
            if let Some(bytes) = self.overlay_bytes {
                annotations.insert(SIZE.to_owned(), bytes.to_string());
            }
        }
        let path = self.rootfs.clone().unwrap_or_else(|| "rootfs".into());
        RuntimeConfig {
            oci_version: "1.0.2".into(),
            root: Root { path, readonly: self.readonly },
            process: self.process(),
            hostname: self.hostname.clone(),
            mounts: default_mounts().into_iter().chain(self.binds()).collect(),
            annotations,
            linux: self.linux(),
            ..RuntimeConfig::default()
        }
    }

    fn process(&self) -> Process {
        let names: Vec<String> = DEFAULT_CAPABILITIES.iter().map(|c| (*c).to_owned()).collect();
        // A user other than root gets them in the bounding set only, as with Docker.
        let held = if self.uid == 0 { names.clone() } else { Vec::new() };
        let capabilities = Capabilities {
            bounding: names,
            effective: held.clone(),
            permitted: held,
            ..Capabilities::default()
        };
        Process {
            user: User {
                uid: self.uid,
                gid: self.gid,
                umask: None,
                additional_gids: self.additional_gids.clone(),
            },
            args: self.argv.clone(),
            env: self.env.clone(),
            cwd: if self.cwd.is_empty() { "/".into() } else { self.cwd.clone() },
            capabilities: Some(capabilities),
            rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".into(), hard: 1024, soft: 1024 }],
            no_new_privileges: true,
            ..Process::default()
        }
    }

    fn linux(&self) -> Linux {
        use NamespaceKind::{Cgroup, Ipc, Mount, Network as Net, Pid, Uts};
        let path = |kind| match (&self.network, kind) {
            (Network::Path(path), Net) => Some(path.clone()),
            _ => None,
        };
        let deny_all = DeviceRule { allow: false, access: Some("rwm".into()), ..DeviceRule::default() };
        Linux {
            namespaces: [Pid, Net, Ipc, Uts, Mount, Cgroup]
                .map(|kind| Namespace { kind, path: path(kind) })
                .to_vec(),
            cgroups_path: self.cgroups_path.clone().unwrap_or_default(),
            resources: Resources {
                memory: self
                    .memory_bytes
                    .map(|b| Memory { limit: i64::try_from(b).ok(), ..Memory::default() }),
                cpu: self.cpus.map(|c| Cpu {
                    quota: Some((c * 100_000.0).round() as i64),
                    period: Some(100_000),
                    ..Cpu::default()
                }),
                pids: self.pids.map(|p| Pids { limit: p as i64 }),
                devices: vec![deny_all],
                ..Resources::default()
            },
            seccomp: self.seccomp.then(profile::default),
            masked_paths: masked(),
            readonly_paths: readonly(),
            ..Linux::default()
        }
    }

    fn binds(&self) -> impl Iterator<Item = Mount> + '_ {
        self.mounts.iter().map(|(from, to)| Mount {
            destination: to.clone(),
            kind: "bind".into(),
            source: from.display().to_string(),
            options: vec!["rbind".into(), "rprivate".into()],
            ..Mount::default()
        })
    }
}

const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What engines mask.
pub(super) fn masked() -> Vec<PathBuf> {
    MASKED.map(PathBuf::from).to_vec()
}

/// What engines make read-only.
pub(super) fn readonly() -> Vec<PathBuf> {
    READONLY.map(PathBuf::from).to_vec()
}

/// runtime-spec, config-linux.md, Default Filesystems, with the options that engines use.
pub(super) fn default_mounts() -> Vec<Mount> {
    let mount = |to: &str, kind: &str, options: &str| Mount {
        destination: to.into(),
        kind: kind.into(),
        source: if kind == "tmpfs" && to == "/dev/shm" { "shm".into() } else { kind.to_owned() },
        options: options.split(',').filter(|o| !o.is_empty()).map(str::to_owned).collect(),
        ..Mount::default()
    };
    vec![
        mount("/proc", "proc", "nosuid,noexec,nodev"),
        mount("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        mount("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
        mount("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k"),
        mount("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
        mount("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
        mount("/sys/fs/cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"),
    ]
}
