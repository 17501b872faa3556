//! A blob of which a part is there: `partial/<hex>` in the store, kept when its process ends, so that the next goes on.
//!
//! Locked by who adds to it; who finds it locked waits, and then finds the blob or the part.

use super::digest::{Digest, Hashing};
use super::error::{ImageError, io};
use super::store::Store;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// See the module.
pub(super) struct Partial {
    digest: Digest,
    path: PathBuf,
    /// Locked.
    file: Hashing<File>,
}

impl Partial {
    /// None when the store has the blob.
    pub fn open(store: &Store, digest: &Digest) -> Result<Option<Self>, ImageError> {
        let path = store.partial_path(digest);
        loop {
            if store.blob_path(digest).exists() {
                return Ok(None);
            }
            let open = File::options().create(true).truncate(false).read(true).write(true).open(&path);
            let mut held = open.map_err(io("open", &path))?;
            held.lock().map_err(io("lock", &path))?;
            let about = held.metadata().map_err(io("look at", &path))?;
            // Who had it before may have made it whole and moved it away.
            if !std::fs::symlink_metadata(&path).is_ok_and(|now| now.ino() == about.ino()) {
                continue;
            }
            let mut hash = Hashing::new(std::io::sink());
            std::io::copy(&mut held, &mut hash).map_err(io("read", &path))?;
            let file = hash.around(held);
            return Ok(Some(Self { digest: digest.clone(), path, file }));
        }
    }

    /// Bytes that are there.
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// Adds to it.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.file.write_all(bytes).map_err(io("write", &self.path))
    }

    /// Throws away what is there.
    pub fn restart(&mut self) -> Result<(), ImageError> {
        self.file.reset();
        let file = self.file.inner_mut();
        file.set_len(0).and_then(|()| file.rewind()).map_err(io("empty", &self.path))
    }

    /// Verifies it and takes it in. One with the wrong content is thrown away.
    pub fn finish(&mut self, store: &Store, expected: u64) -> Result<(), ImageError> {
        let (found, bytes) = self.file.so_far();
        let digest = self.digest.clone();
        if bytes != expected {
            return Err(ImageError::WrongSize { digest, expected, found: bytes });
        }
        if found != digest {
            let told = ImageError::WrongDigest { expected: digest, found };
            self.restart()?;
            return Err(told);
        }
        self.file.inner_mut().sync_all().map_err(io("write", &self.path))?;
        let to = store.blob_path(&digest);
        std::fs::rename(&self.path, &to).map_err(io("write", &to))
    }
}
