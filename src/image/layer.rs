//! A layer's blob -> its unpacked folder in the store, made once and verified by its diff id.

use super::compression::{Limited, decoder};
use super::digest::{Digest, Hashing};
use super::error::{ImageError, io};
use super::store::Store;
use super::unpack::{Limits, unpack};
use super::workspace::lock_folder;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Large reads keep the decoder and the hash in long runs; headers of 512 bytes come from this buffer.
const BUFFER: usize = 256 << 10;

/// The folder of an unpacked layer, unpacking it when that was not done before. It stays as long as `store` is open.
pub fn unpacked(
    store: &Store,
    blob: &Digest,
    diff_id: &Digest,
    limits: Limits,
) -> Result<PathBuf, ImageError> {
    let path = store.layer_path(diff_id);
    loop {
        if let Some(lock) = locked(store, diff_id)? {
            store.hold(diff_id, lock);
            return Ok(path);
        }
        let space = store.temporary()?;
        let new = space.path().join("layer");
        std::fs::create_dir(&new).map_err(io("create", &new))?;
        unpack_blob(store, blob, diff_id, &new, limits)?;
        let lock = lock_folder(&new, FlockArg::LockSharedNonblock)?;
        match std::fs::rename(&new, &path) {
            Ok(()) => {
                if let Some(lock) = lock {
                    store.hold(diff_id, lock);
                }
                return Ok(path);
            }
            // Another process was quicker, with the same content: its is taken.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EEXIST | libc::ENOTEMPTY)) => {}
            Err(e) => return Err(io("put in place", &path)(e)),
        }
    }
}

fn unpack_blob(
    store: &Store,
    blob: &Digest,
    diff_id: &Digest,
    new: &std::path::Path,
    limits: Limits,
) -> Result<(), ImageError> {
    let what = format!("layer {blob}");
    let stream = |source| ImageError::Stream { what: what.clone(), source };
    let from = store.blob_path(blob);
    let file = match File::open(&from) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(ImageError::NoBlob(blob.clone())),
        other => other.map_err(io("open", &from))?,
    };
    let plain = Limited::new(decoder(file).map_err(stream)?, limits.bytes);
    let reader = unpack(BufReader::with_capacity(BUFFER, Hashing::new(plain)), &what, new, limits)?;
    let (found, _, _) = reader.into_inner().finish();
    if found != *diff_id {
        return Err(ImageError::WrongDiffId { layer: blob.clone(), expected: diff_id.clone(), found });
    }
    // A layer that is there is believed to be whole, also after the power went.
    let dir = File::open(new).map_err(io("open", new))?;
    rustix::fs::syncfs(&dir).map_err(|e| io("write", new)(e.into()))
}

/// Locks a layer that is there against removal.
fn locked(store: &Store, diff_id: &Digest) -> Result<Option<Flock<File>>, ImageError> {
    let path = store.layer_path(diff_id);
    let lock = match lock_folder(&path, FlockArg::LockShared) {
        Err(ImageError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        other => other?,
    };
    let Some(lock) = lock else { return Ok(None) };
    // Who removes a layer moves it away before: what was locked may be another folder than the one that is there.
    let same = |a: std::fs::Metadata, b: std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let locked = lock.metadata().map_err(io("look at", &path))?;
    Ok(std::fs::symlink_metadata(&path).is_ok_and(|now| same(locked, now)).then_some(lock))
}
