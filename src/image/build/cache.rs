//! What was built before, by keys made of content: a step's key is the hash of the key before it, of what the step says
//! and of the files that it takes.

use super::commit::Layer;
use super::error::{StepError, io};
use crate::image::ImageError;
use crate::image::digest::Digest;
use crate::image::error::io as of_image;
use crate::image::store::Store;
use sha2::{Digest as _, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Changed when the same key would give other bytes.
const FORMAT: &str = "taremark build 2";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Of a base.
    pub fn of(parts: &[&str]) -> Self {
        Self(FORMAT.into()).next(parts)
    }

    /// Of what comes after it. No two lists of parts give the same text.
    pub fn next(&self, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(self.0.as_str()).chain(parts.iter().copied()) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(hex::encode(hash.finalize()))
    }

    /// For keys made with it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// What a step gave.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// None: it changed nothing.
    pub layer: Option<Layer>,
    /// RFC 3339.
    pub created: String,
}

/// Records below the store.
#[derive(Debug)]
pub struct Cache {
    store: Store,
    dir: PathBuf,
    /// False: nothing is found, but what is made is kept for the next.
    reads: bool,
}

impl Cache {
    /// Of a store.
    pub fn open(store: &Store, reads: bool) -> Result<Self, StepError> {
        let dir = store.root().join("build/cache");
        std::fs::create_dir_all(&dir).map_err(io("create", &dir))?;
        Ok(Self { store: store.clone(), dir, reads })
    }

    /// A record whose layer is still there.
    pub fn step(&self, key: &Key) -> Option<Record> {
        let record: Record = serde_json::from_slice(&self.read(key)?).ok()?;
        match &record.layer {
            Some(layer) if !self.has(&layer.blob) => None,
            _ => Some(record),
        }
    }

    /// The manifest that a whole build gave, if all of it is still there.
    pub fn image(&self, key: &Key) -> Option<Digest> {
        let text = String::from_utf8(self.read(key)?).ok()?;
        let digest: Digest = text.trim().parse().ok()?;
        let image = crate::image::Image::read(&self.store, &digest).ok()?;
        let whole = image.blobs().ok()?.keys().all(|blob| self.store.blob_path(blob).is_file());
        whole.then_some(digest)
    }

    /// Keeps a step's record.
    pub fn keep_step(&self, key: &Key, record: &Record) -> Result<(), StepError> {
        self.write(key, &serde_json::to_vec(record).unwrap_or_default())
    }

    /// Keeps a whole build's manifest.
    pub fn keep_image(&self, key: &Key, manifest: &Digest) -> Result<(), StepError> {
        self.write(key, manifest.to_string().as_bytes())
    }

    fn has(&self, blob: &str) -> bool {
        blob.parse::<Digest>().is_ok_and(|d| self.store.blob_path(&d).is_file())
    }

    fn read(&self, key: &Key) -> Option<Vec<u8>> {
        if self.reads { std::fs::read(self.dir.join(&key.0)).ok() } else { None }
    }

    fn write(&self, key: &Key, bytes: &[u8]) -> Result<(), StepError> {
        // A name of its own: builds beside one another keep the same record, and a number of a process is one of several
        // where there are namespaces.
        // Its ending tells that it is none yet.
        let new = tempfile::Builder::new().suffix(".new").tempfile_in(&self.dir);
        let mut new = new.map_err(io("write", &self.dir))?;
        new.write_all(bytes).map_err(io("write", &self.dir))?;
        let to = self.dir.join(&key.0);
        new.persist(&to).map(drop).map_err(|e| io("write", &to)(e.error))
    }
}

/// Removes records of what is no longer in the store; for who has removed something from it.
pub fn sweep(store: &Store) {
    let dir = store.root().join("build/cache");
    let there = |digest: &str| digest.parse::<Digest>().is_ok_and(|d| store.blob_path(&d).is_file());
    // A record that cannot be removed is never used: its blob is looked for each time.
    for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        // What a build that died was writing.
        if entry.path().extension().is_some() {
            let _ = std::fs::remove_file(entry.path());
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let whole = match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) => record.layer.is_none_or(|l| there(&l.blob)),
            Err(_) => std::str::from_utf8(&bytes).is_ok_and(|t| there(t.trim())),
        };
        if !whole {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Removes what builds keep beside images: folders of `--mount=type=cache` and fingerprints of contexts' files. Their
/// bytes, apparent. For who is alone in the store.
pub fn forget(store: &Store) -> Result<u64, ImageError> {
    let mut bytes = 0;
    for name in ["mounts", "files"] {
        let dir = store.root().join("build").join(name);
        if !dir.is_dir() {
            continue;
        }
        bytes += size(&dir).map_err(of_image("look at", &dir))?;
        crate::image::workspace::remove(&dir)?;
    }
    Ok(bytes)
}

fn size(dir: &Path) -> std::io::Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let about = entry.metadata()?;
        let own = if about.is_dir() { size(&entry.path())? } else { about.len() };
        Ok(sum + own)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_lists_apart() {
        let keys =
            [Key::of(&["ab", "c"]), Key::of(&["a", "bc"]), Key::of(&["abc"]), Key::of(&["ab"]).next(&["c"])];
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[..i].contains(key));
        }
        assert_eq!(keys[0], Key::of(&["ab", "c"]));
    }
}
