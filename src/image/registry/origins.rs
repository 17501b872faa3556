//! Which repositories blobs are known to be in, so that a registry can take them over from there.
//!
//! `origins.json` in the store: hex of the digest -> `host/repository`, the last few. It is only a hint: what it says
//! may be wrong by now, and without it everything works, only slower.

use crate::image::digest::Digest;
use crate::image::error::{ImageError, io, json};
use crate::image::store::Store;
use std::collections::BTreeMap;

type Known = BTreeMap<String, Vec<String>>;
/// Of each blob.
const MOST: usize = 4;

/// Repositories of `host` that may have the blob, the last one first.
pub(super) fn of(store: &Store, digest: &Digest, host: &str) -> Vec<String> {
    let known = read(store).unwrap_or_default();
    let all = known.get(digest.hex()).into_iter().flatten().rev();
    all.filter_map(|place| place.strip_prefix(host)?.strip_prefix('/')).map(str::to_owned).collect()
}

fn read(store: &Store) -> Result<Known, ImageError> {
    let path = store.root().join("origins.json");
    match std::fs::read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Known::new()),
        Err(e) => Err(io("read", &path)(e)),
        // A damaged hint is none.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
    }
}

/// Takes down that `host/repository` has these blobs, and forgets blobs that the store has no more.
pub(super) fn note<'a>(
    store: &Store,
    place: &str,
    blobs: impl Iterator<Item = &'a Digest>,
) -> Result<(), ImageError> {
    let _held = store.changing()?;
    let before = read(store)?;
    let mut known = before.clone();
    for digest in blobs {
        let places = known.entry(digest.hex().to_owned()).or_default();
        places.retain(|p| p != place);
        places.push(place.to_owned());
        let surplus = places.len().saturating_sub(MOST);
        places.drain(..surplus);
    }
    known.retain(|hex, _| store.root().join("blobs/sha256").join(hex).exists());
    if known == before {
        return Ok(());
    }
    let path = store.root().join("origins.json");
    let text = serde_json::to_vec(&known).map_err(json("origins.json"))?;
    let new = path.with_extension("json.new");
    std::fs::write(&new, text).map_err(io("write", &new))?;
    std::fs::rename(&new, &path).map_err(io("write", &path))
}
