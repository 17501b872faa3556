//! Images that others wrote: OCI layout and docker-archive, as a folder or as a tar archive, plain or compressed.

use super::digest::Digest;
use super::each::{cpus, each};
use super::error::{ImageError, json};
use super::handle::digest_of;
use super::reference::Reference;
use super::source::{MOST_JSON, Source};
use super::store::Store;
use super::{load_docker, platform};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Takes in every image that `path` holds for this host, and names them as they are named there.
pub fn load(store: &Store, path: &Path) -> Result<Vec<Reference>, ImageError> {
    load_as(store, path, None)
}

/// [`load`], with another name for the one image that is there. `-` is standard input.
pub fn load_as(store: &Store, path: &Path, name: Option<&Reference>) -> Result<Vec<Reference>, ImageError> {
    let _adding = store.adding()?;
    let source = Source::open(store, path)?;
    let found = if source.has("index.json") {
        layout(store, &source)?
    } else if source.has("manifest.json") {
        load_docker::load(store, &source)?
    } else {
        let why = "neither index.json (OCI layout) nor manifest.json (docker-archive) is in it".to_owned();
        return Err(ImageError::NoImage { path: path.to_owned(), why });
    };
    let named = named(found, path, name)?;
    for (reference, digest) in &named {
        super::Image::read(store, digest)?;
        store.name(reference, digest)?;
    }
    Ok(named.into_iter().map(|(reference, _)| reference).collect())
}

/// What each image will be called.
fn named(
    found: Vec<(Vec<String>, Digest)>,
    path: &Path,
    name: Option<&Reference>,
) -> Result<Vec<(Reference, Digest)>, ImageError> {
    let none = |why: &str| ImageError::NoImage { path: path.to_owned(), why: why.to_owned() };
    match (name, found.as_slice()) {
        (Some(name), [(_, digest)]) => return Ok(vec![(name.clone(), digest.clone())]),
        (Some(_), [_, _, ..]) => return Err(none("there are several, and one name was given")),
        (_, []) => return Err(none("it names none")),
        (None, _) => {}
    }
    let mut named = Vec::new();
    for (names, digest) in found {
        if names.is_empty() {
            return Err(none("the image has no name there: give one"));
        }
        for name in names {
            named.push((name.parse()?, digest.clone()));
        }
    }
    Ok(named)
}

/// Names and manifest of each image: image-layout.md.
fn layout(store: &Store, source: &Source) -> Result<Vec<(Vec<String>, Digest)>, ImageError> {
    let text = source.small("index.json")?;
    let index: ImageIndex = serde_json::from_slice(&text).map_err(json("index.json"))?;
    let usable: Vec<&Descriptor> = index.manifests().iter().filter(|d| for_this_host(d)).collect();
    if usable.is_empty() && !index.manifests().is_empty() {
        platform::choose(index.manifests(), &Digest::of(&text), &platform::Platform::host())?;
    }
    let mut all = Gathered::default();
    let mut found = Vec::new();
    for descriptor in usable {
        found.push((names(descriptor), all.descend(source, descriptor)?));
    }
    let blobs: Vec<(&Digest, u64)> = all.blobs.iter().map(|(d, b)| (d, *b)).collect();
    each(cpus(), &blobs, |(digest, bytes)| {
        if store.blob_path(digest).exists() {
            return Ok(());
        }
        store.put(source.reader(&path_of(digest))?, Some((digest, *bytes))).map(drop)
    })?;
    for (digest, bytes) in &all.manifests {
        store.put(&bytes[..], Some((digest, bytes.len() as u64)))?;
    }
    Ok(found)
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn for_this_host(descriptor: &Descriptor) -> bool {
    let fits = |p: &oci_spec::image::Platform| {
        p.os().to_string() == "linux" && p.architecture().to_string() == platform::architecture()
    };
    descriptor.platform().as_ref().is_none_or(fits)
}

fn names(descriptor: &Descriptor) -> Vec<String> {
    let Some(annotations) = descriptor.annotations() else { return Vec::new() };
    // The first is the full name by containerd and buildkit; the second may be only a tag by image-spec.
    let keys = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
    keys.iter().find_map(|key| annotations.get(*key)).cloned().into_iter().collect()
}

/// What is to be taken in.
#[derive(Default)]
struct Gathered {
    manifests: BTreeMap<Digest, Vec<u8>>,
    blobs: BTreeMap<Digest, u64>,
}

impl Gathered {
    /// Adds a manifest and all that it needs; an index with all its images where they are all there, else the one for
    /// this host. What the image will be named by.
    fn descend(&mut self, source: &Source, descriptor: &Descriptor) -> Result<Digest, ImageError> {
        let digest = digest_of(descriptor)?;
        if descriptor.size() > MOST_JSON {
            return Err(ImageError::TooLarge { limit: MOST_JSON });
        }
        let bytes = source.small(&path_of(&digest))?;
        let (expected, found) = (descriptor.size(), bytes.len() as u64);
        if expected != found {
            return Err(ImageError::WrongSize { digest, expected, found });
        }
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(ImageError::WrongDigest { expected: digest, found });
        }
        let value: Value = serde_json::from_slice(&bytes).map_err(json(format!("manifest {digest}")))?;
        if value.get("manifests").is_some() {
            let index: ImageIndex =
                serde_json::from_slice(&bytes).map_err(json(format!("index {digest}")))?;
            let there = |d: &Descriptor| digest_of(d).is_ok_and(|d| source.has(&path_of(&d)));
            if !index.manifests().iter().all(there) {
                let host = platform::Platform::host();
                return self.descend(source, platform::choose(index.manifests(), &digest, &host)?);
            }
            // One that holds itself cannot be made: its digest forbids it.
            index.manifests().iter().try_for_each(|below| self.descend(source, below).map(drop))?;
        } else {
            let manifest: ImageManifest =
                serde_json::from_slice(&bytes).map_err(json(format!("manifest {digest}")))?;
            for described in manifest.layers().iter().chain([manifest.config()]) {
                self.blobs.insert(digest_of(described)?, described.size());
            }
        }
        self.manifests.insert(digest.clone(), bytes);
        Ok(digest)
    }
}
