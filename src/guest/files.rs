//! Drivers and mounts of the guest.

use super::error::{GuestError, failed};
use nix::mount::{MsFlags, mount};
use std::path::{Path, PathBuf};

/// Where the image's root is put together before it becomes `/`.
const NEW_ROOT: &str = "/new";

pub(super) fn mkdir(path: &str) -> Result<(), GuestError> {
    match std::fs::create_dir(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(failed("create", path)(e)),
        _ => Ok(()),
    }
}

fn mount_on(to: &str, kind: &str, source: &str, flags: MsFlags, options: &str) -> Result<(), GuestError> {
    mkdir(to)?;
    match mount(Some(source), to, Some(kind), flags, Some(options)) {
        // Within an operating system the very same is mounted there already.
        Ok(()) | Err(nix::Error::EBUSY) => Ok(()),
        Err(e) => Err(failed("mount on", to)(e)),
    }
}

/// /proc, /sys and /dev, in the initramfs; they move to the image's root later.
pub(super) fn mount_kernel_files() -> Result<(), GuestError> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_on("/proc", "proc", "proc", plain, "")?;
    mount_on("/sys", "sysfs", "sysfs", plain, "")?;
    mount_on("/dev", "devtmpfs", "devtmpfs", MsFlags::MS_NOSUID, "mode=0755")
}

/// Loads the modules of a folder in the order of their names, as the host has sorted them by what they need.
pub(super) fn load_modules(dir: &str) -> Result<(), GuestError> {
    let mut paths: Vec<PathBuf> = match std::fs::read_dir(dir) {
        Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
        // A kernel with everything built in has none.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed("list", dir)(e)),
    };
    paths.sort();
    for path in paths {
        let name = path.display().to_string();
        let file = std::fs::File::open(&path).map_err(failed("open", name.as_str()))?;
        match rustix::system::finit_module(&file, c"", 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(failed("load module", name)(e)),
        }
    }
    Ok(())
}

/// The device node of the disk with this serial number.
pub(super) fn disk(serial: &str) -> Result<String, GuestError> {
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    // Firecracker's disks have serial numbers of its own making; they are in the order in which they were given.
    if super::boot::told("tare.disks=").is_some_and(|how| how == "by-order") {
        return Ok(if serial == "root" { "/dev/vda" } else { "/dev/vdb" }.to_owned());
    }
    let entries = std::fs::read_dir("/sys/block").map_err(failed("list", "/sys/block"))?;
    let is = |p: &Path| std::fs::read_to_string(p.join("serial")).is_ok_and(|s| s.trim() == serial);
    let found = entries.flatten().map(|e| e.path()).find(|p| is(p));
    let name = found.and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    name.map(|n| format!("/dev/{n}")).ok_or_else(|| failed("find disk", serial)(missing()))
}

/// The image: what came with the initramfs, or its disk, read-only, below a tmpfs that takes the writes.
pub(super) fn mount_root(format: &str) -> Result<(), GuestError> {
    if Path::new(NEW_ROOT).is_dir() {
        make_room()?;
        // Only what is mounted can become `/`.
        return mount(Some(NEW_ROOT), NEW_ROOT, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .map_err(failed("mount on", NEW_ROOT));
    }
    mount_on("/image", format, &disk("root")?, MsFlags::MS_RDONLY, "")?;
    mount_on("/top", "tmpfs", "tmpfs", MsFlags::empty(), "mode=0755")?;
    mkdir("/top/upper")?;
    mkdir("/top/work")?;
    let layers = "lowerdir=/image,upperdir=/top/upper,workdir=/top/work";
    mount_on(NEW_ROOT, "overlay", "overlay", MsFlags::empty(), layers)
}

/// The kernel's own tmpfs holds half of the RAM, ourselves and the image among it. As much as a tmpfs over a disk would take is to
/// be free.
fn make_room() -> Result<(), GuestError> {
    let about = rustix::fs::statvfs("/").map_err(|e| failed("look at", "/")(std::io::Error::from(e)))?;
    let memory = rustix::system::sysinfo();
    let half = memory.totalram * u64::from(memory.mem_unit) / 2;
    let bytes = half + (about.f_blocks - about.f_bfree) * about.f_frsize;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REMOUNT, Some(format!("size={bytes}").as_str()))
        .map_err(failed("make room on", "/"))
}

/// Moves the kernel's file systems and makes the image's root `/` (an initramfs cannot be pivoted away from).
pub(super) fn enter_root() -> Result<(), GuestError> {
    for name in ["/proc", "/sys", "/dev"] {
        let to = format!("{NEW_ROOT}{name}");
        mkdir(&to)?;
        move_mount(name, &to)?;
    }
    std::env::set_current_dir(NEW_ROOT).map_err(failed("enter", NEW_ROOT))?;
    move_mount(".", "/")?;
    nix::unistd::chroot(".").map_err(failed("chroot", "."))?;
    std::env::set_current_dir("/").map_err(failed("enter", "/"))
}

fn move_mount(from: &str, to: &str) -> Result<(), GuestError> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>).map_err(failed("move a mount to", to))
}

/// The rest that a container has below /dev and /proc (OCI runtime specification, default file systems and devices).
pub(super) fn mount_like_a_container() -> Result<(), GuestError> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_on("/dev/pts", "devpts", "devpts", plain, "newinstance,ptmxmode=0666,mode=0620,gid=5")?;
    mount_on("/dev/shm", "tmpfs", "shm", plain | MsFlags::MS_NODEV, "mode=1777,size=65536k")?;
    mount_on("/dev/mqueue", "mqueue", "mqueue", plain | MsFlags::MS_NODEV, "")?;
    for (link, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        let link = format!("/dev/{link}");
        match std::os::unix::fs::symlink(to, &link) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed("create", link)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// The volume for workloads that write a lot.
pub(super) fn mount_scratch() -> Result<(), GuestError> {
    mount_on("/scratch", "ext4", &disk("scratch")?, MsFlags::MS_NODEV | MsFlags::MS_NOSUID, "")
}
