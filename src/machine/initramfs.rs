//! The initramfs: our init and the drivers, in a cpio archive of the "newc" format
//! (Documentation/driver-api/early-userspace/buffer-format.rst), uncompressed because the guest would pay for it.

use super::elf::loaded_part;
use super::error::{MachineError, io};
use super::kernel::Kernel;
use super::{cache, disk};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Raised when the layout changes.
const LAYOUT: &[u8] = b"initramfs 1";

/// Makes it, unless it is in the cache.
pub fn build(cache_dir: &Path, init: &Path, kernel: &Kernel) -> Result<PathBuf, MachineError> {
    let init_bytes = loaded_part(std::fs::read(init).map_err(io("read", init))?);
    let mut modules = Vec::new();
    for path in &kernel.modules {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        modules.push((name, std::fs::read(path).map_err(io("read", path))?));
    }
    let parts = modules.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_slice()]);
    let key = cache::key([LAYOUT, init_bytes.as_slice()].into_iter().chain(parts));
    let path = cache_dir.join("initramfs").join(format!("{key}.cpio"));
    if !path.is_file() {
        let archive = archive(&init_bytes, &modules);
        cache::put(&path, |to| std::fs::write(to, &archive).map_err(io("write", to)))?;
    }
    Ok(path)
}

fn archive(init: &[u8], modules: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut cpio = Cpio::default();
    cpio.entry("dev", 0o040_755, (0, 0), &[]);
    // The kernel opens it for PID 1, before there is a devtmpfs.
    cpio.entry("dev/console", 0o020_600, (5, 1), &[]);
    cpio.entry("init", 0o100_755, (0, 0), init);
    cpio.entry("modules", 0o040_755, (0, 0), &[]);
    for (n, (name, bytes)) in modules.iter().enumerate() {
        cpio.entry(&format!("modules/{n:02}-{name}"), 0o100_644, (0, 0), bytes);
    }
    cpio.entry("TRAILER!!!", 0, (0, 0), &[]);
    cpio.bytes
}

/// The image's whole root as an initramfs, gzipped or plain; made unless it is in the cache.
pub fn of_image(
    cache_dir: &Path,
    image_digest: &str,
    layers: &[PathBuf],
    gzip: bool,
) -> Result<PathBuf, MachineError> {
    let ending = if gzip { "cpio.gz" } else { "cpio" };
    let key = cache::key([b"image 1".as_slice(), image_digest.as_bytes()]);
    let path = cache_dir.join("initramfs").join(format!("image-{key}.{ending}"));
    if path.is_file() {
        return Ok(path);
    }
    cache::put(&path, |to| {
        disk::with_tree(layers, |tree| {
            let mut cpio = Cpio::default();
            cpio.tree(tree, Path::new(""))?;
            cpio.entry("dev", 0o040_755, (0, 0), &[]);
            cpio.entry("dev/console", 0o020_600, (5, 1), &[]);
            cpio.entry("TRAILER!!!", 0, (0, 0), &[]);
            let mut bytes = cpio.bytes;
            if gzip {
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                packed.write_all(&bytes).map_err(io("compress", to))?;
                bytes = packed.finish().map_err(io("compress", to))?;
            }
            std::fs::write(to, &bytes).map_err(io("write", to))
        })
    })?;
    Ok(path)
}

#[derive(Default)]
struct Cpio {
    bytes: Vec<u8>,
    inode: u32,
}

impl Cpio {
    /// All below `root/below`: folders, files and links; what else there may be, a kernel makes itself.
    fn tree(&mut self, root: &Path, below: &Path) -> Result<(), MachineError> {
        let dir = root.join(below);
        let entries = std::fs::read_dir(&dir).map_err(io("list", &dir))?;
        let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
        names.sort();
        for name in names {
            let (inside, path) = (below.join(&name), dir.join(&name));
            let meta = std::fs::symlink_metadata(&path).map_err(io("look at", &path))?;
            let as_name = inside.display().to_string();
            if meta.is_dir() {
                self.entry(&as_name, meta.mode(), (0, 0), &[]);
                self.tree(root, &inside)?;
            } else if meta.is_symlink() {
                let to = std::fs::read_link(&path).map_err(io("read the link", &path))?;
                self.entry(&as_name, meta.mode(), (0, 0), to.as_os_str().as_bytes());
            } else if meta.is_file() {
                let bytes = std::fs::read(&path).map_err(io("read", &path))?;
                self.entry(&as_name, meta.mode(), (0, 0), &bytes);
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), data: &[u8]) {
        self.inode += 1;
        let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
        // ino, mode, uid, gid, nlink, mtime, size, device of the file (2), device that it is (2), name's length, check
        let fields = [
            self.inode,
            mode,
            0,
            0,
            links,
            0,
            data.len() as u32,
            0,
            0,
            device.0,
            device.1,
            name.len() as u32 + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpio_reads_what_is_written() {
        let archive = archive(b"#!init", &[("a.ko".into(), b"abc".to_vec())]);
        let dir = tempfile::tempdir().expect("folder");
        let file = dir.path().join("archive");
        std::fs::write(&file, &archive).expect("write");
        let text = String::from_utf8_lossy(&archive).into_owned();
        let headers = text.matches("070701").count();
        assert_eq!(headers, 6, "dev, console, init, modules, one module, trailer");
        assert!(archive.len().is_multiple_of(4) && text.contains("modules/00-a.ko\0"));
    }
}
