//! What has to hold in a runtime config before anything is done with it. Errors name the field by its JSON path.

use super::config::{NamespaceKind, RuntimeConfig};
use std::path::{Component, Path};

type Checked = Result<(), (String, String)>;

fn fail(field: impl Into<String>, why: impl Into<String>) -> Checked {
    Err((field.into(), why.into()))
}

/// All checks.
pub fn check(config: &RuntimeConfig) -> Checked {
    if !config.oci_version.starts_with("1.") {
        return fail("ociVersion", format!("{:?}: this runtime speaks 1.x", config.oci_version));
    }
    process(config)?;
    if let Some(kind) =
        config.hooks.iter().flatten().find(|(_, v)| v.as_array().is_none_or(|a| !a.is_empty()))
    {
        return fail(format!("hooks.{}", kind.0), "hooks are not supported yet: remove them");
    }
    if config.root.path.as_os_str().is_empty() {
        return fail("root.path", "is missing");
    }
    for (i, mount) in config.mounts.iter().enumerate() {
        plain(&format!("mounts[{i}].destination"), &mount.destination)?;
    }
    for (i, device) in config.linux.devices.iter().enumerate() {
        plain(&format!("linux.devices[{i}].path"), &device.path)?;
    }
    namespaces(config)
}

fn process(config: &RuntimeConfig) -> Checked {
    let p = &config.process;
    if p.args.is_empty() {
        return fail("process.args", "is missing or empty: name the program to run");
    }
    if !Path::new(&p.cwd).is_absolute() {
        return fail("process.cwd", format!("{:?} is not an absolute path", p.cwd));
    }
    if p.terminal {
        return fail("process.terminal", "terminals are not supported yet: set it to false");
    }
    let nul = |s: &String| s.contains('\0');
    match p.args.iter().chain(&p.env).position(nul) {
        Some(_) => fail("process", "an argument or environment entry contains a NUL character"),
        None => Ok(()),
    }
}

fn namespaces(config: &RuntimeConfig) -> Checked {
    for (i, n) in config.linux.namespaces.iter().enumerate() {
        let field = format!("linux.namespaces[{i}]");
        if config.linux.namespaces[..i].iter().any(|m| m.kind == n.kind) {
            return fail(field, format!("{:?} is named twice", n.kind));
        }
        if n.path.as_ref().is_some_and(|p| !p.is_absolute()) {
            return fail(format!("{field}.path"), "is not an absolute path");
        }
    }
    if config.namespace(NamespaceKind::Mount).is_none_or(|n| n.path.is_some()) {
        return fail(
            "linux.namespaces",
            "a new mount namespace is needed, or the host's mounts would be changed",
        );
    }
    let own_uts = config.namespace(NamespaceKind::Uts).is_some();
    if !config.hostname.is_empty() && !own_uts {
        return fail("hostname", "needs a uts namespace in linux.namespaces");
    }
    match config.namespace(NamespaceKind::User) {
        Some(n) if n.path.is_none() && config.linux.uid_mappings.is_empty() => {
            fail("linux.uidMappings", "a new user namespace needs mappings")
        }
        _ => Ok(()),
    }
}

/// Absolute, and without `..`.
fn plain(field: &str, path: &Path) -> Checked {
    let climbs = path.components().any(|c| matches!(c, Component::ParentDir));
    if path.is_absolute() && !climbs {
        Ok(())
    } else {
        fail(field, format!("{path:?} is not a plain absolute path"))
    }
}
