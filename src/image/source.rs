//! What others wrote, as a folder or as a tar archive, plain or compressed: files by name.
//!
//! A plain archive is read where it is, by the places of its members; nothing of it is unpacked.

use super::compression::{Limited, decoder};
use super::error::{ImageError, io};
use super::store::Store;
use super::tree::clean;
use super::unpack::Limits;
use super::workspace::Workspace;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of one manifest, index or config that is read into memory.
pub(super) const MOST_JSON: u64 = 16 << 20;
/// More members than any image's archive has: a layer is one of them.
const MOST_MEMBERS: usize = 1 << 20;
/// Links to links, as old docker-archives have one.
const MOST_LINKS: usize = 8;

/// See the module.
pub(super) enum Source {
    /// Links in it are followed only beneath it.
    Folder(PathBuf),
    Tar {
        shown: PathBuf,
        file: Arc<File>,
        members: HashMap<Vec<u8>, Place>,
        _space: Option<Workspace>,
    },
}

/// Where a member's bytes are, or what it stands for.
pub(super) enum Place {
    At(u64, u64),
    Link(Vec<u8>),
}

impl Source {
    /// `path` is a folder, an archive, or `-` for standard input. Compressed ones are decoded into the store's `tmp/`.
    pub fn open(store: &Store, path: &Path) -> Result<Self, ImageError> {
        if path.as_os_str() == "-" {
            return Self::copied(store, path, std::io::stdin().lock());
        }
        let about = std::fs::metadata(path).map_err(io("look at", path))?;
        if about.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let mut file = File::open(path).map_err(io("open", path))?;
        let mut magic = [0; 4];
        let plain = about.is_file() && {
            let n = file.read(&mut magic).map_err(io("read", path))?;
            file.rewind().map_err(io("read", path))?;
            !super::compression::is_packed(&magic[..n])
        };
        if plain { Self::tar(path, file, None) } else { Self::copied(store, path, file) }
    }

    fn copied(store: &Store, path: &Path, from: impl Read) -> Result<Self, ImageError> {
        let space = store.temporary()?;
        let copy = space.path().join("archive");
        let stream = |source| ImageError::Stream { what: path.display().to_string(), source };
        let mut plain = Limited::new(decoder(from).map_err(stream)?, Limits::default().bytes);
        let mut file = File::create_new(&copy).map_err(io("create", &copy))?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let n = plain.read(&mut buffer).map_err(|e| match super::compression::too_large(&e) {
                Some(limit) => ImageError::TooLarge { limit },
                None => stream(e),
            })?;
            if n == 0 {
                break;
            }
            std::io::Write::write_all(&mut file, &buffer[..n]).map_err(io("write", &copy))?;
        }
        Self::tar(path, File::open(&copy).map_err(io("open", &copy))?, Some(space))
    }

    fn tar(shown: &Path, file: File, space: Option<Workspace>) -> Result<Self, ImageError> {
        let stream = |source| ImageError::Stream { what: shown.display().to_string(), source };
        let mut members = HashMap::new();
        let reader = file.try_clone().map_err(stream)?;
        for entry in tar::Archive::new(reader).entries_with_seek().map_err(stream)? {
            let entry = entry.map_err(|e| match e.kind() {
                // Not even its beginning: somebody has named another file.
                std::io::ErrorKind::Other if members.is_empty() => {
                    ImageError::NoImage { path: shown.to_owned(), why: "it is no tar archive".into() }
                }
                _ => stream(e),
            })?;
            let path = entry.path_bytes().into_owned();
            let refuse = |why: &str| ImageError::Entry {
                entry: String::from_utf8_lossy(&path).into(),
                why: why.into(),
            };
            let name = clean(&path).map_err(refuse)?;
            let link = |above: &[u8]| entry.link_name_bytes().map(|to| Place::Link([above, &to].concat()));
            let place = match entry.header().entry_type() {
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    Some(Place::At(entry.raw_file_position(), entry.size()))
                }
                // Relative to the link's folder; a hard link's target is told from the root.
                tar::EntryType::Symlink => {
                    let folder = name.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
                    link(&name[..folder])
                }
                tar::EntryType::Link => link(b""),
                _ => None,
            };
            place.map(|place| members.insert(name, place));
            if members.len() > MOST_MEMBERS {
                return Err(ImageError::TooMany { limit: MOST_MEMBERS as u64 });
            }
        }
        Ok(Self::Tar { shown: shown.to_owned(), file: Arc::new(file), members, _space: space })
    }

    /// Whether there is a file of that name.
    pub fn has(&self, name: &str) -> bool {
        self.reader(name).is_ok()
    }

    /// A file's bytes.
    pub fn reader(&self, name: &str) -> Result<Box<dyn Read + Send>, ImageError> {
        match self {
            Self::Folder(dir) => Ok(Box::new(open(dir, name)?)),
            Self::Tar { shown, file, members, .. } => {
                let none = || io("open", &shown.join(name))(std::io::ErrorKind::NotFound.into());
                let mut wanted = name.as_bytes().to_vec();
                for _ in 0..MOST_LINKS {
                    let place = resolved(&wanted).and_then(|w| members.get(&w)).ok_or_else(none)?;
                    match place {
                        Place::At(at, left) => {
                            return Ok(Box::new(Section { file: file.clone(), at: *at, left: *left }));
                        }
                        Place::Link(to) => wanted.clone_from(to),
                    }
                }
                Err(none())
            }
        }
    }

    /// A small file, whole.
    pub fn small(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        let read = self.reader(name)?.take(MOST_JSON + 1).read_to_end(&mut bytes);
        read.map_err(io("read", Path::new(name)))?;
        if bytes.len() as u64 > MOST_JSON {
            Err(ImageError::TooLarge { limit: MOST_JSON })
        } else {
            Ok(bytes)
        }
    }
}

/// Without `.` and `..`; none where it leads out.
fn resolved(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// Part of a file, read without moving its cursor: several are read at a time.
struct Section {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(&mut buffer[..most], self.at)?;
        if n == 0 && most > 0 {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the archive is cut off"));
        }
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

/// Opens a regular file beneath `dir`, whatever links are in it.
fn open(dir: &Path, name: &str) -> Result<File, ImageError> {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    let shown = dir.join(name);
    let failed = |e: rustix::io::Errno| io("open", &shown)(e.into());
    let root = rustix::fs::open(dir, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(rustix::fs::openat2(&root, name, flags, Mode::empty(), resolve).map_err(failed)?);
    let regular = file.metadata().map_err(io("look at", &shown))?.is_file();
    if regular { Ok(file) } else { Err(failed(rustix::io::Errno::INVAL)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_within() {
        assert_eq!(resolved(b"a/../b/./c"), Some(b"b/c".to_vec()));
        assert_eq!(resolved(b"a/../../etc/passwd"), None);
        assert_eq!(resolved(b""), Some(vec![]));
    }
}
