//! Which devices a container may use: the list of the v1 devices controller.

use super::cgroup::{CgroupError, RunCgroup};
use super::config::{DeviceRule, RuntimeConfig};
use std::io::Write;

/// Always allowed: mknod of anything, and use of the default devices, terminals included (runtime-spec, Default
/// Devices).
const DEFAULT: [&str; 9] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:* rwm",
    "c 136:* rwm",
];

/// Writes the rules of `linux.resources.devices`, and the default ones after them. Nothing on v2, where devices are
/// not a controller: there the container has no right to make a device that is not in its config.
pub fn apply(cgroup: &RunCgroup, config: &RuntimeConfig) -> Result<(), CgroupError> {
    let rules = &config.linux.resources.devices;
    let Some(dir) = cgroup.dir("devices").filter(|_| !cgroup.hierarchies().is_v2()) else { return Ok(()) };
    if rules.is_empty() {
        return Ok(());
    }
    let open = |name: &str| {
        let path = dir.join(name);
        let file = std::fs::OpenOptions::new().write(true).open(&path);
        file.map_err(|source| CgroupError::Io { step: "open", path, source })
    };
    let (mut allow, mut deny) = (open("devices.allow")?, open("devices.deny")?);
    // A write for each rule; the file is rewound by no one, the kernel does not look at the offset.
    let mut write = |allowed: bool, rule: &str| {
        let (file, name) = if allowed { (&mut allow, "devices.allow") } else { (&mut deny, "devices.deny") };
        let written = file.write_all(rule.as_bytes());
        written.map_err(|source| CgroupError::Io { step: "write", path: dir.join(name), source })
    };
    for rule in rules {
        write(rule.allow, &text(rule))?;
    }
    DEFAULT.iter().try_for_each(|rule| write(true, rule))
}

fn text(rule: &DeviceRule) -> String {
    let number = |n: Option<i64>| n.filter(|n| *n >= 0).map_or("*".to_owned(), |n| n.to_string());
    let kind = rule.kind.as_deref().unwrap_or("a");
    let access = rule.access.as_deref().unwrap_or("rwm");
    format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
}
