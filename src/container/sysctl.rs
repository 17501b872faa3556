//! `linux.sysctl`: only parameters that belong to a namespace of the container. All others are the host's, and a write in
//! the container would change it for everybody.

use super::config::{NamespaceKind, RuntimeConfig};
use std::os::unix::fs::MetadataExt;

/// Of an ipc namespace (ipc_namespaces(7)), besides fs.mqueue.*.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Checks all names; JSON path and reason of the first that is refused.
pub fn check(config: &RuntimeConfig) -> Result<(), (String, String)> {
    for name in config.linux.sysctl.keys() {
        let fail = |why: String| Err((format!("linux.sysctl.{name}"), why));
        let is_plain = !name.is_empty() && !name.starts_with(['/', '.']) && !name.contains("..");
        if !is_plain {
            return fail("is not a name like net.ipv4.ip_forward".into());
        }
        let Some((kind, file)) = namespace_of(&name.replace('/', ".")) else {
            return fail("is the host's: no namespace has one of its own".into());
        };
        if !is_the_containers(config, kind, file) {
            return fail(format!(
                "needs a {kind:?} namespace of the container's own, or the host's is changed"
            ));
        }
    }
    Ok(())
}

/// The kind of namespace that has such a parameter for itself, and its file in /proc/PID/ns.
fn namespace_of(name: &str) -> Option<(NamespaceKind, &'static str)> {
    if name.starts_with("net.") {
        return Some((NamespaceKind::Network, "net"));
    }
    if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        return Some((NamespaceKind::Ipc, "ipc"));
    }
    if matches!(name, "kernel.hostname" | "kernel.domainname") {
        return Some((NamespaceKind::Uts, "uts"));
    }
    name.starts_with("user.").then_some((NamespaceKind::User, "user"))
}

/// A new one, or one by path that is not the runtime's.
fn is_the_containers(config: &RuntimeConfig, kind: NamespaceKind, file: &str) -> bool {
    let same = |path: &std::path::Path| {
        let of = |p: &std::path::Path| std::fs::metadata(p).ok().map(|m| (m.dev(), m.ino()));
        of(path).is_some() && of(path) == of(format!("/proc/self/ns/{file}").as_ref())
    };
    config.namespace(kind).is_some_and(|n| n.path.as_deref().is_none_or(|path| !same(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_belong_to_a_namespace_or_to_the_host() {
        let kind = |name| namespace_of(name).map(|(_, file)| file);
        assert_eq!(kind("net.ipv4.ip_forward"), Some("net"));
        assert_eq!((kind("kernel.sem"), kind("fs.mqueue.msg_max")), (Some("ipc"), Some("ipc")));
        assert_eq!(
            (kind("kernel.domainname"), kind("user.max_user_namespaces")),
            (Some("uts"), Some("user"))
        );
        for host in [
            "kernel.panic",
            "vm.swappiness",
            "fs.file-max",
            "kernel.core_pattern",
            "network.x",
            "kernel.sem2",
        ] {
            assert_eq!(kind(host), None, "{host}");
        }
    }
}
