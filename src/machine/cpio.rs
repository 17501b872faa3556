//! A tree as a cpio archive in the "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst).

use super::convert::each;
use super::error::{MachineError, io};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Writes a tree as an archive of its own.
pub(super) fn write(tree: &Path, to: &Path) -> Result<(), MachineError> {
    to_file(to, |archive| archive.tree(tree, Path::new("")))
}

/// Writes what `fill` puts into an archive.
pub(super) fn to_file(
    to: &Path,
    fill: impl FnOnce(&mut Archive<BufWriter<File>>) -> Result<(), MachineError>,
) -> Result<(), MachineError> {
    let file = File::create(to).map_err(io("create", to))?;
    let out = BufWriter::with_capacity(1 << 20, file);
    let mut archive = Archive { out, inodes: BTreeMap::new(), next: 1 };
    fill(&mut archive)?;
    archive.header(b"TRAILER!!!", [0; 13]).and_then(|()| archive.out.flush()).map_err(io("write", to))
}

/// One that is being written.
pub(super) struct Archive<W> {
    out: W,
    /// Number of an inode in the archive, for those with several names.
    inodes: BTreeMap<(u64, u64), u32>,
    next: u32,
}

impl<W: Write> Archive<W> {
    /// A file, folder or device (`major`, `minor`) that is in no tree, root's.
    pub fn add(&mut self, name: &str, mode: u32, device: (u32, u32), data: &[u8]) -> std::io::Result<()> {
        let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
        let size = u32::try_from(data.len()).map_err(|_| too_large())?;
        let mut fields = [0; 13];
        fields[..7].copy_from_slice(&[self.next, mode, 0, 0, links, 0, size]);
        (fields[9], fields[10]) = device;
        self.next += 1;
        self.header(name.as_bytes(), fields)?;
        self.out.write_all(data)?;
        self.pad(data.len())
    }

    /// All below `tree`, with `prefix` before its names. Extended attributes have no place in the format.
    pub fn tree(&mut self, tree: &Path, prefix: &Path) -> Result<(), MachineError> {
        each(tree, &mut |path, about| {
            let (whole, name) = (tree.join(path), prefix.join(path));
            if name.as_os_str().is_empty() {
                return Ok(());
            }
            self.entry(&name, &whole, about).map_err(io("pack", &whole))
        })
    }

    fn entry(&mut self, path: &Path, whole: &Path, about: &Metadata) -> std::io::Result<()> {
        let key = (about.dev(), about.ino());
        let linked = !about.is_dir() && about.nlink() > 1;
        // The data of a file with several names goes with the first of them: the kernel links the others to it.
        let again = linked.then(|| self.inodes.get(&key).copied()).flatten();
        let inode = again.unwrap_or(self.next);
        if again.is_none() {
            self.next += 1;
            self.inodes.insert(key, inode);
        }
        let target = if about.is_symlink() { std::fs::read_link(whole)? } else { Path::new("").to_owned() };
        let target = target.as_os_str().as_bytes();
        let size = match (about.is_file(), again) {
            (true, None) => about.len(),
            _ => target.len() as u64,
        };
        let size = u32::try_from(size).map_err(|_| too_large())?;
        let (major, minor) = (rustix::fs::major(about.rdev()), rustix::fs::minor(about.rdev()));
        let mtime = u32::try_from(about.mtime()).unwrap_or_default();
        let links = u32::try_from(about.nlink()).unwrap_or(1);
        // ino, mode, uid, gid, nlink, mtime, size, device of the file (2), device that it is (2), name's length, check
        let ids = [inode, about.mode(), about.uid(), about.gid(), links, mtime, size];
        let mut fields = [0; 13];
        fields[..7].copy_from_slice(&ids);
        (fields[9], fields[10]) = (major, minor);
        self.header(path.as_os_str().as_bytes(), fields)?;
        self.out.write_all(target)?;
        if about.is_file() && again.is_none() {
            let copied = std::io::copy(&mut File::open(whole)?.take(size.into()), &mut self.out)?;
            if copied != u64::from(size) {
                return Err(std::io::Error::other("it became shorter meanwhile"));
            }
        }
        self.pad(size as usize)
    }

    fn header(&mut self, name: &[u8], mut fields: [u32; 13]) -> std::io::Result<()> {
        fields[11] = u32::try_from(name.len() + 1).unwrap_or_default();
        self.out.write_all(b"070701")?;
        fields.iter().try_for_each(|field| write!(self.out, "{field:08X}"))?;
        self.out.write_all(name)?;
        self.out.write_all(&[0])?;
        self.pad(110 + name.len() + 1)
    }

    /// To a multiple of four.
    fn pad(&mut self, bytes: usize) -> std::io::Result<()> {
        self.out.write_all(&[0; 4][..bytes.wrapping_neg() % 4])
    }
}

fn too_large() -> std::io::Error {
    std::io::Error::other("a file of 4 GiB or more does not fit the format")
}
