//! Capabilities of the container's process.

use super::config::Capabilities;
use crate::sys::capability as process;
use caps::Capability;
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

/// Names to bits. Names that this kernel or library does not know are passed over, as the specification asks.
fn set(names: &[String]) -> u64 {
    names.iter().filter_map(|n| Capability::from_str(n).ok()).fold(0, |bits, c| bits | 1 << c.index())
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
    for cap in (0..64).filter(|cap| wanted & 1 << cap == 0) {
        match (process::drop_from_bounding_set(cap), process::in_bounding_set) {
            (Ok(()), _) => {}
            // Those that the kernel has follow each other; it says EINVAL to the first that it does not know.
            (Err(e), _) if e.raw_os_error() == Some(nix::libc::EINVAL) => break,
            // Without the right to drop it: no error where it is not there.
            (Err(e), in_set) => match in_set(cap) {
                Some(true) => return Err(e),
                Some(false) => {}
                None => break,
            },
        }
    }
    Ok(())
}

/// After the user is changed: the other four sets. Ambient ones that are not permitted and inheritable cannot be
/// raised, and are passed over.
pub fn apply(wanted: &Capabilities) -> Result<(), std::io::Error> {
    // What we do not hold ourselves cannot be granted, which is no failure (config.md, Linux Process).
    let held = caps::read(None, caps::CapSet::Permitted).map_err(std::io::Error::other)?;
    let held = held.iter().fold(0, |bits, c| bits | 1 << c.index());
    let (permitted, inheritable) = (set(&wanted.permitted) & held, set(&wanted.inheritable));
    process::set_capabilities(set(&wanted.effective) & permitted, permitted, inheritable)?;
    process::clear_ambient()?;
    let ambient = set(&wanted.ambient) & permitted & inheritable;
    (0..64).filter(|cap| ambient & 1 << cap != 0).try_for_each(process::raise_ambient)
}
