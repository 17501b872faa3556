//! What may not be seen or written in a container: sysctl first, then read-only and masked paths, the root last.

use super::config::RuntimeConfig;
use super::procfs::Procfs;
use super::rootfs::{self, Step};
use std::os::fd::OwnedFd;
use std::path::Path;

/// The container's own /dev/null, with which files are masked: one of the host would lie in mounts that are left.
/// Checked, because an image may have anything of that name (CVE-2025-31133).
pub fn open_null(root: &OwnedFd) -> Result<OwnedFd, Step> {
    let null = rootfs::open_path(root, Path::new("/dev/null"))?;
    let is_null = rustix::fs::fstat(&null).is_ok_and(|s| s.st_rdev == nix::sys::stat::makedev(1, 3));
    let other = || Step::new("mask with", "/dev/null", std::io::Error::other("it is not the null device"));
    if is_null { Ok(null) } else { Err(other()) }
}

/// `linux.sysctl`, in the container's own namespaces.
pub fn sysctl(config: &RuntimeConfig, procfs: &Procfs) -> Result<(), Step> {
    config.linux.sysctl.iter().try_for_each(|(name, value)| {
        let path = format!("sys/{}", name.replace('.', "/"));
        procfs.write(&path, value).map_err(|e| Step::new("set linux.sysctl", name, e))
    })
}

/// `linux.readonlyPaths` and `linux.maskedPaths`, those of them that are `wanted` now.
pub fn paths(
    root: &OwnedFd,
    config: &RuntimeConfig,
    null: &OwnedFd,
    wanted: impl Fn(&Path) -> bool,
) -> Result<(), Step> {
    for path in config.linux.readonly_paths.iter().filter(|p| wanted(p)) {
        rootfs::make_readonly(root, path)?;
    }
    for path in config.linux.masked_paths.iter().filter(|p| wanted(p)) {
        rootfs::mask(root, path, null)?;
    }
    Ok(())
}

/// `root.readonly`.
pub fn root(root: &OwnedFd, config: &RuntimeConfig) -> Result<(), Step> {
    if config.root.readonly { rootfs::make_root_readonly(root) } else { Ok(()) }
}
