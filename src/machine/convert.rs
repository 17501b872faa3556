//! A tree of files -> what a machine boots.

use super::cpio;
use super::error::{MachineError, io};
use super::program;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Read-only, uncompressed.
    Erofs,
    /// To be written to.
    Ext4,
    /// Read-only, compressed by zstd.
    Squashfs,
    /// ext4 within QEMU's format, compressed.
    Qcow2,
    /// A cpio archive in the "newc" format, uncompressed.
    Initramfs,
}

/// Writes `to`, which appears when it is whole, and gives its bytes. `spare`: free bytes in a file system that can be
/// written.
pub fn convert(tree: &Path, to: &Path, format: Format, spare: u64) -> Result<u64, MachineError> {
    let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = Space::beside(to, parent)?;
    let new = dir.path.join("file");
    match format {
        Format::Erofs => {
            let mkfs = program::find("mkfs.erofs", "erofs-utils")?;
            program::run(Command::new(mkfs).arg("--quiet").arg(&new).arg(tree))?;
        }
        Format::Squashfs => {
            let mksquashfs = program::find("mksquashfs", "squashfs-tools")?;
            let options = ["-comp", "zstd", "-noappend", "-quiet", "-no-progress", "-xattrs"];
            program::run(Command::new(mksquashfs).arg(tree).arg(&new).args(options))?;
        }
        Format::Ext4 => ext4(tree, &new, spare)?,
        Format::Qcow2 => {
            let raw = dir.path.join("raw");
            ext4(tree, &raw, spare)?;
            let qemu_img = program::find("qemu-img", "qemu-utils")?;
            let options = ["convert", "-q", "-c", "-f", "raw", "-O", "qcow2"];
            program::run(Command::new(qemu_img).args(options).arg(&raw).arg(&new))?;
        }
        Format::Initramfs => cpio::write(tree, &new)?,
    }
    std::fs::rename(&new, to).map_err(io("write", to))?;
    Ok(std::fs::metadata(to).map_err(io("look at", to))?.len())
}

/// A folder beside the file, on the same file system, by a fixed name: one that a killed program left is found and
/// removed by the next that makes the same file. Locked by who works in it.
struct Space {
    path: PathBuf,
    _lock: File,
}

impl Space {
    fn beside(to: &Path, parent: &Path) -> Result<Self, MachineError> {
        let mut name = std::ffi::OsString::from(".converting-");
        name.push(to.file_name().unwrap_or_default());
        let path = parent.join(name);
        for again in [true, false] {
            let made = std::fs::create_dir(&path);
            let there = made.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::AlreadyExists);
            if !there {
                made.map_err(io("create", &path))?;
            }
            let lock = File::open(&path).map_err(io("open", &path))?;
            lock.try_lock().map_err(|e| io("lock", &path)(e.into()))?;
            if !there || !again {
                return Ok(Self { path, _lock: lock });
            }
            std::fs::remove_dir_all(&path).map_err(io("remove", &path))?;
        }
        Err(io("lock", &path)(std::io::ErrorKind::ResourceBusy.into()))
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next that makes the same file.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Large enough for the tree, its inodes, and `spare`.
pub(super) fn ext4(tree: &Path, to: &Path, spare: u64) -> Result<(), MachineError> {
    let (mut bytes, mut inodes) = (0, 0);
    each(tree, &mut |_, about| {
        // A block of 4 KiB is the least that a file takes.
        bytes += about.blocks() * 512 + 4096;
        inodes += 1;
        Ok(())
    })?;
    // 256 bytes an inode and its share of bitmaps, a journal, and a twentieth for what maps blocks to files.
    let inodes = inodes + inodes / 8 + 64 + spare / (16 << 10);
    let size = (bytes + bytes / 20 + inodes * 512 + (24 << 20) + spare).next_multiple_of(1 << 20);
    let file = std::fs::File::create(to).map_err(io("create", to))?;
    file.set_len(size).map_err(io("set the length of", to))?;
    let mkfs = program::find("mkfs.ext4", "e2fsprogs")?;
    let options = ["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"];
    program::run(
        Command::new(mkfs).args(options).args(["-N", &inodes.to_string()]).arg("-d").arg(tree).arg(to),
    )
    .map(drop)
}

/// Visits everything below `root`, each folder before what is in it, names sorted; with the path from `root`.
pub(super) fn each(
    root: &Path,
    visit: &mut dyn FnMut(&Path, &std::fs::Metadata) -> Result<(), MachineError>,
) -> Result<(), MachineError> {
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let about = std::fs::symlink_metadata(&path).map_err(io("look at", &path))?;
        visit(path.strip_prefix(root).unwrap_or(&path), &about)?;
        if about.is_dir() {
            let entries = std::fs::read_dir(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let mut names: Vec<_> = entries.map_err(io("read", &path))?.iter().map(|e| e.path()).collect();
            names.sort();
            waiting.extend(names.into_iter().rev());
        }
    }
    Ok(())
}
