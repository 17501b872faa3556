//! What a machine that is given its kernel directly boots from: kernel, initramfs, and a disk where the root is on one.

use super::error::{TargetError, io};
use super::{Job, Prepared};
use crate::machine::MachineError;
use crate::machine::kernel::Kernel;
use crate::machine::parts::Parts;
use crate::machine::root::Root;
use crate::sys::clock::monotonic_ns;
use std::path::Path;

/// Makes what is lacking, with its sizes in bytes, and how long the root took where `of_root` made it.
pub(super) fn prepare(
    cache_dir: &Path,
    init: &Path,
    kernel: &Kernel,
    job: &Job,
    of_root: impl FnOnce() -> Result<(Root, bool), MachineError>,
) -> Result<Prepared, TargetError> {
    let from = monotonic_ns();
    let (root, made) = of_root()?;
    let parts = parts(cache_dir, init, kernel, job, root)?;
    let prepare_ms = made.then(|| (monotonic_ns() - from) as f64 / 1e6);
    let disk_bytes = parts.disk.as_deref().map(length).transpose()?;
    let mut sizes: Vec<_> = disk_bytes.into_iter().map(|bytes| ("disk_bytes", bytes)).collect();
    sizes.push(("kernel_bytes", length(&parts.kernel.vmlinux)?));
    sizes.push(("initramfs_bytes", length(&parts.initramfs)?));
    let files = parts.disk.into_iter().chain([parts.kernel.vmlinux, parts.initramfs]).collect();
    Ok(Prepared { sizes, files, prepare_ms, ..Prepared::default() })
}

/// What a job's machine boots from.
pub(super) fn parts(
    cache_dir: &Path,
    init: &Path,
    kernel: &Kernel,
    job: &Job,
    root: Root,
) -> Result<Parts, MachineError> {
    Parts::of(cache_dir, init, kernel.clone(), root, job.network, job.scratch_bytes.is_some())
}

/// Bytes of a file.
pub(super) fn length(path: &Path) -> Result<u64, TargetError> {
    std::fs::metadata(path).map(|m| m.len()).map_err(io("look at", path))
}
