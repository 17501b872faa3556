//! What a machine boots from, its kernel given to it directly: kernel, initramfs, and a disk where the root is on one.

use super::error::MachineError;
use super::initramfs;
use super::kernel::{Drivers, Kernel};
use super::root::Root;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Debug, Clone)]
pub struct Parts {
    /// With the drivers for it and no others.
    pub kernel: Kernel,
    /// With the image, if that is small.
    pub initramfs: PathBuf,
    /// That of any other image, read-only.
    pub disk: Option<PathBuf>,
}

impl Parts {
    /// Made unless they are in the cache. `network`: the machine has a card; `scratch`: it has a volume to write to.
    pub fn of(
        cache_dir: &Path,
        init: &Path,
        kernel: Kernel,
        root: Root,
        network: bool,
        scratch: bool,
    ) -> Result<Self, MachineError> {
        let on_disk = matches!(root, Root::Disk(_));
        let kernel = kernel.with_drivers(Drivers { network, disk: on_disk || scratch, layers: on_disk });
        let initramfs = initramfs::build(cache_dir, init, &kernel)?;
        Ok(match root {
            Root::Disk(path) => Self { kernel, initramfs, disk: Some(path) },
            Root::Memory(image) => {
                Self { kernel, initramfs: initramfs::with_image(cache_dir, &initramfs, &image)?, disk: None }
            }
        })
    }
}
