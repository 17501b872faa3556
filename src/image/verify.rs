//! Whether the store is what it says it is: every byte is hashed again.

use super::compare::trees;
use super::digest::{Digest, Hashing};
use super::each::{cpus, each};
use super::error::{ImageError, io};
use super::handle::Image;
use super::parts::Parts;
use super::store::Store;
use super::unpack::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::{Mutex, PoisonError};

/// What was looked at, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Blobs whose bytes were hashed.
    pub blobs: usize,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Names whose images were followed.
    pub references: usize,
    /// Unpacked layers that were compared with their archives.
    pub layers: usize,
    /// One line for each thing that is wrong, sorted.
    pub problems: Vec<String>,
}

/// Hashes every blob, follows every name, and compares every unpacked layer of a named image with its archive. It
/// keeps removals waiting meanwhile.
pub fn verify(store: &Store) -> Result<Verified, ImageError> {
    let _adding = store.adding()?;
    let mut found = Verified::default();
    let problems: Mutex<BTreeSet<String>> = Mutex::default();
    let wrong = |text: String| {
        problems.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
    };
    let blobs = blobs(store, &wrong)?;
    (found.blobs, found.blob_bytes) = (blobs.len(), blobs.values().sum());
    let items: Vec<&Digest> = blobs.keys().collect();
    let damaged: Mutex<BTreeSet<Digest>> = Mutex::default();
    each(cpus(), &items, |digest| {
        let hashed = hash(store, digest)?;
        if hashed != **digest {
            wrong(format!("blob {digest} has digest {hashed}: it is damaged"));
            damaged.lock().unwrap_or_else(PoisonError::into_inner).insert((*digest).clone());
        }
        Ok(())
    })?;
    let mut layers = BTreeMap::new();
    for (name, digest) in store.references()? {
        found.references += 1;
        if let Err(e) = follow(store, &digest, &blobs, &mut layers) {
            wrong(format!("{name}: {e}"));
        }
    }
    let damaged = damaged.into_inner().unwrap_or_else(PoisonError::into_inner);
    layers.retain(|diff_id, blob| store.layer_path(diff_id).is_dir() && !damaged.contains(blob));
    found.layers = layers.len();
    let items: Vec<(&Digest, &Digest)> = layers.iter().collect();
    each(cpus(), &items, |(diff_id, blob)| {
        let problem = match layer(store, diff_id, blob) {
            Ok(problem) => problem,
            Err(e) => Some(e.to_string()),
        };
        problem.into_iter().for_each(|p| wrong(format!("unpacked layer {diff_id}: {p}")));
        Ok(())
    })?;
    found.problems = problems.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
    Ok(found)
}

fn blobs(store: &Store, wrong: &dyn Fn(String)) -> Result<BTreeMap<Digest, u64>, ImageError> {
    let dir = store.root().join("blobs/sha256");
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(&dir).map_err(io("read", &dir))? {
        let entry = entry.map_err(io("read", &dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let about = entry.metadata().map_err(io("look at", &entry.path()))?;
        match format!("sha256:{name}").parse::<Digest>() {
            Ok(digest) if about.is_file() => drop(all.insert(digest, about.len())),
            _ => wrong(format!("{} is no blob", entry.path().display())),
        }
    }
    Ok(all)
}

fn hash(store: &Store, digest: &Digest) -> Result<Digest, ImageError> {
    let path = store.blob_path(digest);
    let mut file = File::open(&path).map_err(io("open", &path))?;
    let mut hash = Hashing::new(std::io::sink());
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = std::io::Read::read(&mut file, &mut buffer).map_err(io("read", &path))?;
        if n == 0 {
            return Ok(hash.finish().0);
        }
        std::io::Write::write_all(&mut hash, &buffer[..n]).map_err(io("read", &path))?;
    }
}

/// Everything that a name leads to is there, with the size that is promised. Notes layers: diff id and blob.
fn follow(
    store: &Store,
    digest: &str,
    blobs: &BTreeMap<Digest, u64>,
    layers: &mut BTreeMap<Digest, Digest>,
) -> Result<(), ImageError> {
    let parts = Parts::of(store, &digest.parse()?)?;
    for (digest, expected) in &parts.blobs {
        let found = blobs.get(digest).copied().ok_or_else(|| ImageError::NoBlob(digest.clone()))?;
        if found != *expected {
            return Err(ImageError::WrongSize { digest: digest.clone(), expected: *expected, found });
        }
    }
    for manifest in &parts.manifests {
        if parts.is_index(manifest) {
            continue;
        }
        let image = Image::read(store, manifest)?;
        let (_, described) = image.described()?;
        layers.extend(image.diff_ids().iter().cloned().zip(described));
    }
    Ok(())
}

/// What differs between an unpacked layer and its archive, unpacked again.
fn layer(store: &Store, diff_id: &Digest, blob: &Digest) -> Result<Option<String>, ImageError> {
    let space = store.temporary()?;
    let again = space.path().join("layer");
    std::fs::create_dir(&again).map_err(io("create", &again))?;
    super::layer::unpack_blob(store, blob, diff_id, &again, Limits::default())?;
    let differences = trees(&[again], &[store.layer_path(diff_id)], true)?;
    Ok(differences.first().map(|first| {
        let what = if first.what.is_empty() {
            format!("{:?}", first.change).to_lowercase()
        } else {
            first.what.join(", ")
        };
        format!("{} differs ({what}), and {} more", first.path, differences.len() - 1)
    }))
}
