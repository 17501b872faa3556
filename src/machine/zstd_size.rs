//! How many bytes something is, compressed by one codec for all: so that what is moved is compared alike.

use std::io::{Result, Write};
use std::path::Path;
use zstd::stream::write::Encoder;

/// Of zstd's levels, its default.
const LEVEL: i32 = 3;

/// Takes bytes in and keeps none of them.
pub struct ZstdSize(Encoder<'static, Counted>);

struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl ZstdSize {
    /// Of nothing so far.
    pub fn new() -> Result<Self> {
        Ok(Self(Encoder::new(Counted(0), LEVEL)?))
    }

    /// Compressed bytes of all that was written.
    pub fn bytes(self) -> Result<u64> {
        Ok(self.0.finish()?.0)
    }

    /// Of a file.
    pub fn of_file(path: &Path) -> Result<u64> {
        let mut size = Self::new()?;
        std::io::copy(&mut std::fs::File::open(path)?, &mut size)?;
        size.bytes()
    }
}

impl Write for ZstdSize {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_codec_writes() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        let mut size = ZstdSize::new().expect("codec");
        text.chunks(777).for_each(|c| size.write_all(c).expect("write"));
        let expected = zstd::stream::encode_all(&text[..], LEVEL).expect("codec").len() as u64;
        let bytes = size.bytes().expect("end");
        assert!(bytes.abs_diff(expected) < 64 && bytes < text.len() as u64 / 2, "{bytes} {expected}");
    }
}
