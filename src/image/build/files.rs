//! Fingerprints of files. One that was read before and has not changed since is not read again: size, both times and
//! inode tell, as with git's index.

use super::error::{StepError, io};
use super::select::{Item, Tree};
use crate::image::store::Store;
use rustix::fs::FileType;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file changed as recently as this may change again without a sign of it.
const RACY_S: i64 = 2;

type Sign = (u64, u64, i64, i64, i64, i64);

/// Known fingerprints of one context.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    known: Mutex<Option<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    by_sign: HashMap<Sign, [u8; 32]>,
    changed: bool,
}

impl Files {
    /// Of the context at `root`.
    pub fn of(store: &Store, root: &Path) -> Self {
        let name = hex::encode(Sha256::digest(root.as_os_str().as_encoded_bytes()));
        Self { path: store.root().join("build/files").join(&name[..32]), known: Mutex::new(None) }
    }

    /// Hash of all that makes the items what they are, but their times and owners.
    pub fn key(&self, tree: &Tree<'_>, items: &[Item]) -> Result<String, StepError> {
        let mut guard = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = guard.get_or_insert_with(|| self.load());
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        let now = now_s();
        for item in items {
            let failed = |e: std::io::Error| io("read", String::from_utf8_lossy(&item.from).into_owned())(e);
            part(&item.to);
            part(&item.stat.st_mode.to_le_bytes());
            match item.kind() {
                FileType::RegularFile => {
                    let sign = sign(item);
                    let fingerprint = match known.by_sign.get(&sign) {
                        Some(fingerprint) => *fingerprint,
                        None => {
                            let fingerprint = fingerprint(tree, item).map_err(failed)?;
                            if item.stat.st_ctime < now - RACY_S {
                                known.by_sign.insert(sign, fingerprint);
                                known.changed = true;
                            }
                            fingerprint
                        }
                    };
                    part(&fingerprint);
                }
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(&tree.root, item.from.as_slice(), Vec::new());
                    part(target.map_err(|e| failed(e.into()))?.to_bytes());
                }
                FileType::Directory => {}
                _ => part(&item.stat.st_rdev.to_le_bytes()),
            }
        }
        Ok(hex::encode(hash.finalize()))
    }

    /// Keeps them for the next build. Not being able to costs time only.
    pub fn save(&self) {
        let guard = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = guard.as_ref().filter(|k| k.changed) else { return };
        let mut bytes = Vec::with_capacity(known.by_sign.len() * RECORD);
        for ((dev, ino, size, mtime, nanos, ctime), fingerprint) in &known.by_sign {
            bytes.extend_from_slice(&dev.to_le_bytes());
            bytes.extend_from_slice(&ino.to_le_bytes());
            for n in [size, mtime, nanos, ctime] {
                bytes.extend_from_slice(&n.to_le_bytes());
            }
            bytes.extend_from_slice(fingerprint);
        }
        let Some(dir) = self.path.parent() else { return };
        let new = self.path.with_extension(std::process::id().to_string());
        let written = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&new, bytes));
        if written.and_then(|()| std::fs::rename(&new, &self.path)).is_err() {
            let _ = std::fs::remove_file(&new);
        }
    }

    fn load(&self) -> Known {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        let mut by_sign = HashMap::with_capacity(bytes.len() / RECORD);
        for record in bytes.chunks_exact(RECORD) {
            let number = |i: usize| {
                let mut eight = [0; 8];
                eight.copy_from_slice(&record[i * 8..i * 8 + 8]);
                i64::from_le_bytes(eight)
            };
            let sign = (
                number(0).cast_unsigned(),
                number(1).cast_unsigned(),
                number(2),
                number(3),
                number(4),
                number(5),
            );
            let mut fingerprint = [0; 32];
            fingerprint.copy_from_slice(&record[48..]);
            by_sign.insert(sign, fingerprint);
        }
        Known { by_sign, changed: false }
    }
}

const RECORD: usize = 6 * 8 + 32;

fn sign(item: &Item) -> Sign {
    let s = &item.stat;
    let ctime = s.st_ctime.wrapping_mul(1_000_000_000).wrapping_add(s.st_ctime_nsec as i64);
    (s.st_dev, s.st_ino, s.st_size, s.st_mtime, s.st_mtime_nsec as i64, ctime)
}

fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs().cast_signed())
}

/// Content and attributes.
fn fingerprint(tree: &Tree<'_>, item: &Item) -> std::io::Result<[u8; 32]> {
    let mut file = tree.read(item)?;
    let mut hash = Sha256::new();
    let mut buffer = [0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    let mut names = [0; 4 << 10];
    let length = match rustix::fs::flistxattr(&file, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    let mut keys: Vec<&[u8]> = names[..length].split(|b| *b == 0).filter(|k| !k.is_empty()).collect();
    keys.sort_unstable();
    for key in keys {
        let mut value = vec![0; 64 << 10]; // XATTR_SIZE_MAX
        let length = rustix::fs::fgetxattr(&file, key, &mut value[..])?;
        hash.update(b"\0");
        hash.update(key);
        hash.update(b"=");
        hash.update(&value[..length]);
    }
    Ok(hash.finalize().into())
}
