//! `transfer_bytes`: all that has to be moved to run an image on a target, compressed by the same codec everywhere.

use super::error::MeasureError;
use super::images::Ready;
use crate::image::export::export;
use crate::image::store::Store;
use crate::target::ZstdSize;
use std::collections::HashMap;
use std::path::PathBuf;

/// Each file is compressed once, however many images and targets need it.
#[derive(Debug, Default)]
pub struct Moved(HashMap<PathBuf, u64>);

impl Moved {
    /// Of these files together.
    pub fn bytes(&mut self, files: &[PathBuf]) -> Result<u64, MeasureError> {
        let mut sum = 0;
        for path in files {
            let known = match self.0.get(path) {
                Some(bytes) => *bytes,
                None => ZstdSize::of_file(path).map_err(|source| MeasureError::Io {
                    step: "compress",
                    path: path.clone(),
                    source,
                })?,
            };
            self.0.insert(path.clone(), known);
            sum += known;
        }
        Ok(sum)
    }
}

/// The image's tree as one tar, for process and container; kept in `ready`.
pub fn weigh(store: &Store, ready: &mut Ready) -> Result<(), MeasureError> {
    let reference = ready.facts.image.clone();
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| MeasureError::Image {
        reference: reference.clone(),
        source,
    };
    let image = store.resolve(&ready.facts.image).map_err(|e| failed(e.into()))?;
    let mut size = ZstdSize::new().map_err(|e| failed(e.into()))?;
    export(store, &image, &mut size).map_err(|e| failed(e.into()))?;
    ready.transfer_bytes = Some(size.bytes().map_err(|e| failed(e.into()))?);
    Ok(())
}
