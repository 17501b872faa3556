//! /sys/fs/cgroup of a container: its own part of each hierarchy, by the cgroup namespace, or by a bind where it has none.

use super::attach;
use super::cgroup::{Hierarchies, RunCgroup};
use super::config::{Mount, NamespaceKind, RuntimeConfig};
use super::mount_options::parse;
use super::rootfs::{Step, make_dir, short};
use nix::mount::{MsFlags, mount};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Whether the mount works by the cgroup namespace, so that nothing of the host's files is needed.
pub fn by_namespace(config: &RuntimeConfig) -> bool {
    config.namespace(NamespaceKind::Cgroup).is_some()
}

/// Mounts it where `m` says. With a cgroup namespace the root of each hierarchy is the container's own cgroup; without
/// one that cgroup is bound, so that a container never sees those of others.
pub fn mount_cgroups(
    root: &OwnedFd,
    m: &Mount,
    cgroup: &RunCgroup,
    config: &RuntimeConfig,
) -> Result<(), Step> {
    let flags = parse(&m.options).flags;
    let shown = m.destination.display().to_string();
    let failed = |e: nix::Error| Step::new("mount cgroup on", &shown, e.into());
    let remount = |path: &Path, flags: MsFlags| {
        // Opened anew: a descriptor from before the mount leads beneath it.
        let mounted = make_dir(root, path)?;
        let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
        mount(None::<&str>, short(&mounted).as_str(), None::<&str>, flags, None::<&str>).map_err(failed)
    };
    let one = |path: &Path, kind: &str, data: Option<&str>, own: Option<PathBuf>| {
        let target = make_dir(root, path)?;
        let at = short(&target);
        if by_namespace(config) {
            match mount(Some("cgroup"), at.as_str(), Some(kind), flags, data) {
                // An ordinary user's /sys is the host's, with its v2 in it, and no file system is mounted twice in one
                // place.
                Err(nix::Error::EBUSY) if kind == "cgroup2" => {}
                mounted => return mounted.map_err(failed),
            }
        }
        // One that this user may not make is not shown.
        let Some(own) = own.filter(|dir| dir.exists()) else { return Ok(()) };
        mount(Some(&own), at.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(failed)?;
        remount(path, flags)
    };
    let Hierarchies::V1(all) = cgroup.hierarchies() else {
        return one(&m.destination, "cgroup2", None, cgroup.dir("memory"));
    };
    let target = make_dir(root, &m.destination)?;
    let plain = flags & !MsFlags::MS_RDONLY;
    mount(Some("tmpfs"), short(&target).as_str(), Some("tmpfs"), plain, Some("mode=755")).map_err(failed)?;
    let top = make_dir(root, &m.destination)?;
    for hierarchy in all {
        let names = hierarchy.controllers.join(",");
        let own = hierarchy.controllers.first().and_then(|c| cgroup.dir(c));
        if let Some(own) = own.as_deref().filter(|_| !by_namespace(config) && !other_times(flags)) {
            match attach::bind_at(own, flags, &top, &names) {
                // One that this user may not make is not shown.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) if e.raw_os_error() == Some(nix::libc::ENOSYS) => {}
                other => {
                    other.map_err(|e| Step::new("mount cgroup on", &shown, e))?;
                    continue;
                }
            }
        }
        one(&m.destination.join(&names), "cgroup", Some(&names), own)?;
    }
    remount(&m.destination, flags)
}

/// Whether access times are kept in another way than the default.
fn other_times(flags: MsFlags) -> bool {
    flags.intersects(MsFlags::MS_NOATIME | MsFlags::MS_STRICTATIME | MsFlags::MS_NODIRATIME)
}
