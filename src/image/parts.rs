//! Everything that an image or index is made of, as the store has it.

use super::digest::Digest;
use super::error::{ImageError, json};
use super::handle::digest_of;
use super::store::Store;
use oci_spec::image::{ImageIndex, ImageManifest};
use serde_json::Value;
use std::collections::BTreeMap;

/// Indexes in indexes, at most.
const DEEPEST: usize = 8;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Manifests and indexes, each after what it names; the last is the one that was asked for.
    pub manifests: Vec<Digest>,
    /// Configs and layers, with the bytes that manifests promise.
    pub blobs: BTreeMap<Digest, u64>,
    /// Those of `manifests` that are indexes.
    pub indexes: Vec<Digest>,
    /// Manifests that an index names and the store does not have: images for other hosts that never came.
    pub missing: Vec<Digest>,
}

impl Parts {
    /// Of the manifest or index with this digest.
    pub fn of(store: &Store, digest: &Digest) -> Result<Self, ImageError> {
        let mut parts = Self::default();
        parts.add(store, digest, 0)?;
        Ok(parts)
    }

    /// Whether one of `manifests` is an index.
    pub fn is_index(&self, digest: &Digest) -> bool {
        self.indexes.contains(digest)
    }

    fn add(&mut self, store: &Store, digest: &Digest, depth: usize) -> Result<(), ImageError> {
        if self.manifests.contains(digest) {
            return Ok(());
        }
        let bytes = store.read(digest)?;
        let what = || format!("manifest {digest}");
        let value: Value = serde_json::from_slice(&bytes).map_err(json(what()))?;
        if value.get("manifests").is_some() {
            if depth == DEEPEST {
                let why = format!("indexes within indexes, deeper than {DEEPEST}");
                return Err(ImageError::Inconsistent { image: digest.clone(), why });
            }
            self.indexes.push(digest.clone());
            let index: ImageIndex = serde_json::from_slice(&bytes).map_err(json(what()))?;
            for descriptor in index.manifests() {
                let below = digest_of(descriptor)?;
                match self.add(store, &below, depth + 1) {
                    Err(ImageError::NoBlob(lacking)) if lacking == below => self.missing.push(below),
                    other => other?,
                }
            }
        } else {
            let manifest: ImageManifest = serde_json::from_slice(&bytes).map_err(json(what()))?;
            for descriptor in manifest.layers().iter().chain([manifest.config()]) {
                self.blobs.insert(digest_of(descriptor)?, descriptor.size());
            }
        }
        self.manifests.push(digest.clone());
        Ok(())
    }
}
