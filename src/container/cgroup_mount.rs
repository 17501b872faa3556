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

/// Copies of the mounts of the container's own cgroups, by the names of their controllers.
pub type Copies = Vec<(String, OwnedFd)>;

/// Those of v1 that are bound, made while the host's files are in sight, so that the root can be entered before they are
/// mounted. None where the one mount that there is does not go by them.
pub fn copies(config: &RuntimeConfig, cgroup: &RunCgroup) -> Result<Option<Copies>, Step> {
    let mut wanted = config.mounts.iter().enumerate().filter(|(_, m)| m.kind == "cgroup");
    let (Some((index, m)), None) = (wanted.next(), wanted.next()) else { return Ok(None) };
    let Hierarchies::V1(all) = cgroup.hierarchies() else { return Ok(None) };
    let flags = parse(&m.options).flags;
    if by_namespace(config) || other_times(flags) {
        return Ok(None);
    }
    let shown = m.destination.display().to_string();
    let mut copies = Vec::with_capacity(all.len());
    for hierarchy in all {
        let Some(own) = hierarchy.controllers.first().and_then(|c| cgroup.dir(c)) else { continue };
        match attach::copy_with(&own, flags) {
            Ok(tree) => copies.push((hierarchy.controllers.join(","), tree)),
            // One that this user may not make is not shown.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) if e.raw_os_error() == Some(nix::libc::ENOSYS) => return Ok(None),
            Err(e) => return Err(Step::new("mount cgroup on", &shown, e).within(&format!("mounts[{index}]"))),
        }
    }
    Ok(Some(copies))
}

/// Mounts it where `m` says. With a cgroup namespace the root of each hierarchy is the container's own cgroup; without
/// one that cgroup is bound, so that a container never sees those of others; by [`copies`], where there are any.
pub fn mount_cgroups(
    root: &OwnedFd,
    m: &Mount,
    cgroup: &RunCgroup,
    config: &RuntimeConfig,
    copies: Option<&Copies>,
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
    if let Some(copies) = copies {
        let top = make_dir(root, &m.destination)?;
        let put = |(names, tree): &(String, OwnedFd)| attach::put_at(tree, &top, names);
        copies.iter().try_for_each(put).map_err(|e| Step::new("mount cgroup on", &shown, e))?;
    } else {
        for hierarchy in all {
            let names = hierarchy.controllers.join(",");
            let own = hierarchy.controllers.first().and_then(|c| cgroup.dir(c));
            one(&m.destination.join(&names), "cgroup", Some(&names), own)?;
        }
    }
    remount(&m.destination, flags)
}

/// Whether access times are kept in another way than the default.
fn other_times(flags: MsFlags) -> bool {
    flags.intersects(MsFlags::MS_NOATIME | MsFlags::MS_STRICTATIME | MsFlags::MS_NODIRATIME)
}
