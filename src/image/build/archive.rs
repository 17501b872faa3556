//! Local archives that ADD unpacks: tar, plain or compressed by gzip, bzip2, xz or zstd, told by their bytes.

use super::error::StepError;
use crate::image::compression::decoder;
use crate::image::unpack::{Limits, unpack_plain};
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::Path;

/// The tar within, if it is one.
pub fn open(mut file: File) -> io::Result<Option<Box<dyn Read>>> {
    let mut magic = [0; 6];
    let n = file.by_ref().take(6).read(&mut magic)?;
    file.rewind()?;
    let mut plain: Box<dyn Read> = match &magic[..n] {
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            Box::new(lzma_rust2::XzReader::new(io::BufReader::new(file), true))
        }
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::read::MultiBzDecoder::new(file)),
        _ => decoder(file)?,
    };
    let mut head = Vec::new();
    // Something that only begins like an archive is a file like any other.
    if plain.by_ref().take(512).read_to_end(&mut head).is_err() || !is_tar(&head) {
        return Ok(None);
    }
    Ok(Some(Box::new(Cursor::new(head).chain(plain))))
}

/// A header whose check sum is right.
fn is_tar(head: &[u8]) -> bool {
    if head.len() < 512 || head.iter().all(|b| *b == 0) {
        return false;
    }
    let sum = head[..148].iter().chain(&head[156..512]).map(|b| u32::from(*b)).sum::<u32>() + 8 * 32;
    tar::Header::from_byte_slice(head).cksum().is_ok_and(|c| c == sum)
}

/// Unpacks it into `to`, as it says: times, owners and modes are those of the archive, unless `owner` is given.
pub fn unpack(
    reader: Box<dyn Read>,
    what: &str,
    to: &Path,
    owner: Option<(u32, u32)>,
) -> Result<(), StepError> {
    let reader = io::BufReader::with_capacity(256 << 10, reader);
    Ok(unpack_plain(reader, what, to, Limits::default(), owner)?)
}
