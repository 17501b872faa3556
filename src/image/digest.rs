//! `sha256:<hex>`, parsed once.

use super::error::ImageError;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

/// A content digest (image-spec, descriptor.md, Digests). Only sha256 is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// The 64 hexadecimal digits: a safe file name.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let bad = || ImageError::BadDigest(text.to_owned());
        let hex = text.strip_prefix("sha256:").ok_or_else(bad)?;
        let valid = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid { Ok(Self(hex.to_owned())) } else { Err(bad()) }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// Passes bytes on, to a writer or from a reader, and hashes them on the way.
pub struct Hashing<T> {
    inner: T,
    hash: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    /// Around `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// Digest and number of all bytes that went through, and what was inside.
    pub fn finish(self) -> (Digest, u64, T) {
        (Digest(hex::encode(self.hash.finalize())), self.bytes, self.inner)
    }

    /// Bytes that went through.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Digest and number of the bytes that went through until now.
    pub fn so_far(&self) -> (Digest, u64) {
        (Digest(hex::encode(self.hash.clone().finalize())), self.bytes)
    }

    /// Forgets what went through.
    pub fn reset(&mut self) {
        self.hash = Sha256::new();
        self.bytes = 0;
    }

    /// What is inside.
    pub fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The same hash, going on around something else.
    pub fn around<U>(self, inner: U) -> Hashing<U> {
        Hashing { inner, hash: self.hash, bytes: self.bytes }
    }

    fn saw(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(buffer)?;
        self.saw(&buffer[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.saw(&buffer[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_vector_and_round_trip() {
        // FIPS 180-2, appendix B.1.
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), abc);
        assert_eq!(abc.parse::<Digest>().expect("digest"), Digest::of(b"abc"));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let long = format!("sha256:{}", "A".repeat(64));
        for bad in ["", "sha256:", "sha512:00", "sha256:../../etc/passwd", &long] {
            bad.parse::<Digest>().expect_err(bad);
        }
    }
}
