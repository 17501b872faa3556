//! A whole operating system on a disk: Debian with systemd, made once from the distribution's packages. Nothing is
//! mounted but by `mmdebstrap` in a mount namespace of its own, there is no loop device, and no network but to the
//! package mirror that apt of this host uses.

mod boot;
mod overlay;
mod tools;
mod tree;

pub use overlay::overlay;
pub use tools::tools;
pub(super) use tree::{KEYRING, sources_of_this_host};

use super::error::{MachineError, io};
use super::kernel::vmlinux_of;
use super::{ZstdSize, cache};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Raised when what is made changes.
const LAYOUT: &str = "2";

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// What Debian's installer puts on a server: priority "standard", the full kernel, an SSH server.
    Full,
    /// The smallest that boots, is told to run something, and turns itself off: essential packages, systemd, D-Bus and the
    /// kernel for clouds, without documentation.
    Small,
}

impl Flavour {
    /// As on the command line and on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Small => "small",
        }
    }
}

/// What is known of one, beside its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// "Debian 12.5, 291 packages, kernel 6.1.0-18-amd64".
    pub version: String,
    /// Hex of the SHA-256 of its disk.
    pub digest: String,
    /// Bytes of the disk that the guest sees.
    pub virtual_bytes: u64,
    /// Bytes of the disk's file compressed by zstd: what has to be moved.
    pub transfer_bytes: u64,
    /// Seconds that making it took.
    pub made_in_s: f64,
}

/// One in the cache.
#[derive(Debug, Clone)]
pub struct Debian {
    /// See [`About`].
    pub about: About,
    /// qcow2, never written to.
    pub disk: PathBuf,
    /// Its kernel, uncompressed, with a PVH entry.
    pub vmlinux: PathBuf,
    /// Its initramfs.
    pub initramfs: PathBuf,
    /// List of its packages with versions.
    pub packages: PathBuf,
}

impl Debian {
    /// The kernel's command line, the same on the disk and given to QEMU.
    pub fn command_line(&self) -> String {
        boot::COMMAND_LINE.to_owned()
    }
}

fn folder(cache_dir: &Path, flavour: Flavour) -> PathBuf {
    cache_dir.join("systems").join(format!("{}_{LAYOUT}", flavour.name()))
}

/// The one that was made.
pub fn find(cache_dir: &Path, flavour: Flavour) -> Result<Debian, MachineError> {
    let dir = folder(cache_dir, flavour);
    let missing = || MachineError::NoSystem { flavour: flavour.name(), looked: dir.clone() };
    let about = std::fs::read(dir.join("about.json")).map_err(|_| missing())?;
    let about = serde_json::from_slice(&about).map_err(|_| missing())?;
    Ok(Debian {
        about,
        disk: dir.join("disk.qcow2"),
        vmlinux: dir.join("vmlinux"),
        initramfs: dir.join("initrd"),
        packages: dir.join("packages"),
    })
}

/// Makes it, unless it is there; `again`: in any case, with the newest packages. `init` is `tare-init`. Needs root, for the
/// owners of files.
pub fn build(cache_dir: &Path, flavour: Flavour, init: &Path, again: bool) -> Result<Debian, MachineError> {
    if !again && let Ok(there) = find(cache_dir, flavour) {
        return Ok(there);
    }
    let from = std::time::Instant::now();
    let dir = folder(cache_dir, flavour);
    let parent = cache_dir.join("systems");
    std::fs::create_dir_all(&parent).map_err(io("create", &parent))?;
    let making = tempfile::Builder::new().prefix(".making-").tempdir_in(&parent);
    let making = making.map_err(io("create in", &parent))?;
    let made = making.path().join("made");
    std::fs::create_dir(&made).map_err(io("create", &made))?;
    let tree = tree::make(flavour, init, making.path())?;
    let virtual_bytes = boot::disk(&tree, making.path(), &made.join("disk.qcow2"))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = made.join(name);
        std::fs::write(&path, bytes).map_err(io("write", &path))
    };
    let read = |name: &str| {
        let path = tree.dir.join(name);
        std::fs::read(&path).map_err(io("read", &path))
    };
    write("vmlinux", &vmlinux_of(&tree.dir.join("vmlinuz"))?)?;
    write("initrd", &read("initrd.img")?)?;
    write("packages", tree.packages.as_bytes())?;
    let about = About {
        version: tree.version(),
        digest: cache::digest(&made.join("disk.qcow2"))?,
        virtual_bytes,
        transfer_bytes: {
            let disk = made.join("disk.qcow2");
            ZstdSize::of_file(&disk).map_err(io("compress", &disk))?
        },
        made_in_s: from.elapsed().as_secs_f64(),
    };
    write("about.json", &serde_json::to_vec_pretty(&about).unwrap_or_default())?;
    // Machines that run from the old one hold its files open.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::rename(&made, &dir).map_err(io("rename to", &dir))?;
    find(cache_dir, flavour)
}
