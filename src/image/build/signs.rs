//! What tells that a file is the same as before, and the fingerprints of those that were read.

use rustix::fs::Stat;
use std::collections::HashMap;
use std::path::Path;

/// Device, inode, size, and both times in nanoseconds. A change of content, mode, owner or attributes sets the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sign([i64; 6]);

impl Sign {
    /// Of a file.
    pub fn of(stat: &Stat) -> Self {
        Self([
            stat.st_dev.cast_signed(),
            stat.st_ino.cast_signed(),
            stat.st_size,
            // Seconds of their own: anyone can set them to what would not fit into 64 bits as nanoseconds.
            stat.st_mtime,
            stat.st_mtime_nsec as i64,
            stat.st_ctime.wrapping_mul(1_000_000_000).wrapping_add(stat.st_ctime_nsec as i64),
        ])
    }

    /// As it is kept and hashed.
    pub fn write(&self, to: &mut Vec<u8>) {
        self.0.iter().for_each(|n| to.extend_from_slice(&n.to_le_bytes()));
    }
}

/// SHA-256 of content and attributes.
pub(super) type Fingerprint = [u8; 32];

const SIGN: usize = 6 * 8;

/// Fingerprints by signs.
#[derive(Debug, Default)]
pub(super) struct Known {
    by_sign: HashMap<Sign, Fingerprint>,
    changed: bool,
}

impl Known {
    /// Those that a file holds; one that cannot be read holds none.
    pub fn load(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let record = |record: &[u8]| {
            let mut sign = [0; 6];
            for (number, eight) in sign.iter_mut().zip(record.chunks_exact(8)) {
                *number = i64::from_le_bytes(eight.try_into().ok()?);
            }
            Some((Sign(sign), record[SIGN..].try_into().ok()?))
        };
        let by_sign = bytes.chunks_exact(SIGN + size_of::<Fingerprint>()).filter_map(record).collect();
        Self { by_sign, changed: false }
    }

    /// Of a file with this sign.
    pub fn get(&self, sign: &Sign) -> Option<Fingerprint> {
        self.by_sign.get(sign).copied()
    }

    /// Adds one.
    pub fn insert(&mut self, sign: Sign, fingerprint: Fingerprint) {
        self.by_sign.insert(sign, fingerprint);
        self.changed = true;
    }

    /// What is to be written, if there is anything new.
    pub fn changed(&self) -> Option<Vec<u8>> {
        self.changed.then(|| {
            let mut bytes = Vec::with_capacity(self.by_sign.len() * (SIGN + size_of::<Fingerprint>()));
            for (sign, fingerprint) in &self.by_sign {
                sign.write(&mut bytes);
                bytes.extend_from_slice(fingerprint);
            }
            bytes
        })
    }
}
