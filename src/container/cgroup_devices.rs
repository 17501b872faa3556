//! Which devices a container may use: the list of the v1 devices controller.

use super::cgroup::RunCgroup;
use super::config::{DeviceRule, RuntimeConfig};
use super::error::{RuntimeError, io};

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
pub fn apply(cgroup: &RunCgroup, config: &RuntimeConfig) -> Result<(), RuntimeError> {
    let rules = &config.linux.resources.devices;
    let Some(dir) = cgroup.dir("devices").filter(|d| d.join("devices.deny").exists()) else { return Ok(()) };
    if rules.is_empty() {
        return Ok(());
    }
    let write = |file: &str, rule: &str| {
        let path = dir.join(file);
        std::fs::write(&path, rule).map_err(io("write", &path))
    };
    for rule in rules {
        write(if rule.allow { "devices.allow" } else { "devices.deny" }, &text(rule))?;
    }
    DEFAULT.iter().try_for_each(|rule| write("devices.allow", rule))
}

fn text(rule: &DeviceRule) -> String {
    let number = |n: Option<i64>| n.filter(|n| *n >= 0).map_or("*".to_owned(), |n| n.to_string());
    let kind = rule.kind.as_deref().unwrap_or("a");
    let access = rule.access.as_deref().unwrap_or("rwm");
    format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
}
