//! /sys/fs/cgroup of a container: its own part of each hierarchy, by the cgroup namespace.

use super::cgroup::Hierarchies;
use super::config::Mount;
use super::mount_options::parse;
use super::rootfs::{Step, by_fd, make_dir};
use nix::mount::{MsFlags, mount};
use std::os::fd::OwnedFd;

/// Mounts it where `m` says. Called in the container's cgroup namespace, so each root is the container's own cgroup.
pub fn mount_cgroups(root: &OwnedFd, m: &Mount, hierarchies: &Hierarchies) -> Result<(), Step> {
    let target = make_dir(root, &m.destination)?;
    let at = by_fd(&target);
    let flags = parse(&m.options).flags;
    let shown = m.destination.display().to_string();
    let failed = |e: nix::Error| Step::new("mount cgroup on", &shown, e.into());
    let Hierarchies::V1(all) = hierarchies else {
        return mount(Some("cgroup"), at.as_str(), Some("cgroup2"), flags, None::<&str>).map_err(failed);
    };
    let plain = flags & !MsFlags::MS_RDONLY;
    mount(Some("tmpfs"), at.as_str(), Some("tmpfs"), plain, Some("mode=755")).map_err(failed)?;
    for hierarchy in all {
        let names = hierarchy.controllers.join(",");
        let dir = make_dir(root, &m.destination.join(&names))?;
        mount(Some("cgroup"), by_fd(&dir).as_str(), Some("cgroup"), flags, Some(names.as_str()))
            .map_err(failed)?;
    }
    let again = make_dir(root, &m.destination)?;
    let readonly = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    mount(None::<&str>, by_fd(&again).as_str(), None::<&str>, readonly, None::<&str>).map_err(failed)
}
