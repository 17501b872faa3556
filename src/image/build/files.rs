//! What files of a context are, without reading again those that have not changed: as git's index knows it, by size,
//! times, inode and device.
//!
//! Twice over. Of everything that one instruction takes, the digest of all these signs is kept with the key that it
//! came to: where nothing has changed, nothing more is looked at. Of each file, the fingerprint is kept beside its
//! sign: where something has changed, only that is read.
//!
//! A file that changed right before it was looked at may change again and bear the same sign. It is never kept, as git
//! never trusts an entry as young as its index.

use super::error::{StepError, io};
use super::select::{Item, Tree};
use super::signs::{Known, Sign};
use crate::image::digest::Digest;
use crate::image::store::Store;
use rustix::fs::FileType;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file changed as recently as this may change again without a sign of it: file systems tell times no finer (2 s:
/// FAT), and their clock need not be ours.
const RACY_S: i64 = 2;
/// Changed when what is kept is written or understood in another way.
const FORMAT: &str = "taremark files 2";

/// What is known of one context.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
    known: Mutex<Option<Known>>,
    /// Seconds since 1970, before anything was looked at.
    begun: i64,
}

impl Files {
    /// Of the context at `root`.
    pub fn of(store: &Store, root: &Path) -> Self {
        let name = short(&[FORMAT.as_bytes(), root.as_os_str().as_encoded_bytes()]);
        Self { dir: store.root().join("build/files").join(name), known: Mutex::new(None), begun: now_s() }
    }

    /// What is kept of what an instruction takes: `said` is the instruction, `signs` all that there is by name, mode and
    /// sign.
    pub fn look(&self, said: &str, signs: Digest) -> Look<'_> {
        Look { files: self, path: self.dir.join(short(&[said.as_bytes()])), signs }
    }

    /// Hash of all that makes the items what they are, but their times and owners; and whether none of them is so young
    /// that it may change without a sign.
    pub fn key(&self, tree: &Tree<'_>, items: &[&Item]) -> Result<(String, bool), StepError> {
        let key = self.read(tree, items)?;
        let old = items.iter().all(|item| item.kind() == FileType::Directory || is_old(item, self.begun));
        Ok((key, old))
    }

    fn read(&self, tree: &Tree<'_>, items: &[&Item]) -> Result<String, StepError> {
        let mut guard = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = guard.get_or_insert_with(|| Known::load(&self.fingerprints()));
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for item in items {
            let failed = |e: std::io::Error| io("read", String::from_utf8_lossy(&item.from).into_owned())(e);
            part(&item.to);
            part(&item.stat.st_mode.to_le_bytes());
            match item.kind() {
                FileType::RegularFile => {
                    let sign = Sign::of(&item.stat);
                    let fingerprint = match known.get(&sign) {
                        Some(fingerprint) => fingerprint,
                        None => {
                            let fingerprint = fingerprint(tree, item).map_err(failed)?;
                            if is_old(item, self.begun) {
                                known.insert(sign, fingerprint);
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

    /// Keeps fingerprints for the next build.
    pub fn save(&self) {
        let guard = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = guard.as_ref().and_then(Known::changed) {
            self.put(&self.fingerprints(), &bytes);
        }
    }

    fn fingerprints(&self) -> PathBuf {
        self.dir.join("fingerprints")
    }

    /// Whole or not at all, whoever else writes it. Not being able to costs the next build time, and nothing else.
    fn put(&self, path: &Path, bytes: &[u8]) {
        let write = || {
            std::fs::create_dir_all(&self.dir)?;
            let mut new = tempfile::NamedTempFile::new_in(&self.dir)?;
            std::io::Write::write_all(&mut new, bytes)?;
            new.persist(path).map(drop).map_err(|e| e.error)
        };
        let _ = write();
    }
}

/// See [`Files::look`].
pub struct Look<'a> {
    files: &'a Files,
    path: PathBuf,
    signs: Digest,
}

impl Look<'_> {
    /// The key that the same signs came to before.
    pub fn key(&self) -> Option<String> {
        key_of(&std::fs::read_to_string(&self.path).ok()?, self.signs.hex())
    }

    /// Keeps it for the next build, where the signs are to be believed.
    pub fn keep(&self, key: &str, old: bool) {
        if old {
            self.files.put(&self.path, format!("{} {key}\n", self.signs.hex()).as_bytes());
        }
    }
}

/// The key beside these signs. A record that a crash of the machine left half written has none.
fn key_of(record: &str, signs: &str) -> Option<String> {
    let (of, key) = record.strip_suffix('\n')?.split_once(' ')?;
    let whole = key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit());
    (of == signs && whole).then(|| key.to_owned())
}

/// Both times: a change of either is a change, and who sets the one back does not reach the other.
fn is_old(item: &Item, now: i64) -> bool {
    item.stat.st_ctime.max(item.stat.st_mtime) < now - RACY_S
}

fn short(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut name = hex::encode(hash.finalize());
    name.truncate(32);
    name
}

fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs().cast_signed())
}

/// Content and attributes.
fn fingerprint(tree: &Tree<'_>, item: &Item) -> std::io::Result<[u8; 32]> {
    let file = tree.read(item)?;
    let mut content = (&file).take(item.most());
    let mut hash = Sha256::new();
    let mut buffer = [0; 64 << 10];
    loop {
        match content.read(&mut buffer)? {
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
