//! The guest kernel: Debian's kernel for clouds, one of our own made from the distribution's source, or one that the
//! user names.

mod build;
mod config;
mod decompress;
mod fetch;
mod host;
mod modules;
mod needs;
mod package;
mod source;
mod store;
mod vmlinux;

pub use build::{Build, Built, build};
pub use fetch::fetch;
pub use host::Initialises;
pub use modules::Drivers;
pub use store::{Origin, Stored, choose, list};

use super::cache;
use super::error::{MachineError, io};
use std::path::{Path, PathBuf};

/// A kernel that can be booted through PVH, and the drivers that the guest needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Release, e.g. `6.1.0-56-cloud-amd64`, or the file's name.
    pub release: String,
    /// Version of the package it came from, or `given by the user`.
    pub version: String,
    /// Where it came from.
    pub origin: Origin,
    /// Uncompressed.
    pub vmlinux: PathBuf,
    /// As the distribution ships it, where it was kept: what a user without our care boots.
    pub bzimage: Option<PathBuf>,
    /// Modules, each after those that it needs.
    pub modules: Vec<PathBuf>,
}

impl Kernel {
    /// Whether files that come with the initramfs keep their times (CONFIG_INITRAMFS_PRESERVE_MTIME): Debian's kernel does so, of one of
    /// our own its configuration tells, of the user's nothing is known.
    pub fn keeps_times(&self) -> bool {
        match self.origin {
            Origin::Distribution => true,
            Origin::Own => std::fs::read_to_string(self.vmlinux.with_file_name("config"))
                .is_ok_and(|config| config.lines().any(|l| l == "CONFIG_INITRAMFS_PRESERVE_MTIME=y")),
            Origin::User => false,
        }
    }

    /// With no more drivers than these: each takes the guest its time to load.
    pub fn with_drivers(mut self, drivers: Drivers) -> Self {
        self.modules.retain(|path| drivers.need(path));
        self
    }
}

/// The kernel that `given` (`--kernel`) or TAREMARK_KERNEL names, or the one of the distribution that was fetched last.
pub fn find(cache_dir: &Path, given: Option<&Path>) -> Result<Kernel, MachineError> {
    let named = std::env::var_os("TAREMARK_KERNEL").filter(|v| !v.is_empty()).map(PathBuf::from);
    let looked = || MachineError::NoKernel { looked: store::dir(cache_dir) };
    match given.map(Path::to_owned).or(named) {
        // One of the cache is what it is, by whatever name: one of ours boots like no other.
        Some(path) => match store::of_file(&path) {
            Some(kernel) if kernel.origin == Origin::Own => checked(kernel),
            Some(kernel) => Ok(kernel),
            None => of_user(cache_dir, &path),
        },
        None => store::used(cache_dir, Origin::Distribution).ok_or_else(looked),
    }
}

/// The kernel of our own that was built or chosen last.
pub fn own(cache_dir: &Path) -> Result<Kernel, MachineError> {
    let looked = || MachineError::NoOwnKernel { looked: store::dir(cache_dir) };
    checked(store::used(cache_dir, Origin::Own).ok_or_else(looked)?)
}

fn checked(kernel: Kernel) -> Result<Kernel, MachineError> {
    fits(&kernel, needs::return_thunks(), Initialises::of_host().stack)?;
    Ok(kernel)
}

/// Refuses one that was built for a host that needs less of it, and came here with its cache.
fn fits(kernel: &Kernel, return_thunks: bool, stack: bool) -> Result<(), MachineError> {
    let Ok(config) = std::fs::read_to_string(kernel.vmlinux.with_file_name("config")) else { return Ok(()) };
    let lacks = |wanted: bool, option: &str| wanted && !config.lines().any(|l| l == option);
    if lacks(return_thunks, "CONFIG_RETHUNK=y") || lacks(stack, "CONFIG_INIT_STACK_ALL_ZERO=y") {
        return Err(MachineError::OtherHost { release: kernel.release.clone() });
    }
    Ok(())
}

/// The same kernel with the modules that Firecracker's and cloud-hypervisor's guests need.
pub(super) fn for_hypervisors(kernel: &Kernel) -> Result<Kernel, MachineError> {
    let beside = kernel.vmlinux.parent().unwrap_or(Path::new(".")).join(fetch::HYPERVISOR);
    let modules = if beside.is_dir() {
        modules::those_in_order(&kernel.release, &beside, modules::HYPERVISOR)?
    } else if kernel.origin == Origin::Distribution {
        let module = "vmw_vsock_virtio_transport".to_owned();
        return Err(MachineError::NoModule { release: kernel.release.clone(), module });
    } else {
        // The user's own, who has built in what it needs or put it beside the kernel.
        kernel.modules.clone()
    };
    Ok(Kernel { modules, ..kernel.clone() })
}

/// What QEMU boots of a kernel's file.
pub(super) fn vmlinux_of(path: &Path) -> Result<Vec<u8>, MachineError> {
    let file = std::fs::read(path).map_err(io("read", path))?;
    prepared(path, &file)
}

fn prepared(path: &Path, file: &[u8]) -> Result<Vec<u8>, MachineError> {
    let bad = |why: String| MachineError::BadKernel { path: path.to_owned(), why };
    vmlinux::prepare(&vmlinux::of_kernel(file).map_err(bad)?).map_err(bad)
}

/// A bzImage or vmlinux with its modules, if any, in a folder `modules` beside it.
fn of_user(cache_dir: &Path, path: &Path) -> Result<Kernel, MachineError> {
    let file = std::fs::read(path).map_err(io("read", path))?;
    let key = cache::key([b"3".as_slice(), file.as_slice()]);
    let vmlinux = store::dir(cache_dir).join("given").join(key);
    if !vmlinux.is_file() {
        let bytes = prepared(path, &file)?;
        cache::put(&vmlinux, |to| std::fs::write(to, &bytes).map_err(io("write", to)))?;
    }
    let release = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.parent().unwrap_or(Path::new(".")).join("modules");
    let modules = if beside.is_dir() { modules::in_order(&release, &beside)? } else { Vec::new() };
    let bzimage = (!file.starts_with(b"\x7fELF")).then(|| path.to_owned());
    let version = "given by the user".to_owned();
    Ok(Kernel { release, version, origin: Origin::User, vmlinux, bzimage, modules })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_for_a_host_that_needs_less_is_refused() {
        let dir = tempfile::tempdir().expect("folder");
        let kernel = Kernel {
            release: "6.1-taremark".into(),
            version: String::new(),
            origin: Origin::Own,
            vmlinux: dir.path().join("vmlinux"),
            bzimage: None,
            modules: Vec::new(),
        };
        let config = |text: &str| std::fs::write(dir.path().join("config"), text).expect("write");
        config("CONFIG_RETPOLINE=y\n# CONFIG_RETHUNK is not set\n");
        fits(&kernel, false, false).expect("this host needs neither");
        for (thunks, stack) in [(true, false), (false, true)] {
            let e = fits(&kernel, thunks, stack).expect_err("needed").to_string();
            assert!(e.contains("6.1-taremark"), "{e}");
        }
        config("CONFIG_RETHUNK=y\nCONFIG_INIT_STACK_ALL_ZERO=y\n");
        fits(&kernel, true, true).expect("it has both");
    }
}
