//! Which devices a container may use: the list of the v1 devices controller, or on v2 a program.

use super::device_program::assemble;
use super::{CgroupError, RunCgroup};
use crate::container::config::DeviceRule;
use crate::sys::bpf;
use crate::sys::process::is_rootless;
use std::io::Write;
use std::os::fd::AsFd;

/// Always allowed: mknod of anything, and use of the default devices, terminals included (runtime-spec, Default
/// Devices): type, major, minor, access; -1: all.
const DEFAULT: [(&str, i64, i64, &str); 9] = [
    ("c", -1, -1, "m"),
    ("b", -1, -1, "m"),
    ("c", 1, 3, "rwm"),
    ("c", 1, 5, "rwm"),
    ("c", 1, 7, "rwm"),
    ("c", 1, 8, "rwm"),
    ("c", 1, 9, "rwm"),
    ("c", 5, -1, "rwm"),
    ("c", 136, -1, "rwm"),
];

/// Sets the rules of `linux.resources.devices`, and the default ones after them. Nothing where there are none; and on v2
/// nothing for an ordinary user, who may not load a program, and has no device but those that the host lets the user open.
pub(super) fn apply(cgroup: &RunCgroup, rules: &[DeviceRule]) -> Result<(), CgroupError> {
    if rules.is_empty() || cgroup.hierarchies.is_v2() && is_rootless() {
        return Ok(());
    }
    let all = with_default(rules);
    if cgroup.hierarchies.is_v2() { program(cgroup, &all) } else { list(cgroup, &all) }
}

/// `rules`, and the default ones after them.
pub(in crate::container) fn with_default(rules: &[DeviceRule]) -> Vec<DeviceRule> {
    let default = DEFAULT.map(|(kind, major, minor, access)| DeviceRule {
        allow: true,
        kind: Some(kind.into()),
        major: Some(major),
        minor: Some(minor),
        access: Some(access.into()),
    });
    rules.iter().chain(&default).cloned().collect()
}

fn list(cgroup: &RunCgroup, rules: &[DeviceRule]) -> Result<(), CgroupError> {
    let none = || CgroupError::NoController { controller: "devices".into() };
    let dir = cgroup.dir("devices").ok_or_else(none)?;
    let open = |name: &str| {
        let path = dir.join(name);
        let file = std::fs::OpenOptions::new().write(true).open(&path);
        file.map_err(|source| CgroupError::Io { step: "open", path, source })
    };
    let (mut allow, mut deny) = (open("devices.allow")?, open("devices.deny")?);
    for rule in rules {
        // A write for each rule; the kernel does not look at the offset.
        let (file, name) =
            if rule.allow { (&mut allow, "devices.allow") } else { (&mut deny, "devices.deny") };
        let value = text(rule);
        let written = file.write_all(value.as_bytes());
        written.map_err(|source| CgroupError::Value { path: dir.join(name), value, source })?;
    }
    Ok(())
}

fn text(rule: &DeviceRule) -> String {
    let number = |n: Option<i64>| n.filter(|n| *n >= 0).map_or("*".to_owned(), |n| n.to_string());
    let kind = rule.kind.as_deref().unwrap_or("a");
    let access = rule.access.as_deref().unwrap_or("rwm");
    format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
}

/// The new program goes on before the old ones go off: at no time is everything allowed.
fn program(cgroup: &RunCgroup, rules: &[DeviceRule]) -> Result<(), CgroupError> {
    let Some(dir) = cgroup.dir("devices") else { return Ok(()) };
    let failed = |source| CgroupError::Devices { path: dir.clone(), source };
    let folder = std::fs::File::open(&dir).map_err(failed)?;
    let before = bpf::device_programs(folder.as_fd()).map_err(failed)?;
    let program = bpf::load_device_program(&assemble(rules)).map_err(failed)?;
    bpf::attach_device_program(folder.as_fd(), program.as_fd()).map_err(failed)?;
    before.iter().try_for_each(|old| bpf::detach_device_program(folder.as_fd(), old.as_fd())).map_err(failed)
}
