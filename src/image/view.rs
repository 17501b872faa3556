//! The one tree that can be seen through several layers, by the rules of overlayfs.

use super::error::{ImageError, io};
use super::tree::{OPAQUE, join};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, statat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Something that can be seen.
pub(super) struct Seen<'a> {
    /// From the root, without a leading `/`; empty for the root itself.
    pub path: &'a [u8],
    /// Folder of the layer that decides, and the name in it.
    pub at: &'a OwnedFd,
    pub name: &'a [u8],
    pub stat: Stat,
    /// The layer's number: a file is told by it and its inode.
    pub layer: usize,
}

/// What a name was found to be so far, going down through the layers.
struct Found {
    layer: usize,
    stat: Stat,
    /// For a folder: the layers whose folders of that name are merged.
    parts: Vec<usize>,
    /// Nothing below counts.
    closed: bool,
}

/// Visits everything that can be seen through `layers`, top first: each folder before what is in it. Holds few
/// descriptors however deep and however many layers.
pub(super) fn walk(
    layers: &[PathBuf],
    visit: &mut dyn FnMut(&Seen<'_>) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open =
        |path: &PathBuf| rustix::fs::open(path, flags, Mode::empty()).map_err(|e| io("open", path)(e.into()));
    let roots: Vec<OwnedFd> = layers.iter().map(open).collect::<Result<_, _>>()?;
    let Some(top) = roots.first() else { return Ok(()) };
    let failed = |layer: usize, path: &[u8]| {
        let shown = layers[layer].join(String::from_utf8_lossy(path).as_ref());
        move |e: Errno| io("look at", &shown)(e.into())
    };
    let stat = statat(top, ".", AtFlags::empty()).map_err(failed(0, b""))?;
    visit(&Seen { path: b"", at: top, name: b".", stat, layer: 0 })?;
    let first_opaque = roots.iter().position(is_opaque).map_or(roots.len(), |i| i + 1);
    let mut waiting: Vec<(Vec<u8>, Vec<usize>)> = vec![(Vec::new(), (0..first_opaque).collect())];
    while let Some((path, parts)) = waiting.pop() {
        let mut names: BTreeMap<Vec<u8>, Found> = BTreeMap::new();
        let mut folders = BTreeMap::new();
        for layer in parts {
            let shown: &[u8] = if path.is_empty() { b"." } else { &path };
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let folder = openat2(&roots[layer], shown, flags, Mode::empty(), resolve);
            let folder = folder.map_err(failed(layer, &path))?;
            look(&folder, layer, &mut names).map_err(failed(layer, &path))?;
            folders.insert(layer, folder);
        }
        for (name, found) in names.into_iter().filter(|(_, f)| !is_whiteout(&f.stat)) {
            let path = join(&path, &name);
            let at = &folders[&found.layer];
            visit(&Seen { path: &path, at, name: &name, stat: found.stat, layer: found.layer })?;
            if !found.parts.is_empty() {
                waiting.push((path, found.parts));
            }
        }
    }
    Ok(())
}

/// Visits everything in one layer's folder, whiteouts too.
pub(super) fn walk_one(
    dir: &PathBuf,
    visit: &mut dyn FnMut(&Stat) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let failed = |e: Errno| io("look at", dir)(e.into());
    let root = rustix::fs::open(dir, flags, Mode::empty()).map_err(failed)?;
    let mut waiting: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let shown: &[u8] = if path.is_empty() { b"." } else { &path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let folder = openat2(&root, shown, flags, Mode::empty(), resolve).map_err(failed)?;
        for entry in Dir::read_from(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            visit(&stat)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                waiting.push(join(&path, name));
            }
        }
    }
    Ok(())
}

/// Adds what one layer has in a folder.
fn look(folder: &OwnedFd, layer: usize, names: &mut BTreeMap<Vec<u8>, Found>) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." || names.get(name).is_some_and(|f| f.closed) {
            continue;
        }
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let closed = !is_folder || opaque_at(folder, name)?;
        let found = names.entry(name.to_vec()).or_insert(Found { layer, stat, parts: Vec::new(), closed });
        found.closed = closed;
        if is_folder {
            found.parts.push(layer);
        }
    }
    Ok(())
}

fn opaque_at(folder: &OwnedFd, name: &[u8]) -> Result<bool, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty()).map(|fd| is_opaque(&fd))
}

fn is_opaque(folder: &OwnedFd) -> bool {
    let mut value = [0u8; 8];
    rustix::fs::fgetxattr(folder, OPAQUE, &mut value[..]).is_ok_and(|n| value[..n] == *b"y")
}

pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}
