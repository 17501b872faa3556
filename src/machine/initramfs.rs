//! The initramfs: our init and the drivers, in a cpio archive of the "newc" format
//! (Documentation/driver-api/early-userspace/buffer-format.rst), uncompressed because the guest would pay for it.

use super::elf::loaded_part;
use super::error::{MachineError, io};
use super::kernel::Kernel;
use super::{cache, cpio, disk};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
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
        cache::put(&path, |to| write(&init_bytes, &modules, to))?;
    }
    Ok(path)
}

fn write(init: &[u8], modules: &[(String, Vec<u8>)], to: &Path) -> Result<(), MachineError> {
    let entries = |archive: &mut cpio::Archive<_>| {
        console(archive)?;
        archive.add("init", 0o100_755, (0, 0), init)?;
        archive.add("modules", 0o040_755, (0, 0), &[])?;
        let mut numbered = modules.iter().enumerate();
        numbered.try_for_each(|(n, (name, bytes))| {
            archive.add(&format!("modules/{n:02}-{name}"), 0o100_644, (0, 0), bytes)
        })
    };
    cpio::to_file(to, |archive| entries(archive).map_err(io("write", to)))
}

/// The kernel opens it for PID 1, before there is a devtmpfs.
fn console(archive: &mut cpio::Archive<impl Write>) -> std::io::Result<()> {
    archive.add("dev", 0o040_755, (0, 0), &[])?;
    archive.add("dev/console", 0o020_600, (5, 1), &[])
}

/// An initramfs and after it another archive: the kernel unpacks one after the other. Made unless it is in the cache.
pub fn with_image(cache_dir: &Path, initramfs: &Path, image: &Path) -> Result<PathBuf, MachineError> {
    let names = [initramfs, image].map(|p| p.as_os_str().as_bytes());
    let path = cache_dir.join("initramfs").join(format!("{}.cpio", cache::key(names)));
    if !path.is_file() {
        cache::put(&path, |to| {
            let mut bytes = std::fs::read(initramfs).map_err(io("read", initramfs))?;
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(std::fs::read(image).map_err(io("read", image))?);
            std::fs::write(to, &bytes).map_err(io("write", to))
        })?;
    }
    Ok(path)
}

/// The image's whole root as an initramfs, gzipped or plain; made unless it is in the cache.
pub fn of_image(
    cache_dir: &Path,
    image_digest: &str,
    layers: &[PathBuf],
    gzip: bool,
) -> Result<PathBuf, MachineError> {
    let ending = if gzip { "cpio.gz" } else { "cpio" };
    let key = cache::key([b"image 2".as_slice(), image_digest.as_bytes()]);
    let path = cache_dir.join("initramfs").join(format!("image-{key}.{ending}"));
    if path.is_file() {
        return Ok(path);
    }
    let root = Path::new("");
    cache::put(&path, |to| {
        disk::with_tree(layers, |tree| {
            cpio::to_file(to, |archive| {
                archive.tree(tree, root)?;
                console(archive).map_err(io("write", to))
            })
        })?;
        if gzip {
            let bytes = std::fs::read(to).map_err(io("read", to))?;
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            packed.write_all(&bytes).map_err(io("compress", to))?;
            let packed = packed.finish().map_err(io("compress", to))?;
            std::fs::write(to, packed).map_err(io("write", to))?;
        }
        Ok(())
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpio_reads_what_is_written() {
        let dir = tempfile::tempdir().expect("folder");
        let file = dir.path().join("archive");
        write(b"#!init", &[("a.ko".into(), b"abc".to_vec())], &file).expect("writes");
        let archive = std::fs::read(&file).expect("archive");
        let text = String::from_utf8_lossy(&archive).into_owned();
        let headers = text.matches("070701").count();
        assert_eq!(headers, 6, "dev, console, init, modules, one module, trailer");
        assert!(archive.len().is_multiple_of(4) && text.contains("modules/00-a.ko\0"));
    }
}
