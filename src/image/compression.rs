//! Plain, gzip or zstd, told by the first bytes and not by what somebody says.

use std::io::{self, BufRead, BufReader, Read};

/// Large, so that the hash and the decoder get long runs.
const BUFFER: usize = 256 << 10;

/// Decompressed bytes of `reader`.
pub fn decoder<'a>(reader: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    let mut magic = Vec::new();
    // A pipe may give fewer bytes than asked: what was looked at is put before the rest again.
    reader.by_ref().take(4).read_to_end(&mut magic)?;
    let kind = Kind::of(&magic);
    decoder_of(kind, BufReader::with_capacity(BUFFER, io::Cursor::new(magic).chain(reader)))
}

/// The same without a copy, of a reader whose first buffer holds the first bytes.
pub(super) fn buffered_decoder<'a>(mut reader: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let kind = Kind::of(reader.fill_buf()?);
    decoder_of(kind, reader)
}

enum Kind {
    Gzip,
    Zstd,
    Plain,
}

impl Kind {
    fn of(start: &[u8]) -> Self {
        let magic = &start[..start.len().min(4)];
        if is_gzip(magic) {
            Self::Gzip
        } else if is_zstd(magic) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }
}

fn decoder_of<'a>(kind: Kind, whole: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match kind {
        Kind::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        Kind::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(whole)?),
        Kind::Plain => Box::new(whole),
    })
}

/// RFC 1952, 2.3.1.
fn is_gzip(magic: &[u8]) -> bool {
    magic.starts_with(&[0x1f, 0x8b])
}

/// RFC 8878, 3.1.1; a skippable frame may come first (3.1.2).
fn is_zstd(magic: &[u8]) -> bool {
    magic == [0x28, 0xb5, 0x2f, 0xfd]
        || magic.len() == 4 && magic[0] & 0xf0 == 0x50 && magic[1..] == [0x2a, 0x4d, 0x18]
}

/// Whether a file that begins so has to be decoded.
pub(super) fn is_packed(magic: &[u8]) -> bool {
    is_gzip(magic) || is_zstd(magic)
}

/// Fails once more than `limit` bytes have come.
pub(super) struct Limited<R> {
    inner: R,
    limit: u64,
    seen: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
struct Exceeded(u64);

impl<R: Read> Limited<R> {
    pub fn new(inner: R, limit: u64) -> Self {
        Self { inner, limit, seen: 0 }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.seen += n as u64;
        if self.seen > self.limit { Err(io::Error::other(Exceeded(self.limit))) } else { Ok(n) }
    }
}

/// The limit, where an error came from one.
pub(super) fn too_large(error: &io::Error) -> Option<u64> {
    error.get_ref().and_then(|e| e.downcast_ref::<Exceeded>()).map(|e| e.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        decoder(bytes)?.read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn each_kind_by_its_magic_even_in_several_members() {
        let text = b"what is weighed".repeat(999);
        let mut gzip = Vec::new();
        for half in text.chunks(5000) {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(half).expect("encode");
            gzip.extend(encoder.finish().expect("encode"));
        }
        let zstd = zstd::encode_all(&text[..], 3).expect("encode");
        assert_eq!(read(&text).expect("plain"), text);
        assert_eq!(read(&gzip).expect("gzip"), text);
        assert_eq!(read(&zstd).expect("zstd"), text);
        assert_eq!(read(b"").expect("empty"), b"");
        read(&gzip[..gzip.len() - 9]).expect_err("a gzip that is cut off");
        read(&zstd[..zstd.len() - 9]).expect_err("a zstd that is cut off");
    }

    #[test]
    fn a_limit_is_held() {
        let mut all = Vec::new();
        Limited::new(&[7u8; 10][..], 10).read_to_end(&mut all).expect("just fits");
        let error = Limited::new(&[7u8; 11][..], 10).read_to_end(&mut all).expect_err("one too many");
        assert_eq!(too_large(&error), Some(10));
    }
}
