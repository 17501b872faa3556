//! Takes an image's name away, and what no other image needs with it.

use super::digest::Digest;
use super::error::{ImageError, io};
use super::handle::Image;
use super::reference::Reference;
use super::store::Store;
use super::workspace::lock_folder;
use nix::fcntl::FlockArg;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Number of blobs.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Bytes that builds kept: folders of `--mount=type=cache`, fingerprints of contexts. [`prune`] alone takes them.
    pub build_bytes: u64,
    /// Number of unpacked layers.
    pub layers: u64,
    /// Unpacked layers that nobody needs but somebody uses just now; the next removal takes them.
    pub layers_in_use: u64,
}

/// Removes the name, then every blob and unpacked layer that no named image needs, and what dead processes left.
/// Waits for imports that are under way.
pub fn remove(store: &Store, reference: &Reference) -> Result<Removed, ImageError> {
    let _alone = store.removing()?;
    store.forget(reference)?;
    collect(store)
}

/// Only the second half of [`remove`], the parts of blobs whose fetching broke off, and what builds keep for the next.
pub fn prune(store: &Store) -> Result<Removed, ImageError> {
    let _alone = store.removing()?;
    let mut removed = collect(store)?;
    removed.build_bytes = super::build::forget(store)?;
    for path in others(&store.root().join("partial"), &BTreeSet::new())? {
        removed.blob_bytes += std::fs::symlink_metadata(&path).map_err(io("look at", &path))?.len();
        std::fs::remove_file(&path).map_err(io("remove", &path))?;
    }
    Ok(removed)
}

fn collect(store: &Store) -> Result<Removed, ImageError> {
    store.clear_temporary()?;
    let (mut blobs, mut layers) = (BTreeSet::new(), BTreeSet::new());
    for digest in store.references()?.values() {
        if let Ok(digest) = digest.parse::<Digest>() {
            needed(store, &digest, &mut blobs, &mut layers);
        }
    }
    let mut removed = Removed::default();
    for path in others(&store.root().join("blobs/sha256"), &blobs)? {
        removed.blob_bytes += std::fs::symlink_metadata(&path).map_err(io("look at", &path))?.len();
        std::fs::remove_file(&path).map_err(io("remove", &path))?;
        removed.blobs += 1;
    }
    super::build::sweep(store);
    for path in others(&store.root().join("layers"), &layers)? {
        let Some(_unused) = lock_folder(&path, FlockArg::LockExclusiveNonblock)? else {
            removed.layers_in_use += 1;
            continue;
        };
        // Gone by one rename: nobody ever finds half of it.
        let space = store.temporary()?;
        std::fs::rename(&path, space.path().join("layer")).map_err(io("remove", &path))?;
        removed.layers += 1;
    }
    Ok(removed)
}

/// Adds what a manifest or index needs. One of which a part is damaged keeps the others: they need not come again.
fn needed(store: &Store, digest: &Digest, blobs: &mut BTreeSet<String>, layers: &mut BTreeSet<String>) {
    if !blobs.insert(digest.hex().to_owned()) {
        return;
    }
    let Ok(Ok(manifest)) = store.read(digest).map(|b| serde_json::from_slice::<Value>(&b)) else { return };
    let mut named = BTreeSet::new();
    digests(&manifest, &mut named);
    if manifest.get("manifests").is_some() {
        named.iter().for_each(|below| needed(store, below, blobs, layers));
        return;
    }
    if let Ok(image) = Image::read(store, digest) {
        layers.extend(image.diff_ids().iter().map(|d| d.hex().to_owned()));
    }
    blobs.extend(named.iter().map(|d| d.hex().to_owned()));
}

/// Every digest that a manifest names.
fn digests(value: &Value, found: &mut BTreeSet<Digest>) {
    match value {
        Value::Object(map) => {
            if let Some(Ok(digest)) = map.get("digest").and_then(Value::as_str).map(str::parse) {
                found.insert(digest);
            }
            map.values().for_each(|v| digests(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| digests(v, found)),
        _ => {}
    }
}

/// Entries of a folder whose name is not in `needed`.
fn others(dir: &Path, needed: &BTreeSet<String>) -> Result<Vec<PathBuf>, ImageError> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io("read", dir))? {
        let entry = entry.map_err(io("read", dir))?;
        if !entry.file_name().to_str().is_some_and(|n| needed.contains(n)) {
            all.push(entry.path());
        }
    }
    Ok(all)
}
