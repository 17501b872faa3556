//! A layer's blob -> its unpacked folder in the store, made once and verified by its diff id.

use super::ahead;
use super::digest::Digest;
use super::each::{cpus, each};
use super::error::{ImageError, io};
use super::store::Store;
use super::unpack::{Limits, unpack};
use super::workspace::{Workspace, lock_folder};
use nix::fcntl::{Flock, FlockArg};
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Folders of unpacked layers, in the order of `layers` (blob and diff id), unpacking those that were not unpacked
/// before, several at a time. They stay as long as `store` is open.
pub fn unpacked(
    store: &Store,
    layers: &[(Digest, Digest)],
    limits: Limits,
) -> Result<Vec<PathBuf>, ImageError> {
    let mut lacking = BTreeMap::new();
    for (blob, diff_id) in layers {
        match locked(store, diff_id)? {
            Some(lock) => store.hold(diff_id, lock),
            None => drop(lacking.insert(diff_id, blob)),
        }
    }
    let lacking: Vec<(&Digest, &Digest)> = lacking.into_iter().collect();
    let made: Mutex<Vec<(Workspace, &Digest)>> = Mutex::default();
    each(cpus(), &lacking, |(diff_id, blob)| {
        let space = store.temporary()?;
        let new = space.path().join(NAME);
        std::fs::create_dir(&new).map_err(io("create", &new))?;
        // An archive that does not tell of its root means one that everybody may look into, whatever our umask.
        std::fs::set_permissions(&new, Permissions::from_mode(0o755)).map_err(io("set the mode of", &new))?;
        unpack_blob(store, blob, diff_id, &new, limits)?;
        made.lock().unwrap_or_else(PoisonError::into_inner).push((space, diff_id));
        Ok(())
    })?;
    if !lacking.is_empty() {
        // A layer that is there is believed to be whole, also after the power went.
        let dir = File::open(store.root()).map_err(io("open", store.root()))?;
        rustix::fs::syncfs(&dir).map_err(|e| io("write", store.root())(e.into()))?;
    }
    for (space, diff_id) in made.into_inner().unwrap_or_else(PoisonError::into_inner) {
        put_in_place(store, &space.path().join(NAME), diff_id)?;
    }
    Ok(layers.iter().map(|(_, diff_id)| store.layer_path(diff_id)).collect())
}

/// Deflate makes no more than 1032 bytes of one (zlib, "Maximum expansion factor"); zstd could, and no honest layer does.
const MOST_RATIO: u64 = 1032;
/// However small the blob is: a layer of zeros may be this large.
const ALWAYS: u64 = 1 << 30;

/// In its workspace.
const NAME: &str = "layer";

fn put_in_place(store: &Store, new: &Path, diff_id: &Digest) -> Result<(), ImageError> {
    let path = store.layer_path(diff_id);
    let lock = lock_folder(new, FlockArg::LockSharedNonblock)?;
    loop {
        match std::fs::rename(new, &path) {
            Ok(()) => {
                lock.into_iter().for_each(|lock| store.hold(diff_id, lock));
                return Ok(());
            }
            // Another process was quicker, with the same content: its is taken, unless it goes again just now.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EEXIST | libc::ENOTEMPTY)) => {
                if let Some(theirs) = locked(store, diff_id)? {
                    store.hold(diff_id, theirs);
                    return Ok(());
                }
            }
            Err(e) => return Err(io("put in place", &path)(e)),
        }
    }
}

/// A blob's file.
pub(super) fn opened(store: &Store, blob: &Digest) -> Result<File, ImageError> {
    let from = store.blob_path(blob);
    match File::open(&from) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(ImageError::NoBlob(blob.clone())),
        other => other.map_err(io("open", &from)),
    }
}

/// Unpacks a layer's blob into the empty folder `new`, and believes it by its diff id.
pub(super) fn unpack_blob(
    store: &Store,
    blob: &Digest,
    diff_id: &Digest,
    new: &Path,
    limits: Limits,
) -> Result<(), ImageError> {
    let what = format!("layer {blob}");
    let file = opened(store, blob)?;
    let packed = file.metadata().map_err(io("look at", &store.blob_path(blob)))?.len();
    let limit = limits.bytes.min(packed.saturating_mul(MOST_RATIO).saturating_add(ALWAYS));
    let ((), found) = ahead::decoded(file, limit, |plain| unpack(plain, &what, new, limits).map(drop))?;
    if found == *diff_id {
        Ok(())
    } else {
        Err(ImageError::WrongDiffId { layer: blob.clone(), expected: diff_id.clone(), found })
    }
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
