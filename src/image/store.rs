//! The content-addressed store.
//!
//! `blobs/sha256/<hex>` are immutable; `references.json` names manifests; `layers/<hex of diff id>/` are unpacked
//! layers; `tmp/` holds what is not whole yet, `partial/` what of a blob came before its process ended. A blob or layer appears by one rename, so a crash at any point leaves
//! nothing half made, and changes of `references.json` are made under a lock.

use super::digest::{Digest, Hashing};
use super::error::{ImageError, io, json};
use super::handle::Image;
use super::reference::{Reference, Version};
use super::workspace::{Workspace, lock};
use nix::fcntl::{Flock, FlockArg};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// See the module.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// Layers that this process uses: locked, so that no other removes them.
    held: Arc<Mutex<HashMap<Digest, Flock<File>>>>,
}

impl Store {
    /// Opens it, making what is missing and clearing away what dead processes left.
    pub fn open(root: &Path) -> Result<Self, ImageError> {
        for dir in ["blobs/sha256", "layers", "partial", "tmp"] {
            let dir = root.join(dir);
            // Layers hold setuid programs: no other user may reach them.
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.map_err(io("create", &dir))?;
        }
        let store = Self { root: root.to_owned(), held: Arc::default() };
        store.clear_temporary()?;
        Ok(store)
    }

    /// `TAREMARK_STORE`, or `taremark/store` below `XDG_DATA_HOME` or `~/.local/share`.
    pub fn default_root() -> PathBuf {
        let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = || var("HOME").unwrap_or_else(|| "/root".into()).join(".local/share");
        var("TAREMARK_STORE")
            .unwrap_or_else(|| var("XDG_DATA_HOME").unwrap_or_else(home).join("taremark/store"))
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Where the part of a blob is that came so far.
    pub(super) fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("partial").join(digest.hex())
    }

    /// Where a layer is unpacked, or would be.
    pub fn layer_path(&self, diff_id: &Digest) -> PathBuf {
        self.root.join("layers").join(diff_id.hex())
    }

    /// For what is not whole yet.
    pub fn temporary(&self) -> Result<Workspace, ImageError> {
        Workspace::create(&self.root)
    }

    pub(super) fn clear_temporary(&self) -> Result<(), ImageError> {
        super::workspace::clear(&self.root)
    }

    /// Held by who puts blobs in, until they are named: nothing is removed meanwhile.
    pub(super) fn adding(&self) -> Result<Flock<File>, ImageError> {
        lock(&self.root.join("users.lock"), FlockArg::LockShared)
    }

    /// Waits for those that put blobs in, and keeps new ones waiting.
    pub(super) fn removing(&self) -> Result<Flock<File>, ImageError> {
        lock(&self.root.join("users.lock"), FlockArg::LockExclusive)
    }

    /// Held while one of the store's small files changes.
    pub(super) fn changing(&self) -> Result<Flock<File>, ImageError> {
        lock(&self.root.join("lock"), FlockArg::LockExclusive)
    }

    /// Keeps a layer from being removed as long as this store, or a clone of it, is open.
    pub(super) fn hold(&self, diff_id: &Digest, lock: Flock<File>) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(diff_id.clone(), lock);
    }

    /// A blob that is written piece by piece.
    pub fn writer(&self) -> Result<BlobWriter, ImageError> {
        let space = self.temporary()?;
        let path = space.path().join("blob");
        let file = File::create_new(&path).map_err(io("create", &path))?;
        Ok(BlobWriter { file: Hashing::new(file), path, _space: space, store: self.clone() })
    }

    /// Takes a blob in from `reader`. With `expected`, digest and size have to match, and no more than that size is
    /// read.
    pub fn put(
        &self,
        reader: impl Read,
        expected: Option<(&Digest, u64)>,
    ) -> Result<(Digest, u64), ImageError> {
        let mut reader = reader.take(expected.map_or(u64::MAX, |(_, size)| size.saturating_add(1)));
        let mut writer = self.writer()?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(ImageError::Stream { what: "the blob's source".into(), source }),
            };
            writer.write_all(&buffer[..n]).map_err(io("write", &writer.path))?;
        }
        writer.finish(expected)
    }

    /// A small blob, whole, verified.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, ImageError> {
        let path = self.blob_path(digest);
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(ImageError::NoBlob(digest.clone()));
            }
            other => other.map_err(io("read", &path))?,
        };
        let found = Digest::of(&bytes);
        if found == *digest {
            Ok(bytes)
        } else {
            Err(ImageError::WrongDigest { expected: digest.clone(), found })
        }
    }

    /// References and the digests of their manifests.
    pub fn references(&self) -> Result<BTreeMap<String, String>, ImageError> {
        let path = self.root.join("references.json");
        match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(e) => Err(io("read", &path)(e)),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(json(path.display())),
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<(), ImageError> {
        let _held = self.changing()?;
        let mut references = self.references()?;
        change(&mut references);
        let (path, new) = (self.root.join("references.json"), self.root.join("references.json.new"));
        let text = serde_json::to_vec_pretty(&references).map_err(json(path.display()))?;
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()
        };
        write().map_err(io("write", &new))?;
        std::fs::rename(&new, &path).map_err(io("write", &path))
    }

    /// Names a manifest.
    pub fn name(&self, reference: &Reference, manifest: &Digest) -> Result<(), ImageError> {
        self.change(|all| drop(all.insert(reference.to_string(), manifest.to_string())))
    }

    /// Takes a name away. Blobs stay until [`super::remove::remove`] finds that no image needs them.
    pub fn forget(&self, reference: &Reference) -> Result<(), ImageError> {
        let mut found = false;
        self.change(|all| found = all.remove(&reference.to_string()).is_some())?;
        if found { Ok(()) } else { Err(ImageError::NotFound(reference.to_string())) }
    }

    /// Of the manifest or index that a reference names.
    pub fn digest_of(&self, reference: &str) -> Result<Digest, ImageError> {
        let parsed: Reference = reference.parse()?;
        match &parsed.version {
            Version::Digest(digest) => Ok(digest.clone()),
            Version::Tag(_) => {
                let shown = parsed.to_string();
                self.references()?.get(&shown).ok_or(ImageError::NotFound(shown))?.parse()
            }
        }
    }

    /// The image that a reference names; of an index, this host's.
    pub fn resolve(&self, reference: &str) -> Result<Image, ImageError> {
        Image::read(self, &self.digest_of(reference)?)
    }
}

