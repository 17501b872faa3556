//! Two images, file by file.

use super::error::{ImageError, io};
use super::flatten::attributes;
use super::handle::Image;
use super::store::Store;
use super::view::{Seen, walk};
use rustix::fs::{FileType, Mode, OFlags, openat, readlinkat};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// How a path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Kind, mode, owner, content or target.
    Changed,
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// From the root.
    pub path: String,
    /// How.
    pub change: Change,
    /// What of it, for one that changed: `kind`, `mode`, `owner`, `content`, `target`, `device`.
    pub what: Vec<&'static str>,
    /// Bytes in the first image, of a regular file.
    pub before_bytes: u64,
    /// Bytes in the second.
    pub after_bytes: u64,
}

/// What is known of a path.
struct Known {
    stat: rustix::fs::Stat,
    layer: PathBuf,
    path: Vec<u8>,
    target: Vec<u8>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Paths that differ between two images, sorted. Times do not count. Unpacks the layers that are not yet.
pub fn images(store: &Store, first: &Image, second: &Image) -> Result<Vec<Difference>, ImageError> {
    trees(&first.lower_dirs(store)?, &second.lower_dirs(store)?, false)
}

/// The same of layers, top first; with `strict`, times and extended attributes count too.
pub(super) fn trees(
    first: &[PathBuf],
    second: &[PathBuf],
    strict: bool,
) -> Result<Vec<Difference>, ImageError> {
    let (mut before, after) = (listed(first)?, listed(second)?);
    let mut all = Vec::new();
    for (path, new) in after {
        let old = before.remove(&path);
        let (change, what, before_bytes) = match &old {
            None => (Change::Added, Vec::new(), 0),
            Some(old) => (Change::Changed, differing(old, &new, strict)?, bytes(old)),
        };
        if change == Change::Added || !what.is_empty() {
            let after_bytes = bytes(&new);
            all.push(Difference { path: shown(&path), change, what, before_bytes, after_bytes });
        }
    }
    for (path, old) in before {
        let (change, before_bytes) = (Change::Removed, bytes(&old));
        all.push(Difference { path: shown(&path), change, what: Vec::new(), before_bytes, after_bytes: 0 });
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

fn kind(known: &Known) -> FileType {
    FileType::from_raw_mode(known.stat.st_mode)
}

fn bytes(known: &Known) -> u64 {
    if kind(known) == FileType::RegularFile { known.stat.st_size.cast_unsigned() } else { 0 }
}

fn listed(layers: &[PathBuf]) -> Result<BTreeMap<Vec<u8>, Known>, ImageError> {
    let mut all = BTreeMap::new();
    walk(layers, &mut |seen: &Seen<'_>| {
        let layer = layers[seen.layer].clone();
        let failed =
            |e: std::io::Error| io("look at", &layer.join(shown(seen.path).trim_start_matches('/')))(e);
        let target = match FileType::from_raw_mode(seen.stat.st_mode) {
            FileType::Symlink => {
                readlinkat(seen.at, seen.name, Vec::new()).map_err(|e| failed(e.into()))?.into_bytes()
            }
            _ => Vec::new(),
        };
        let mut xattrs = attributes(seen.at, seen.name).map_err(failed)?;
        xattrs.sort();
        let path = seen.path.to_vec();
        all.insert(path.clone(), Known { stat: seen.stat, layer, path, target, xattrs });
        Ok(())
    })?;
    Ok(all)
}

fn differing(a: &Known, b: &Known, strict: bool) -> Result<Vec<&'static str>, ImageError> {
    let (x, y) = (&a.stat, &b.stat);
    // The same file of a layer that both have.
    if (x.st_dev, x.st_ino) == (y.st_dev, y.st_ino) {
        return Ok(Vec::new());
    }
    if kind(a) != kind(b) {
        return Ok(vec!["kind"]);
    }
    let content = kind(a) == FileType::RegularFile && (x.st_size != y.st_size || !same(a, b)?);
    let device =
        matches!(kind(a), FileType::CharacterDevice | FileType::BlockDevice) && x.st_rdev != y.st_rdev;
    let times = (x.st_mtime, x.st_mtime_nsec) != (y.st_mtime, y.st_mtime_nsec);
    let all = [
        ("mode", x.st_mode != y.st_mode),
        ("owner", (x.st_uid, x.st_gid) != (y.st_uid, y.st_gid)),
        ("content", content),
        ("target", a.target != b.target),
        ("device", device),
        ("time", strict && times),
        ("attributes", a.xattrs != b.xattrs),
    ];
    Ok(all.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect())
}

fn same(a: &Known, b: &Known) -> Result<bool, ImageError> {
    let open = |known: &Known| {
        let shown = known.layer.join(String::from_utf8_lossy(&known.path).as_ref());
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = File::open(&known.layer).map_err(io("open", &known.layer))?;
        let file = openat(&root, known.path.as_slice(), flags, Mode::empty());
        Ok::<_, ImageError>((File::from(file.map_err(|e| io("open", &shown)(e.into()))?), shown))
    };
    let ((mut x, x_shown), (mut y, y_shown)) = (open(a)?, open(b)?);
    let (mut left, mut right) = (vec![0; 128 << 10], vec![0; 128 << 10]);
    loop {
        let n = x.read(&mut left).map_err(io("read", &x_shown))?;
        if n == 0 {
            return Ok(true);
        }
        match y.read_exact(&mut right[..n]) {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            other => other.map_err(io("read", &y_shown))?,
        }
        if left[..n] != right[..n] {
            return Ok(false);
        }
    }
}
