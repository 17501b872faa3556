//! Fetches Debian's kernel for clouds as a package: downloaded, checked, unpacked, never installed.

use super::package::{self, Listed};
use super::store::{self, Origin};
use super::{Kernel, modules, vmlinux};
use crate::machine::error::{MachineError, io};
use std::path::Path;

/// Depends on the newest kernel of the distribution, which is small and has what virtual machines need.
#[cfg(target_arch = "x86_64")]
const PACKAGE: &str = "linux-image-cloud-amd64";
#[cfg(not(target_arch = "x86_64"))]
const PACKAGE: &str = "linux-image-cloud-arm64";

/// Fetches the kernel that the package list names, unless it is in the cache, and makes it the one that is used.
pub fn fetch(cache_dir: &Path) -> Result<Kernel, MachineError> {
    let listed = package::listed(&package::dependency(PACKAGE, "linux-image-")?)?;
    let release = listed.package.trim_start_matches("linux-image-").to_owned();
    let name = format!("{release}_{}", listed.version.replace(':', "_"));
    store::made_once(cache_dir, &name, |making, made| {
        let package = package::download(&listed, making)?;
        let unpacked = making.join("unpacked");
        package::unpack(&package, &unpacked)?;
        keep(&listed, &release, &unpacked, made)
    })?;
    let kernel = store::choose(cache_dir, &name)?;
    more_modules(&listed, &release, &kernel)?;
    Ok(kernel)
}

/// Folder, beside a kernel, of the modules for Firecracker's and cloud-hypervisor's guests.
pub(super) const HYPERVISOR: &str = "modules-hypervisor";

/// Adds that folder, also to a kernel that was fetched by a version which did not know it.
fn more_modules(listed: &Listed, release: &str, kernel: &Kernel) -> Result<(), MachineError> {
    let beside = kernel.vmlinux.parent().unwrap_or(Path::new("."));
    let to = beside.join(HYPERVISOR);
    if to.is_dir() {
        return Ok(());
    }
    let making = tempfile::Builder::new().prefix(".making-").tempdir_in(beside);
    let making = making.map_err(io("create in", beside))?;
    let package = package::download(listed, making.path())?;
    let unpacked = making.path().join("unpacked");
    package::unpack(&package, &unpacked)?;
    let tree = module_tree(&unpacked, release);
    let made = making.path().join("made");
    keep_modules(&modules::those_in_order(release, &tree, modules::HYPERVISOR)?, &made)?;
    match std::fs::rename(&made, &to) {
        // Another process may have been quicker.
        Err(_) if to.is_dir() => Ok(()),
        done => done.map_err(io("rename to", &to)),
    }
}

fn module_tree(unpacked: &Path, release: &str) -> std::path::PathBuf {
    let tree = unpacked.join("lib/modules").join(release);
    if tree.is_dir() { tree } else { unpacked.join("usr/lib/modules").join(release) }
}

fn keep_modules(ordered: &[std::path::PathBuf], kept: &Path) -> Result<(), MachineError> {
    std::fs::create_dir(kept).map_err(io("create", kept))?;
    for module in ordered {
        let to = kept.join(module.file_name().unwrap_or_default());
        let bytes = std::fs::read(module).map_err(io("read", module))?;
        std::fs::write(&to, modules::without_signature(&bytes)).map_err(io("write", &to))?;
    }
    Ok(())
}

/// Keeps vmlinux, the bzImage, the wanted modules and the names; the rest of the package is dropped.
fn keep(listed: &Listed, release: &str, unpacked: &Path, made: &Path) -> Result<(), MachineError> {
    let image = unpacked.join("boot").join(format!("vmlinuz-{release}"));
    let bad = |why: String| MachineError::BadKernel { path: image.clone(), why };
    let file = std::fs::read(&image).map_err(io("read", &image))?;
    let bytes = vmlinux::prepare(&vmlinux::of_kernel(&file).map_err(bad)?).map_err(bad)?;
    store::write(made, "vmlinux", &bytes)?;
    store::write(made, "bzImage", &file)?;
    let tree = module_tree(unpacked, release);
    let ordered = modules::in_order(release, &tree)?;
    let builtin = tree.join("modules.builtin");
    let builtin = std::fs::read_to_string(&builtin).map_err(io("read", &builtin))?;
    modules::check(release, &ordered, &builtin)?;
    keep_modules(&ordered, &made.join("modules"))?;
    let version = format!("{} {}", listed.package, listed.version);
    store::finish(made, release, &version, Origin::Distribution)
}