/// A blob on its way in; dropped, it leaves nothing.
pub struct BlobWriter {
    file: Hashing<File>,
    path: PathBuf,
    _space: Workspace,
    store: Store,
}

impl BlobWriter {
    /// Verifies what was written and takes it in.
    pub fn finish(self, expected: Option<(&Digest, u64)>) -> Result<(Digest, u64), ImageError> {
        self.place(expected, true)
    }

    /// Takes it in without waiting for the disk: for who syncs the whole file system before anything names it.
    pub(super) fn finish_unsynced(self) -> Result<(Digest, u64), ImageError> {
        self.place(None, false)
    }

    fn place(self, expected: Option<(&Digest, u64)>, sync: bool) -> Result<(Digest, u64), ImageError> {
        let (digest, size, file) = self.file.finish();
        if let Some((promised, bytes)) = expected {
            if size != bytes {
                return Err(ImageError::WrongSize { digest: promised.clone(), expected: bytes, found: size });
            }
            if digest != *promised {
                return Err(ImageError::WrongDigest { expected: promised.clone(), found: digest });
            }
        }
        if sync {
            file.sync_all().map_err(io("write", &self.path))?;
        }
        let to = self.store.blob_path(&digest);
        std::fs::rename(&self.path, &to).map_err(io("write", &to))?;
        Ok((digest, size))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.file.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().expect("folder");
        let store = Store::open(dir.path()).expect("store");
        (dir, store)
    }

    #[test]
    fn a_blob_that_is_not_what_was_promised_does_not_enter() {
        let (_dir, store) = store();
        let abc = Digest::of(b"abc");
        let size = store.put(&b"ab"[..], Some((&abc, 3))).expect_err("short");
        assert!(matches!(size, ImageError::WrongSize { expected: 3, found: 2, .. }), "{size}");
        let long = store.put(&b"abcdefgh"[..], Some((&abc, 3))).expect_err("long");
        assert!(
            matches!(long, ImageError::WrongSize { expected: 3, found: 4, .. }),
            "reads no further: {long}"
        );
        let other = store.put(&b"abd"[..], Some((&abc, 3))).expect_err("other");
        assert!(matches!(other, ImageError::WrongDigest { .. }), "{other}");
        assert!(matches!(store.read(&abc), Err(ImageError::NoBlob(_))));
        store.put(&b"abc"[..], Some((&abc, 3))).expect("right");
        assert_eq!(store.read(&abc).expect("there"), b"abc");
        std::fs::write(store.blob_path(&abc), b"abx").expect("damage");
        assert!(matches!(store.read(&abc), Err(ImageError::WrongDigest { .. })));
    }

    #[test]
    fn names_from_many_threads_are_all_kept() {
        let (_dir, store) = store();
        std::thread::scope(|s| {
            for n in 0..8 {
                let store = store.clone();
                s.spawn(move || {
                    let reference = format!("image{n}").parse().expect("reference");
                    store.name(&reference, &Digest::of(b"x")).expect("name");
                });
            }
        });
        assert_eq!(store.references().expect("references").len(), 8);
        store.forget(&"image3".parse().expect("reference")).expect("forget");
        assert_eq!(store.references().expect("references").len(), 7);
        let e = store.resolve("image3").expect_err("gone").to_string();
        assert_eq!(e, "no image image3:latest in the store");
    }
}
