//! Which mounts can be made before the network namespace is there.
//!
//! sysfs shows the network namespace it was mounted in, and the runtime makes that one meanwhile. The order of the
//! config is kept, but for one case in which no one can tell: file systems without a source beneath a fresh tmpfs on
//! /dev may go before sysfs and cgroups on /sys, as nothing of one can lead into the other.

use super::config::{Mount, RuntimeConfig};
use std::path::Path;

/// Mounts in two parts.
pub struct Order<'a> {
    /// Before the word to go.
    pub first: Vec<&'a Mount>,
    /// After it.
    pub last: Vec<&'a Mount>,
    /// Whether the last part needs nothing of the host's files, so that the root may be entered before.
    pub last_is_plain: bool,
}

fn waits(m: &Mount) -> bool {
    matches!(m.kind.as_str(), "sysfs" | "cgroup" | "cgroup2") && m.destination.starts_with("/sys")
}

impl<'a> Order<'a> {
    /// For this config. `copied`: what mounts of cgroups bind is there already.
    pub fn of(config: &'a RuntimeConfig, in_user_namespace: bool, copied: bool) -> Self {
        let at = config.mounts.iter().position(waits).unwrap_or(config.mounts.len());
        let (first, rest) = config.mounts.split_at(at);
        let fresh_dev = first.iter().any(|m| m.kind == "tmpfs" && m.destination == Path::new("/dev"));
        let may_go_before = |m: &Mount| {
            fresh_dev
                && matches!(m.kind.as_str(), "tmpfs" | "devpts" | "mqueue")
                && m.destination.starts_with("/dev")
                && m.destination != Path::new("/dev")
        };
        let (before, last): (Vec<&Mount>, Vec<&Mount>) = rest.iter().partition(|m| may_go_before(m));
        let hooks = config.hooks.as_ref().is_some_and(|h| !h.is_empty());
        let bound =
            !copied && !super::cgroup_mount::by_namespace(config) && last.iter().any(|m| m.kind == "cgroup");
        // The kernel lets a user namespace mount sysfs only while another one is in sight: that of the host.
        let user = in_user_namespace || config.namespace(super::config::NamespaceKind::User).is_some();
        // Mounts after the pivot go by /proc: it has to be the kernel's, and nothing over any part of it.
        let on_proc = first.iter().filter(|m| m.destination.starts_with("/proc")).collect::<Vec<_>>();
        let real_proc = matches!(on_proc[..], [m] if m.kind == "proc" && m.destination == Path::new("/proc"));
        let last_is_plain = real_proc && !hooks && !user && !bound && last.iter().all(|m| waits(m));
        Self { first: first.iter().chain(before).collect(), last, last_is_plain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(mounts: &[(&str, &str)]) -> (Vec<String>, Vec<String>, bool) {
        let mount = |(to, kind): &(&str, &str)| Mount {
            destination: to.into(),
            kind: (*kind).to_owned(),
            ..Mount::default()
        };
        let config = RuntimeConfig { mounts: mounts.iter().map(mount).collect(), ..RuntimeConfig::default() };
        let order = Order::of(&config, false, false);
        let names = |v: &[&Mount]| v.iter().map(|m| m.destination.display().to_string()).collect();
        (names(&order.first), names(&order.last), order.last_is_plain)
    }

    #[test]
    fn only_what_no_one_can_tell_is_moved() {
        let docker = [("/proc", "proc"), ("/dev", "tmpfs"), ("/sys", "sysfs"), ("/dev/shm", "tmpfs")];
        let (first, last, plain) = order(&docker);
        assert_eq!(
            (first, last),
            (vec!["/proc".into(), "/dev".into(), "/dev/shm".into()], vec!["/sys".into()])
        );
        assert!(plain);
        let false_proc = [("/proc", "bind"), ("/dev", "tmpfs"), ("/sys", "sysfs")];
        assert!(!order(&false_proc).2, "mounts after the pivot would go by a false /proc");
        let bound = [("/sys", "sysfs"), ("/dev/x", "tmpfs"), ("/data", "bind")];
        let (first, last, plain) = order(&bound);
        assert_eq!((first.len(), last.len(), plain), (0, 3, false), "/dev is the image's there");
    }
}
