//! Files that are made once and kept: kernels, initramfs, disks, the accelerator's probe.

use super::error::{MachineError, io};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// `$XDG_CACHE_HOME/taremark`, or `~/.cache/taremark` (XDG Base Directory Specification).
pub fn dir() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into()));
    base.unwrap_or_else(|| home().join(".cache")).join("taremark")
}

/// A new file that appears under its name only when it is whole: written beside it by `make`, then renamed.
pub(super) fn put(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<(), MachineError>,
) -> Result<(), MachineError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(io("create", parent))?;
    let dir =
        tempfile::Builder::new().prefix(".making-").tempdir_in(parent).map_err(io("create in", parent))?;
    let beside = dir.path().join("file");
    make(&beside)?;
    std::fs::rename(&beside, path).map_err(io("rename to", path))
}

/// Hex of the SHA-256 of a file.
pub fn digest(path: &Path) -> Result<String, MachineError> {
    let mut file = std::fs::File::open(path).map_err(io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).map_err(io("read", path))? {
            0 => return Ok(hex::encode(hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Hex of the SHA-256 of several byte strings, kept apart by their lengths.
pub(super) fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
