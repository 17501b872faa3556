//! Capabilities of the container's process.

use super::config::Capabilities;
use caps::{CapSet, Capability, CapsHashSet};
use std::str::FromStr;

/// Docker's default set.
pub const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// Names to a set. Names that this kernel or library does not know are passed over, as the specification asks.
fn set(names: &[String]) -> CapsHashSet {
    names.iter().filter_map(|n| Capability::from_str(n).ok()).collect()
}

/// Names that nobody knows: they are told, and passed over.
pub fn warn_of_unknown(wanted: &Capabilities) {
    let all = [&wanted.bounding, &wanted.effective, &wanted.inheritable, &wanted.permitted, &wanted.ambient];
    let unknown = |n: &&String| Capability::from_str(n).is_err();
    let names: std::collections::BTreeSet<&String> = all.into_iter().flatten().filter(unknown).collect();
    for name in names {
        super::warning::warn(&format!("process.capabilities: {name} is not known here, and passed over"));
    }
}

/// Before the user is changed: takes everything out of the bounding set that is not to stay in it.
pub fn drop_bounding(wanted: &Capabilities) -> Result<(), std::io::Error> {
    let wanted = set(&wanted.bounding);
    let known = last_known();
    for cap in caps::all().into_iter().filter(|c| u32::from(c.index()) <= known && !wanted.contains(c)) {
        caps::drop(None, CapSet::Bounding, cap).map_err(std::io::Error::other)?;
    }
    Ok(())
}

/// After the user is changed: the other four sets. Ambient ones that are not permitted and inheritable cannot be
/// raised, and are passed over.
pub fn apply(wanted: &Capabilities) -> Result<(), std::io::Error> {
    caps::securebits::has_keepcaps().map_err(std::io::Error::other)?;
    // What we do not hold ourselves cannot be granted.
    let held = caps::read(None, CapSet::Permitted).map_err(std::io::Error::other)?;
    let permitted: CapsHashSet = set(&wanted.permitted).intersection(&held).copied().collect();
    let inheritable = set(&wanted.inheritable);
    let effective: CapsHashSet = set(&wanted.effective).intersection(&permitted).copied().collect();
    caps::set(None, CapSet::Effective, &effective).map_err(std::io::Error::other)?;
    caps::set(None, CapSet::Permitted, &permitted).map_err(std::io::Error::other)?;
    caps::set(None, CapSet::Inheritable, &inheritable).map_err(std::io::Error::other)?;
    caps::clear(None, CapSet::Ambient).map_err(std::io::Error::other)?;
    for cap in set(&wanted.ambient).intersection(&permitted.intersection(&inheritable).copied().collect()) {
        caps::raise(None, CapSet::Ambient, *cap).map_err(std::io::Error::other)?;
    }
    Ok(())
}

/// Highest capability of the running kernel.
fn last_known() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap_or_default();
    text.trim().parse().unwrap_or(40)
}
