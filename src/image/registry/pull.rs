//! An image comes in: its manifest, then what the store lacks, several blobs at a time, then its name.

use super::blob_get;
use super::endpoint::Endpoint;
use super::error::RegistryError;
use super::http::Client;
use super::manifest::{self, Manifest};
use super::options::Options;
use super::progress::Listener;
use crate::image::digest::Digest;
use crate::image::each::each;
use crate::image::error::{ImageError, json};
use crate::image::handle::digest_of;
use crate::image::platform::{Platform, choose};
use crate::image::reference::{Reference, Version};
use crate::image::store::Store;
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which images of an index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// The one for this host.
    #[default]
    Host,
    /// The one for another platform.
    For(Platform),
    /// All of them, with the index.
    All,
}

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// What the name stands for in the store.
    pub digest: Digest,
    /// Of the manifest or index that the registry gave for the reference.
    pub asked: Digest,
}

/// Fetches the image and names it as it is named there.
pub fn pull(
    store: &Store,
    reference: &Reference,
    choice: &Choice,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Pulled, ImageError> {
    let endpoint = Endpoint::of(reference)?;
    let _adding = store.adding()?;
    let client = Client::open(endpoint, options, "pull", &[])?;
    let top = manifest::get(&client, &reference.version, listener)?;
    let mut all = vec![];
    let named = collect(&client, &top, choice, &mut all, listener)?;
    let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
    for manifest in all.iter().filter(|m| !is_index(m)) {
        for descriptor in descriptors(manifest)? {
            blobs.insert(digest_of(&descriptor)?, descriptor.size());
        }
    }
    let bytes = blobs.values().fold(0u64, |sum, b| sum.saturating_add(*b));
    if bytes > options.limit_bytes {
        let image = reference.to_string();
        return Err(RegistryError::TooLarge { image, bytes, limit: options.limit_bytes }.into());
    }
    let mut waiting: Vec<(&Digest, u64)> = blobs.iter().map(|(d, b)| (d, *b)).collect();
    // The largest first: the last to end should be a small one.
    waiting.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    each(options.jobs, &waiting, |(digest, bytes)| {
        blob_get::fetch(&client, store, digest, *bytes, listener)
    })?;
    for manifest in &all {
        let size = manifest.bytes.len() as u64;
        store.put(&manifest.bytes[..], Some((&manifest.digest, size)))?;
        if !is_index(manifest) {
            let image = crate::image::Image::read(store, &manifest.digest)?;
            // Of an index the right one was chosen by what that says of it.
            if let (Choice::For(wanted), [_]) = (choice, all.as_slice()) {
                wanted.expect(&image)?;
            }
        }
    }
    store.name(reference, &named)?;
    let place = format!("{}/{}", client.endpoint.host, client.endpoint.repository);
    super::origins::note(store, &place, blobs.keys())?;
    Ok(Pulled { digest: named, asked: top.digest })
}

/// Manifests that are wanted, those of an index before it; what the reference shall stand for. A reference by digest
/// stands for just that, and the index has to come too.
fn collect(
    client: &Client,
    top: &Manifest,
    choice: &Choice,
    all: &mut Vec<Manifest>,
    listener: Listener<'_>,
) -> Result<Digest, ImageError> {
    let copy = |m: &Manifest| Manifest { digest: m.digest.clone(), bytes: m.bytes.clone() };
    if !is_index(top) {
        all.push(copy(top));
        return Ok(top.digest.clone());
    }
    let index: ImageIndex =
        serde_json::from_slice(&top.bytes).map_err(json(format!("index {}", top.digest)))?;
    let wanted: Vec<&Descriptor> = match choice {
        Choice::Host => vec![choose(index.manifests(), &top.digest, &Platform::host())?],
        Choice::For(platform) => vec![choose(index.manifests(), &top.digest, platform)?],
        Choice::All => index.manifests().iter().collect(),
    };
    let mut named = top.digest.clone();
    for descriptor in wanted {
        let digest = digest_of(descriptor)?;
        let found = manifest::get(client, &Version::Digest(digest.clone()), listener)?;
        let (expected, size) = (descriptor.size(), found.bytes.len() as u64);
        if expected != size {
            return Err(ImageError::WrongSize { digest, expected, found: size });
        }
        let below = collect(client, &found, choice, all, listener)?;
        if *choice != Choice::All {
            named = below;
        }
    }
    all.push(copy(top));
    Ok(named)
}

fn is_index(manifest: &Manifest) -> bool {
    serde_json::from_slice::<Value>(&manifest.bytes).is_ok_and(|v| v.get("manifests").is_some())
}

/// Config and layers.
fn descriptors(manifest: &Manifest) -> Result<Vec<Descriptor>, ImageError> {
    let what = || format!("manifest {}", manifest.digest);
    let parsed: ImageManifest = serde_json::from_slice(&manifest.bytes).map_err(json(what()))?;
    Ok(parsed.layers().iter().chain([parsed.config()]).cloned().collect())
}
