//! A compressed stream, read, decoded and hashed by threads of their own while it is used.
//!
//! ```text
//! reader ──chunk──▶ decoder ──chunk──▶ whoever reads
//!                       └─────chunk──▶ hash
//! ```
//!
//! The decoder has more to do than all others together, so nothing else is put upon it: neither waiting for a disk nor
//! copying out of the system's memory.
//!
//! The hash sees every byte, whatever is read of them; a failure on any side ends the others.

use super::compression::{Limited, buffered_decoder, too_large};
use super::digest::{Digest, Hashing};
use super::error::ImageError;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Fits the second-level cache of most CPUs together with what is made of it.
const CHUNK: usize = 256 << 10;
/// Chunks that wait at most: what memory a stream may take.
const WAITING: usize = 8;

type Chunk = Arc<Vec<u8>>;

/// Runs `use_it` on the decoded bytes of `from`, of which there may be `limit`. Its result, and the digest of all of
/// the decoded bytes where it read to the end.
pub(super) fn decoded<T>(
    from: impl Read + Send,
    limit: u64,
    use_it: impl FnOnce(&mut Ahead) -> Result<T, ImageError>,
) -> Result<(T, Digest), ImageError> {
    let (to_decoder, packed) = sync_channel::<io::Result<Chunk>>(WAITING);
    let (to_user, chunks) = sync_channel::<io::Result<Chunk>>(WAITING);
    let (to_hash, hashed) = sync_channel::<Chunk>(WAITING);
    std::thread::scope(|s| {
        s.spawn(move || pump(from, &to_decoder, None));
        s.spawn(move || match buffered_decoder(Ahead::new(packed)) {
            Ok(plain) => pump(Limited::new(plain, limit), &to_user, Some(&to_hash)),
            Err(error) => drop(to_user.send(Err(error))),
        });
        let hash = s.spawn(move || {
            let mut hash = Hashing::new(io::sink());
            hashed.iter().try_for_each(|chunk| hash.write_all(&chunk)).map(|()| hash.finish().0)
        });
        let mut ahead = Ahead::new(chunks);
        let used = use_it(&mut ahead);
        // The decoder stops at once where nobody listens any more.
        drop(ahead);
        let used = used?;
        let digest = hash.join().unwrap_or_else(|_| Err(io::Error::other("the hashing thread died")));
        Ok((used, digest.map_err(told("the stream"))?))
    })
}

/// An error of the stream, as it is told.
pub(super) fn told(what: &str) -> impl FnOnce(io::Error) -> ImageError {
    move |source| match too_large(&source) {
        Some(limit) => ImageError::TooLarge { limit },
        None => ImageError::Stream { what: what.to_owned(), source },
    }
}

/// Sends all that `reader` gives, to `more` too, until its end or until nobody listens; then its error, if it has one.
fn pump(mut reader: impl Read, to: &SyncSender<io::Result<Chunk>>, more: Option<&SyncSender<Chunk>>) {
    // Chunks that were sent come back in their order: what everybody is done with is used again, which spares the
    // system most of the work of finding memory.
    let mut sent: VecDeque<Chunk> = VecDeque::with_capacity(WAITING + 4);
    loop {
        let used = if sent.len() > WAITING + 2 {
            sent.pop_front().and_then(|c| Arc::try_unwrap(c).ok())
        } else {
            None
        };
        let mut chunk = used.unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let mut filled = 0;
        while filled < CHUNK {
            match reader.read(&mut chunk[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Who listens may have failed itself, and tells that.
                Err(e) => return drop(to.send(Err(e))),
            }
        }
        if filled == 0 {
            return;
        }
        chunk.truncate(filled);
        let chunk = Arc::new(chunk);
        sent.push_back(chunk.clone());
        if to.send(Ok(chunk.clone())).is_err() || more.is_some_and(|more| more.send(chunk).is_err()) {
            return;
        }
    }
}

/// Bytes that come from another thread.
pub(super) struct Ahead {
    chunks: Receiver<io::Result<Chunk>>,
    current: Chunk,
    at: usize,
}

impl Ahead {
    fn new(chunks: Receiver<io::Result<Chunk>>) -> Self {
        Self { chunks, current: Chunk::default(), at: 0 }
    }

    /// What can be had without a copy; empty at the end.
    fn more(&mut self) -> io::Result<&[u8]> {
        if self.at == self.current.len() {
            match self.chunks.recv() {
                Ok(chunk) => (self.current, self.at) = (chunk?, 0),
                Err(_) => return Ok(&[]),
            }
        }
        Ok(&self.current[self.at..])
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let more = self.more()?;
        let n = more.len().min(buffer.len());
        buffer[..n].copy_from_slice(&more[..n]);
        self.at += n;
        Ok(n)
    }
}

impl io::BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.more()
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_comes_and_is_hashed_and_errors_are_told() {
        let text = b"what is weighed ".repeat(100_000);
        let packed = zstd::encode_all(&text[..], 1).expect("zstd");
        let whole = |packed: &[u8], limit| {
            decoded(packed, limit, |ahead| {
                let mut all = Vec::new();
                ahead.read_to_end(&mut all).map_err(told("it")).map(|_| all)
            })
        };
        let (all, digest) = whole(&packed, u64::MAX).expect("whole");
        assert!(all == text && digest == Digest::of(&text));
        assert!(matches!(whole(&packed, 1000), Err(ImageError::TooLarge { limit: 1000 })));
        whole(&packed[..packed.len() / 2], u64::MAX).expect_err("cut off");
        // Who stops early is not waited for.
        decoded(&packed[..], u64::MAX, |ahead| ahead.read_exact(&mut [0; 10]).map_err(told("it")))
            .expect("ten");
    }
}
