//! /dev of a container: the specification's default devices and links, and those of the config.

use super::attach;
use super::config::{Device, RuntimeConfig};
use super::rootfs::{Step, by_fd};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknodat, umask};
use rustix::fs::{AtFlags, FileType, OFlags, openat, symlinkat};
use std::os::fd::OwnedFd;
use std::path::Path;

/// runtime-spec, config-linux.md, Default Devices: name, major, minor.
const DEFAULT: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
/// runtime-linux.md, Dev symbolic links; and ptmx, which leads to the container's own instance.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Makes them beneath `root`. In a user namespace mknod is not allowed, so the host's devices are bound there.
pub fn make(root: &OwnedFd, config: &RuntimeConfig, user_namespace: bool) -> Result<(), Step> {
    let dev = super::rootfs::open_dir(root, Path::new("dev"))?;
    let before = umask(Mode::empty());
    for (name, major, minor) in DEFAULT {
        if user_namespace {
            bind(&dev, name, &Path::new("/dev").join(name))?;
        } else {
            node(&dev, name, SFlag::S_IFCHR, makedev(major, minor), 0o666)?;
        }
    }
    for device in &config.linux.devices {
        declared(root, device, user_namespace)?;
    }
    umask(before);
    for (name, to) in LINKS {
        match symlinkat(to, &dev, name) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(Step::new("link /dev/", name, e.into())),
        }
    }
    Ok(())
}

fn node(dir: &OwnedFd, name: &str, kind: SFlag, number: u64, mode: u32) -> Result<(), Step> {
    match mknodat(dir, name, kind, Mode::from_bits_truncate(mode), number) {
        Ok(()) | Err(nix::Error::EEXIST) => Ok(()),
        Err(e) => Err(Step::new("make device", name, e.into())),
    }
}

/// A file that is there already has to be the very device (config-linux.md, Devices).
fn matches(dir: &OwnedFd, name: &str, kind: SFlag, number: u64) -> std::io::Result<()> {
    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    let same_kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind;
    let same = same_kind && (kind == SFlag::S_IFIFO || stat.st_rdev == number);
    if same { Ok(()) } else { Err(std::io::Error::other("another file is there already")) }
}

/// The host's device: mknod is not allowed in a user namespace. Never through a link of the image, which would lead into
/// the host's files: they are still in sight.
fn bind(dev: &OwnedFd, name: &str, host: &Path) -> Result<(), Step> {
    let failed = |e: std::io::Error| Step::new("bind device", name, e);
    let open = |flags| openat(dev, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, 0o644.into());
    let target = match open(OFlags::PATH) {
        Err(rustix::io::Errno::NOENT) => {
            open(OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY).map_err(|e| failed(e.into()))?;
            open(OFlags::PATH)
        }
        other => other,
    };
    let target = target.map_err(|e| failed(e.into()))?;
    let is_link = rustix::fs::fstat(&target).is_ok_and(|s| FileType::from_raw_mode(s.st_mode).is_symlink());
    if is_link {
        return Err(failed(std::io::Error::other("a link is there already")));
    }
    match attach::copy_of(host, false).map_err(failed)? {
        Some(tree) => attach::put(&tree, &target).map_err(failed),
        None => mount(Some(host), by_fd(&target).as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .map_err(|e| failed(e.into())),
    }
}

fn declared(root: &OwnedFd, device: &Device, user_namespace: bool) -> Result<(), Step> {
    let shown = device.path.display().to_string();
    let parent = super::rootfs::make_dir(root, device.path.parent().unwrap_or(Path::new("/")))?;
    let name = device.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let kind = match device.kind.as_str() {
        "c" | "u" => SFlag::S_IFCHR,
        "b" => SFlag::S_IFBLK,
        "p" => SFlag::S_IFIFO,
        other => {
            return Err(Step::new(
                "make device",
                &shown,
                std::io::Error::other(format!("type {other:?} is not c, b, u or p")),
            ));
        }
    };
    let number = makedev(u64::from(device.major), u64::from(device.minor));
    matches(&parent, &name, kind, number).map_err(|e| Step::new("make device", &shown, e))?;
    if user_namespace && kind != SFlag::S_IFIFO {
        return bind(&parent, &name, &device.path);
    }
    node(&parent, &name, kind, number, device.file_mode.unwrap_or(0o666) & 0o7777)?;
    let id = |n: Option<u32>| Some(n.unwrap_or(0));
    let (uid, gid) =
        (id(device.uid).map(rustix::fs::Uid::from_raw), id(device.gid).map(rustix::fs::Gid::from_raw));
    rustix::fs::chownat(&parent, name.as_str(), uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| Step::new("chown device", &shown, e.into()))
}
