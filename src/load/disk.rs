//! `disk`: writes a file sequentially and makes it durable, then reads it past the page cache.

use super::error::LoadError;
use super::sha256;
use rustix::fs::{Advice, Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Size of the file, MiB, unless told.
pub const MIB: u64 = 32;
/// Where it is made unless told: the volume on the host's disk.
pub const FOLDER: &str = "/scratch";
/// Bytes of one write or read.
const BLOCK: usize = 1 << 20;
/// What O_DIRECT wants buffers aligned to: no device here has larger sectors, and a page satisfies all.
const ALIGN: usize = 4096;

/// The file, removed whatever happens.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Does it with a file of `mib` MiB in `folder`. Says on standard error where the file system knows no O_DIRECT: that
/// is no part of the checked output, for it is a property of the target.
pub fn run(mib: u64, folder: &Path, out: &mut impl Write) -> Result<(), LoadError> {
    let file = Scratch(folder.join(format!("tare-load-{}", std::process::id())));
    let mut memory = vec![0u8; BLOCK + ALIGN];
    let shift = memory.as_ptr().align_offset(ALIGN);
    let block = &mut memory[shift..shift + BLOCK];
    let write_rate = write(&file.0, mib, block)?;
    let (read_rate, direct) = read(&file.0, mib, block)?;
    if !direct {
        let path = folder.display();
        let _ = writeln!(
            std::io::stderr(),
            "{path} takes no O_DIRECT: read through the page cache, emptied before"
        );
    }
    let checksum = hex::encode(sha256::digest(block));
    super::say(out, &format!("checksum {checksum}\nwrite_rate {write_rate:.3}\nread_rate {read_rate:.3}\n"))
}

/// Every block is another, and not compressible to nothing: its number and a generator's bytes.
fn fill(block: &mut [u8], number: u64) {
    // xorshift64, G. Marsaglia, Xorshift RNGs, 2003.
    let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in block.chunks_exact_mut(8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        word.copy_from_slice(&x.to_le_bytes());
    }
}

/// MiB a second, from the first write to the data's being on the disk; making the data is not counted.
fn write(path: &Path, mib: u64, block: &mut [u8]) -> Result<f64, LoadError> {
    let failed = |step| move |source| LoadError::File { step, path: path.to_owned(), source };
    let mut file = File::create_new(path).map_err(failed("create"))?;
    let mut took = std::time::Duration::ZERO;
    for number in 0..mib {
        fill(block, number);
        let from = Instant::now();
        file.write_all(block).map_err(failed("write"))?;
        took += from.elapsed();
    }
    let from = Instant::now();
    file.sync_data().map_err(failed("write to the disk"))?;
    took += from.elapsed();
    Ok(super::per_second(mib as f64, took))
}

/// MiB a second, and whether it was read directly. `block` ends up with the last block read.
fn read(path: &Path, mib: u64, block: &mut [u8]) -> Result<(f64, bool), LoadError> {
    let failed = |step| move |source| LoadError::File { step, path: path.to_owned(), source };
    let open = |flags| rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | flags, Mode::empty());
    let (fd, direct) = match open(OFlags::DIRECT) {
        Ok(fd) => (fd, true),
        Err(rustix::io::Errno::INVAL) => {
            let fd = open(OFlags::empty()).map_err(|e| failed("open")(e.into()))?;
            let whole = NonZeroU64::new(mib * BLOCK as u64);
            rustix::fs::fadvise(&fd, 0, whole, Advice::DontNeed)
                .map_err(|e| failed("drop from the page cache")(e.into()))?;
            (fd, false)
        }
        Err(e) => return Err(failed("open")(e.into())),
    };
    let mut file = File::from(fd);
    let mut expected = vec![0u8; BLOCK];
    let mut took = std::time::Duration::ZERO;
    for number in 0..mib {
        let from = Instant::now();
        file.read_exact(block).map_err(failed("read"))?;
        took += from.elapsed();
        fill(&mut expected, number);
        if block != &expected[..] {
            return Err(LoadError::Differs { path: path.to_owned() });
        }
    }
    Ok((super::per_second(mib as f64, took), direct))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_read_and_removed() {
        let dir = tempfile::tempdir().expect("folder");
        let mut out = Vec::new();
        run(2, dir.path(), &mut out).expect("disk");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("\nwrite_rate ") && text.contains("\nread_rate "), "{text}");
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0, "a file is left");
    }

    #[test]
    fn what_reads_back_otherwise_is_an_error() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("file");
        let mut memory = vec![0u8; BLOCK + ALIGN];
        let shift = memory.as_ptr().align_offset(ALIGN);
        std::fs::write(&path, vec![7u8; BLOCK]).expect("file");
        let error = read(&path, 1, &mut memory[shift..shift + BLOCK]).expect_err("must differ");
        assert!(matches!(error, LoadError::Differs { .. }), "{error}");
    }
}
