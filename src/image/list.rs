//! What is in the store, as plain data.

use super::error::ImageError;
use super::handle::Image;
use super::reference::Reference;
use super::store::Store;
use serde_json::Value;

/// One line of a list of images.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Listed {
    /// Name.
    pub reference: String,
    /// Of the manifest.
    pub digest: String,
    /// What is known beyond that; none of an image that is damaged.
    pub known: Option<Known>,
    /// Why nothing more is known.
    pub error: Option<String>,
}

/// See [`Listed`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Known {
    /// `linux/amd64` and the like.
    pub platform: String,
    /// RFC 3339, as the config says.
    pub created: Option<String>,
    /// Number of layers.
    pub layers: usize,
    /// Distinct blobs.
    pub registry_bytes: u64,
    /// Apparent bytes of its files, where it is unpacked.
    pub unpacked_bytes: Option<u64>,
}

/// Manifest and config of one image, as they are stored.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Inspected {
    /// Name.
    pub reference: String,
    /// Of the manifest.
    pub digest: String,
    /// Raw.
    pub manifest: Value,
    /// Raw.
    pub config: Value,
}

/// All images, by name. A damaged one is in the list, with what is wrong.
pub fn list(store: &Store) -> Result<Vec<Listed>, ImageError> {
    let one = |(reference, digest): (String, String)| {
        let known = store.resolve(&reference).and_then(|image| known(store, &image));
        let (known, error) = match known {
            Ok(known) => (Some(known), None),
            Err(e) => (None, Some(e.to_string())),
        };
        Listed { reference, digest, known, error }
    };
    Ok(store.references()?.into_iter().map(one).collect())
}

fn known(store: &Store, image: &Image) -> Result<Known, ImageError> {
    let unpacked = image.is_unpacked(store);
    Ok(Known {
        platform: image.platform(),
        created: image.created().map(str::to_owned),
        layers: image.diff_ids().len(),
        registry_bytes: image.blobs()?.values().sum(),
        unpacked_bytes: if unpacked { Some(image.sizes(store)?.unpacked_bytes) } else { None },
    })
}

/// One image's manifest and config.
pub fn inspect(store: &Store, reference: &str) -> Result<Inspected, ImageError> {
    let image = store.resolve(reference)?;
    let parsed: Reference = reference.parse()?;
    Ok(Inspected {
        reference: parsed.to_string(),
        digest: image.digest().to_string(),
        manifest: image.manifest_json().clone(),
        config: image.config_json().clone(),
    })
}
