//! `spec`: a config.json to begin with, as `runc spec` writes it.

use super::config::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, NamespaceKind, Process, Resources, Rlimit,
    Root, RuntimeConfig,
};
use super::error::{RuntimeError, io};
use super::spec::{default_mounts, masked, readonly};
use std::path::Path;

/// The config: `sh` on a terminal in `rootfs`. `rootless`: for this user and group, who become root inside.
pub fn config(rootless: Option<(u32, u32)>) -> RuntimeConfig {
    let names = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"].map(String::from).to_vec();
    let capabilities = Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        ..Capabilities::default()
    };
    let process = Process {
        terminal: true,
        args: vec!["sh".into()],
        env: vec![
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            "TERM=xterm".into(),
        ],
        cwd: "/".into(),
        capabilities: Some(capabilities),
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".into(), hard: 1024, soft: 1024 }],
        no_new_privileges: true,
        ..Process::default()
    };
    let config = RuntimeConfig {
        oci_version: "1.2.0".into(),
        root: Root { path: "rootfs".into(), readonly: true },
        process,
        hostname: "tarec".into(),
        mounts: default_mounts(),
        linux: linux(),
        ..RuntimeConfig::default()
    };
    match rootless {
        Some((uid, gid)) => for_user(config, uid, gid),
        None => config,
    }
}

fn linux() -> Linux {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    let new = |kind| Namespace { kind, path: None };
    let deny = DeviceRule { access: Some("rwm".into()), ..DeviceRule::default() };
    Linux {
        namespaces: [Pid, Network, Ipc, Uts, Mount, Cgroup].map(new).to_vec(),
        resources: Resources { devices: vec![deny], ..Resources::default() },
        masked_paths: masked(),
        readonly_paths: readonly(),
        ..Linux::default()
    }
}

/// A user namespace with one id; no network of its own to be set up, no group of terminals, the host's sysfs.
fn for_user(mut config: RuntimeConfig, uid: u32, gid: u32) -> RuntimeConfig {
    config.linux.namespaces.retain(|n| n.kind != NamespaceKind::Network);
    config.linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    let one = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
    (config.linux.uid_mappings, config.linux.gid_mappings) = (one(uid), one(gid));
    config.linux.resources = Resources::default();
    for m in &mut config.mounts {
        m.options.retain(|o| !o.starts_with("gid="));
        if m.kind == "sysfs" {
            let options = ["rbind", "nosuid", "noexec", "nodev", "ro"].map(String::from).to_vec();
            *m = Mount { kind: "none".into(), source: "/sys".into(), options, ..m.clone() };
        }
    }
    config
}

/// Writes `config.json` into `bundle`; one that is there stays, and is an error.
pub fn write(bundle: &Path, rootless: Option<(u32, u32)>) -> Result<(), RuntimeError> {
    use std::io::Write;
    let path = bundle.join("config.json");
    let json = serde_json::to_vec_pretty(&config(rootless)).unwrap_or_default();
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    file.and_then(|mut f| f.write_all(&json)).map_err(io("create", &path))
}
