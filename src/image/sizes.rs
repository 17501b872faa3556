//! How big an image is.

use super::error::ImageError;
use super::handle::{Image, ImageSizes};
use super::store::Store;
use super::view::walk;
use rustix::fs::FileType;
use std::collections::HashSet;

impl Image {
    /// Its sizes; unpacks the layers that are not yet.
    pub fn sizes(&self, store: &Store) -> Result<ImageSizes, ImageError> {
        let registry_bytes = self.blobs()?.values().sum();
        let (mut unpacked_bytes, mut allocated_bytes) = (0, 0);
        let mut linked = HashSet::new();
        walk(&self.lower_dirs(store)?, &mut |seen| {
            let file = FileType::from_raw_mode(seen.stat.st_mode) == FileType::RegularFile;
            let is_folder = FileType::from_raw_mode(seen.stat.st_mode) == FileType::Directory;
            if !is_folder && seen.stat.st_nlink > 1 && !linked.insert((seen.layer, seen.stat.st_ino)) {
                return Ok(());
            }
            if file {
                unpacked_bytes += seen.stat.st_size.cast_unsigned();
            }
            // In units of 512 bytes whatever the file system's block (stat(3type)).
            allocated_bytes += seen.stat.st_blocks.cast_unsigned() * 512;
            Ok(())
        })?;
        Ok(ImageSizes { registry_bytes, unpacked_bytes, allocated_bytes })
    }
}
