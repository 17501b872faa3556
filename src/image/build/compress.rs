//! The ways to write a layer, on all cores; the same bytes come out however many there are.

use super::options::Compression;
use crate::image::gzip::Gzip;
use std::io::{self, Write};

/// One of them.
pub enum Compressor<W: Write> {
    /// Of the store.
    Gzip(Box<Gzip<W>>),
    /// zstd's own threads.
    Zstd(zstd::Encoder<'static, W>),
    /// As it is.
    None(W),
}

impl<W: Write> Compressor<W> {
    /// Into `inner`.
    pub fn new(how: Compression, inner: W) -> io::Result<Self> {
        Ok(match how {
            Compression::None => Self::None(inner),
            Compression::Gzip => Self::Gzip(Box::new(Gzip::new(inner))),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(inner, 3)?;
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                // The number of workers does not change the bytes, having any does.
                encoder.multithread(threads as u32)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Writes what is left.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Gzip(gzip) => gzip.finish(),
            Self::Zstd(encoder) => encoder.finish(),
            Self::None(inner) => Ok(inner),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(gzip) => gzip.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
            Self::None(inner) => inner.write(bytes),
        }
    }

    /// What is written is whole at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn whatever_the_size_it_comes_back() {
        let mut state = 7u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8 * 3
        };
        let noise: Vec<u8> = std::iter::repeat_with(next).take(5 << 20).collect();
        for bytes in [0, 1, 1 << 20, (1 << 20) + 1, 5 << 20] {
            for how in [Compression::Gzip, Compression::Zstd, Compression::None] {
                let write = |step: usize| {
                    let mut to = Compressor::new(how, Vec::new()).expect("new");
                    noise[..bytes].chunks(step).for_each(|c| to.write_all(c).expect("write"));
                    to.finish().expect("finish")
                };
                let written = write(100_000);
                assert_eq!(written, write(65_537), "the bytes depend on how they came");
                let mut back = Vec::new();
                let mut reader = crate::image::compression::decoder(&written[..]).expect("kind");
                reader.read_to_end(&mut back).expect("read");
                assert!(back == noise[..bytes], "{how:?} of {bytes}");
            }
        }
    }
}
