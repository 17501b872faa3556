//! What a machine that is given its kernel directly boots from: disk, kernel and initramfs.

use super::error::{TargetError, io};
use super::{Job, Prepared};
use crate::machine::kernel::Kernel;
use crate::machine::{disk, initramfs};
use crate::sys::clock::monotonic_ns;
use std::path::{Path, PathBuf};

/// Makes what is lacking, with its sizes in bytes, and how long the disk took where it was made. `layers`: what the root is
/// made of, top first.
pub(super) fn prepare(
    cache_dir: &Path,
    init: &Path,
    kernel: &Kernel,
    job: &Job,
    layers: &[PathBuf],
) -> Result<Prepared, TargetError> {
    let from = monotonic_ns();
    let (disk, made) = disk::root_and_whether_made(cache_dir, &job.image_digest, layers)?;
    let initramfs = initramfs::build(cache_dir, init, &kernel.clone().with_network(job.network))?;
    let prepare_ms = made.then(|| (monotonic_ns() - from) as f64 / 1e6);
    let sizes = vec![
        ("disk_bytes", disk.bytes),
        ("kernel_bytes", length(&kernel.vmlinux)?),
        ("initramfs_bytes", length(&initramfs)?),
    ];
    let files = vec![disk.path, kernel.vmlinux.clone(), initramfs];
    Ok(Prepared { sizes, files, prepare_ms, ..Prepared::default() })
}

/// Bytes of a file.
pub(super) fn length(path: &Path) -> Result<u64, TargetError> {
    std::fs::metadata(path).map(|m| m.len()).map_err(io("look at", path))
}
