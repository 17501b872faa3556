//! What a step changed, as overlayfs has it -> a layer: its tar in the store, and its folder among the unpacked layers.

use super::compress::Compressor;
use super::error::{StepError, io};
use super::options::Compression;
use super::tar_write::{Entry, TarWriter};
use crate::image::digest::Hashing;
use crate::image::store::Store;
use crate::image::tree::{OPAQUE, join};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, major, minor, openat,
    readlinkat, statat, utimensat,
};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use tar::EntryType;

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layer {
    /// Of the compressed blob.
    pub blob: String,
    /// Its bytes.
    pub bytes: u64,
    /// Of the plain tar.
    pub diff_id: String,
    /// image-spec, media-types.md.
    pub media_type: String,
    /// Where it is unpacked as long as it is not in its place yet.
    #[serde(skip)]
    pub dir: Option<PathBuf>,
}

/// How layers are written.
#[derive(Debug, Clone, Copy)]
pub struct Writing {
    /// Of the blob.
    pub compression: Compression,
    /// No time in the layer is later.
    pub epoch: Option<i64>,
}

/// Makes a layer of `upper`, which is its unpacked folder from then on. None if nothing is in it.
pub fn commit(store: &Store, upper: &Path, how: Writing) -> Result<Option<Layer>, StepError> {
    let root = super::overlay::open_dir(upper)?;
    let root = openat(&root, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(io("open", upper))?;
    let stat = rustix::fs::fstat(&root).map_err(io("look at", upper))?;
    let plain = stat.st_mode & 0o7777 == 0o755 && (stat.st_uid, stat.st_gid) == (0, 0);
    if plain && Dir::read_from(&root).map_err(io("read", upper))?.flatten().count() <= 2 {
        return Ok(None);
    }
    let failed = |e| io("write the layer of", upper)(e);
    let compressor = Compressor::new(how.compression, BufWriter::with_capacity(256 << 10, store.writer()?));
    let to = Hashing::new(compressor.map_err(failed)?);
    let mut walk =
        Walk { tar: TarWriter::new(to), epoch: how.epoch, links: HashMap::new(), names: vec![0; 64 << 10] };
    if !plain {
        walk.one(&root, b".", b".").map_err(failed)?;
    }
    walk.folder(&root, b"").map_err(failed)?;
    walk.attributes(&root, b".").map_err(failed)?;
    if plain {
        // It is not in the archive then: an unpacked layer has the same.
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let times = Timestamps { last_access: zero, last_modification: zero };
        utimensat(&root, ".", &times, AtFlags::empty()).map_err(io("set the time of", upper))?;
    }
    let (diff_id, _, compressor) = walk.tar.finish().map_err(failed)?.finish();
    let mut writer = compressor.finish().map_err(failed)?;
    writer.flush().map_err(failed)?;
    let writer = writer.into_inner().map_err(|e| failed(e.into_error()))?;
    let (blob, bytes) = writer.finish_unsynced()?;
    let kind = match how.compression {
        Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
        Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        Compression::None => "application/vnd.oci.image.layer.v1.tar",
    };
    Ok(Some(Layer {
        blob: blob.to_string(),
        bytes,
        diff_id: diff_id.to_string(),
        media_type: kind.into(),
        dir: Some(upper.to_owned()),
    }))
}

struct Walk<W: Write> {
    tar: TarWriter<W>,
    epoch: Option<i64>,
    /// First names of files that have several.
    links: HashMap<u64, Vec<u8>>,
    names: Vec<u8>,
}

impl<W: Write> Walk<W> {
    /// Sorted, so that the order on disk does not matter.
    fn folder(&mut self, at: &OwnedFd, path: &[u8]) -> std::io::Result<()> {
        let mut names = Vec::new();
        for entry in Dir::read_from(at)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_bytes().to_vec());
            }
        }
        names.sort_unstable();
        for name in names {
            self.one(at, &name, &join(path, &name))?;
        }
        Ok(())
    }

    fn one(&mut self, at: &OwnedFd, name: &[u8], path: &[u8]) -> std::io::Result<()> {
        let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            return self.mark(path, name);
        }
        if kind == FileType::Socket {
            return Ok(());
        }
        if name.starts_with(b".wh.") {
            let shown = String::from_utf8_lossy(path).into_owned();
            return Err(std::io::Error::other(format!(
                "{shown}: a name that begins with .wh. cannot be in a layer, it would hide another file"
            )));
        }
        let (xattrs, opaque) = self.attributes(at, name)?;
        let mtime = self.time(at, name, &stat)?;
        let mut entry = Entry {
            path,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime,
            xattrs,
            ..Entry::default()
        };
        if kind == FileType::Directory {
            self.tar.entry(EntryType::Directory, &entry)?;
            if name == b"." {
                return Ok(());
            }
            if opaque {
                self.tar.entry(
                    EntryType::Regular,
                    &Entry { path: &join(path, b".wh..wh..opq"), ..Entry::default() },
                )?;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = openat(at, name, flags, Mode::empty())?;
            return self.folder(&folder, path);
        }
        if stat.st_nlink > 1 {
            let first = self.links.entry(stat.st_ino).or_insert_with(|| path.to_vec());
            if first != path {
                entry.link = first;
                entry.xattrs.clear();
                return self.tar.entry(EntryType::Link, &entry);
            }
        }
        match kind {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = File::from(openat(at, name, flags, Mode::empty())?);
                entry.size = stat.st_size.cast_unsigned();
                self.tar.file(&entry, file)
            }
            FileType::Symlink => {
                let target = readlinkat(at, name, Vec::new())?;
                entry.link = target.to_bytes();
                entry.mode = 0o777;
                self.tar.entry(EntryType::Symlink, &entry)
            }
            FileType::Fifo => self.tar.entry(EntryType::Fifo, &entry),
            _ => {
                entry.device = (major(stat.st_rdev), minor(stat.st_rdev));
                let kind = if kind == FileType::BlockDevice { EntryType::Block } else { EntryType::Char };
                self.tar.entry(kind, &entry)
            }
        }
    }

    /// image-spec, layer.md, "Whiteouts".
    fn mark(&mut self, path: &[u8], name: &[u8]) -> std::io::Result<()> {
        let dir = &path[..path.len() - name.len()];
        let path = [dir, b".wh.", name].concat();
        self.tar.entry(EntryType::Regular, &Entry { path: &path, ..Entry::default() })
    }

    /// Whole seconds, as every builder writes them, and no later than the epoch; set on the file as well, so that the
    /// folder is what the archive would unpack to.
    fn time(&self, at: &OwnedFd, name: &[u8], stat: &Stat) -> std::io::Result<i64> {
        let seconds = self.epoch.map_or(stat.st_mtime, |epoch| stat.st_mtime.min(epoch));
        if seconds != stat.st_mtime || stat.st_mtime_nsec != 0 {
            let times = Timestamps {
                last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
                last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
            };
            utimensat(at, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(seconds)
    }

    /// Attributes, sorted, without overlayfs' own, of which only the mark of an opaque folder may stay.
    #[expect(clippy::type_complexity)]
    fn attributes(&mut self, at: &OwnedFd, name: &[u8]) -> std::io::Result<(Vec<(Vec<u8>, Vec<u8>)>, bool)> {
        let mut path = format!("/proc/self/fd/{}/", at.as_raw_fd()).into_bytes();
        path.extend_from_slice(name);
        let length = match rustix::fs::llistxattr(path.as_slice(), &mut self.names[..]) {
            Err(rustix::io::Errno::OPNOTSUPP) => 0,
            other => other?,
        };
        let (mut all, mut opaque) = (Vec::new(), false);
        for key in self.names[..length].split(|b| *b == 0).filter(|k| !k.is_empty()) {
            if key == OPAQUE.as_bytes() {
                opaque = true;
            } else if key.starts_with(b"trusted.overlay.") {
                rustix::fs::lremovexattr(path.as_slice(), key)?;
            } else {
                let mut value = vec![0; 64 << 10]; // XATTR_SIZE_MAX
                let length = rustix::fs::lgetxattr(path.as_slice(), key, &mut value[..])?;
                value.truncate(length);
                all.push((key.to_vec(), value));
            }
        }
        all.sort();
        Ok((all, opaque))
    }
}
