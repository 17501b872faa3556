//! `features`: what this runtime knows, whatever the host has (runtime-spec, features.md).

use super::mount_options;
use serde_json::{Value, json};

/// The document.
pub fn document() -> Value {
    let options: std::collections::BTreeSet<&str> = mount_options::names().collect();
    let capabilities: Vec<String> = caps::all().into_iter().map(|c| c.to_string()).collect();
    let mut capabilities = capabilities;
    capabilities.sort();
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.2.1",
        "hooks": super::config::Hooks::default().kinds().map(|(name, _)| name),
        "mountOptions": options,
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": capabilities,
            "cgroup": {"v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true},
            "seccomp": seccomp(),
            "apparmor": {"enabled": true},
            "selinux": {"enabled": true},
            "intelRdt": {"enabled": false},
            "mountExtensions": {"idmap": {"enabled": true}},
        },
        "annotations": {"org.taremark.version": env!("CARGO_PKG_VERSION")},
        "potentiallyUnsafeConfigAnnotations": ["org.systemd.property.", "org.taremark."],
    })
}

fn seccomp() -> Value {
    let act = ["ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "LOG", "NOTIFY", "TRACE", "TRAP"];
    let cmp = ["EQ", "GE", "GT", "LE", "LT", "MASKED_EQ", "NE"];
    let arch = ["AARCH64", "ARM", "X32", "X86", "X86_64"];
    let flag =
        ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"].map(|f| format!("SECCOMP_FILTER_FLAG_{f}"));
    json!({
        "enabled": true,
        "actions": act.map(|a| format!("SCMP_ACT_{a}")),
        "operators": cmp.map(|c| format!("SCMP_CMP_{c}")),
        "archs": arch.map(|a| format!("SCMP_ARCH_{a}")),
        "knownFlags": flag,
        "supportedFlags": flag,
    })
}
