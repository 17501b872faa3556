//! Disks: the image's root as read-only erofs, and an empty volume for workloads that write.

use super::cache;
use super::error::{MachineError, io};
use super::program;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Name of the root's format, as the guest mounts it; part of the cache's key.
pub const ROOT_FORMAT: &str = "erofs";

/// A disk in the cache.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// The image's layers (top first) as one erofs, uncompressed. Made by mkfs.erofs unless it is there.
pub fn root(cache_dir: &Path, image_digest: &str, layers: &[PathBuf]) -> Result<Disk, MachineError> {
    root_and_whether_made(cache_dir, image_digest, layers).map(|(disk, _)| disk)
}

/// As [`root`]; and true where it had to be made.
pub fn root_and_whether_made(
    cache_dir: &Path,
    image_digest: &str,
    layers: &[PathBuf],
) -> Result<(Disk, bool), MachineError> {
    let names = layers.iter().map(|p| p.as_os_str().as_bytes());
    let key = cache::key([ROOT_FORMAT.as_bytes(), image_digest.as_bytes()].into_iter().chain(names));
    let path = cache_dir.join("disks").join(format!("{key}.{ROOT_FORMAT}"));
    let make = !path.is_file();
    if make {
        cache::put(&path, |to| with_tree(layers, |tree| make_root(tree, to)))?;
    }
    let bytes = std::fs::metadata(&path).map_err(io("look at", &path))?.len();
    Ok((Disk { path, bytes }, make))
}

fn make_root(tree: &Path, to: &Path) -> Result<(), MachineError> {
    let mkfs = program::find("mkfs.erofs", "erofs-utils")?;
    program::run(Command::new(mkfs).arg("--quiet").arg(to).arg(tree)).map(|_| ())
}

/// The layers as one tree.
pub(super) fn with_tree(
    layers: &[PathBuf],
    f: impl FnOnce(&Path) -> Result<(), MachineError>,
) -> Result<(), MachineError> {
    match layers {
        [only] => f(only),
        _ => with_overlay(layers, f),
    }
}

/// Read-only view of several layers, mounted only while `f` runs.
fn with_overlay(
    layers: &[PathBuf],
    f: impl FnOnce(&Path) -> Result<(), MachineError>,
) -> Result<(), MachineError> {
    let dir = tempfile::tempdir().map_err(io("create a folder in", &std::env::temp_dir()))?;
    let lower: Vec<String> = layers.iter().map(|d| d.display().to_string()).collect();
    let options = format!("lowerdir={}", lower.join(":"));
    let flags = MsFlags::MS_RDONLY;
    mount(Some("overlay"), dir.path(), Some("overlay"), flags, Some(options.as_str()))
        .map_err(|e| io("mount an overlay on", dir.path())(e.into()))?;
    let made = f(dir.path());
    let gone = umount2(dir.path(), MntFlags::MNT_DETACH).map_err(|e| io("unmount", dir.path())(e.into()));
    made.and(gone)
}

/// An empty ext4 of `bytes` in a sparse file.
pub fn scratch(path: &Path, bytes: u64) -> Result<(), MachineError> {
    let file = std::fs::File::create(path).map_err(io("create", path))?;
    file.set_len(bytes).map_err(io("set the length of", path))?;
    let mkfs = program::find("mkfs.ext4", "e2fsprogs")?;
    // No initialisation in the background, which would run into the measurement.
    let options = ["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"];
    program::run(Command::new(mkfs).args(options).arg(path)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_made_once_and_a_whiteout_hides() {
        assert!(nix::unistd::geteuid().is_root(), "overlays need root: try sudo");
        let dir = tempfile::tempdir().expect("folder");
        let (low, top, cache) = (dir.path().join("low"), dir.path().join("top"), dir.path().join("cache"));
        for d in [&low, &top] {
            std::fs::create_dir(d).expect("folder");
        }
        std::fs::write(low.join("hidden"), vec![7u8; 1 << 20]).expect("write");
        std::fs::write(low.join("seen"), "seen").expect("write");
        let whole = root(&cache, "sha256:a", std::slice::from_ref(&low)).expect("one layer");
        assert!(whole.bytes > 1 << 20);
        use nix::sys::stat::{Mode, SFlag, mknod};
        mknod(&top.join("hidden"), SFlag::S_IFCHR, Mode::empty(), 0).expect("whiteout");
        let layers = [top, low];
        let made = root(&cache, "sha256:a", &layers).expect("two layers");
        assert!(made.bytes < 1 << 20, "the hidden file is in it: {} bytes", made.bytes);
        let modified = std::fs::metadata(&made.path).expect("disk").modified().expect("time");
        let again = root(&cache, "sha256:a", &layers).expect("again");
        assert_eq!(std::fs::metadata(&again.path).expect("disk").modified().expect("time"), modified);
    }
}
