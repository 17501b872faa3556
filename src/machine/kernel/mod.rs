//! The guest kernel: Debian's kernel for clouds, or one that the user names.

mod decompress;
mod fetch;
mod modules;
mod vmlinux;

pub use fetch::fetch;

use super::cache;
use super::error::{MachineError, io};
use std::path::{Path, PathBuf};

/// Raised when what is made of a package changes.
pub(super) const LAYOUT: &str = "2";
/// Below the cache.
const KERNELS: &str = "kernels";
/// Link to the kernel that was fetched last.
const CURRENT: &str = "current";

/// A kernel that can be booted through PVH, and the drivers that the guest needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Release, e.g. `6.1.0-56-cloud-amd64`, or the file's name.
    pub release: String,
    /// Version of the package it came from, or `given by the user`.
    pub version: String,
    /// Uncompressed.
    pub vmlinux: PathBuf,
    /// Modules, each after those that it needs.
    pub modules: Vec<PathBuf>,
}

/// The kernel that `given` (`--kernel`) or TAREMARK_KERNEL names, or the one that was fetched last.
pub fn find(cache_dir: &Path, given: Option<&Path>) -> Result<Kernel, MachineError> {
    let named = std::env::var_os("TAREMARK_KERNEL").filter(|v| !v.is_empty()).map(PathBuf::from);
    match given.map(Path::to_owned).or(named) {
        Some(path) => of_user(cache_dir, &path),
        None => fetched(cache_dir),
    }
}

fn fetched(cache_dir: &Path) -> Result<Kernel, MachineError> {
    let looked = cache_dir.join(KERNELS);
    let dir = std::fs::canonicalize(looked.join(CURRENT))
        .map_err(|_| MachineError::NoKernel { looked: looked.clone() })?;
    let text = |name: &str| std::fs::read_to_string(dir.join(name)).map(|t| t.trim().to_owned());
    let (Ok(release), Ok(version), Ok(layout)) = (text("release"), text("version"), text("layout")) else {
        return Err(MachineError::NoKernel { looked });
    };
    if layout != LAYOUT {
        return Err(MachineError::NoKernel { looked });
    }
    let modules = modules::in_order(&release, &dir.join("modules"))?;
    Ok(Kernel { release, version, vmlinux: dir.join("vmlinux"), modules })
}

/// A bzImage or vmlinux with its modules, if any, in a folder `modules` beside it.
fn of_user(cache_dir: &Path, path: &Path) -> Result<Kernel, MachineError> {
    let file = std::fs::read(path).map_err(io("read", path))?;
    let key = cache::key([LAYOUT.as_bytes(), file.as_slice()]);
    let vmlinux = cache_dir.join(KERNELS).join("given").join(key);
    if !vmlinux.is_file() {
        let bad = |why: String| MachineError::BadKernel { path: path.to_owned(), why };
        let bytes = vmlinux::prepare(&vmlinux::of_kernel(&file).map_err(bad)?).map_err(bad)?;
        cache::put(&vmlinux, |to| std::fs::write(to, &bytes).map_err(io("write", to)))?;
    }
    let release = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.parent().unwrap_or(Path::new(".")).join("modules");
    let modules = if beside.is_dir() { modules::in_order(&release, &beside)? } else { Vec::new() };
    Ok(Kernel { release, version: "given by the user".into(), vmlinux, modules })
}
