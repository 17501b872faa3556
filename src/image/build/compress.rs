//! Compresses on all cores; the same bytes come out however many there are.
//!
//! gzip: pieces of one size are deflated on their own, each ended by a sync flush (RFC 1951, 3.2.4: an empty stored
//! block), and put one behind the other: one ordinary gzip member, as pigz writes it.

use super::options::Compression;
use flate2::{Compress, Crc, FlushCompress};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Large enough that starting anew costs less than a percent.
const PIECE: usize = 512 << 10;
/// zlib's own default.
const LEVEL: u32 = 6;

/// One of the ways to write a layer.
pub enum Compressor<W: Write> {
    /// See the module.
    Gzip(Gzip<W>),
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
            Compression::Gzip => Self::Gzip(Gzip::new(inner)?),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(inner, 3)?;
                // The number of workers does not change the bytes, having any does.
                encoder.multithread(threads() as u32)?;
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

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

type Job = (Vec<u8>, bool, SyncSender<io::Result<Piece>>);

struct Piece {
    deflated: Vec<u8>,
    crc: Crc,
}

/// See the module.
pub struct Gzip<W: Write> {
    inner: W,
    buffer: Vec<u8>,
    crc: Crc,
    /// Started with the second piece: a small layer needs none.
    workers: Option<Sender<Job>>,
    waiting: VecDeque<Receiver<io::Result<Piece>>>,
}

impl<W: Write> Gzip<W> {
    fn new(mut inner: W) -> io::Result<Self> {
        // RFC 1952, 2.3: deflate, no name, no time, no special flags, unknown system.
        inner.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])?;
        let buffer = Vec::with_capacity(PIECE);
        Ok(Self { inner, buffer, crc: Crc::new(), workers: None, waiting: VecDeque::new() })
    }

    fn piece_is_full(&mut self) -> io::Result<()> {
        let data = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        let workers = self.workers.get_or_insert_with(start_workers);
        let (answer, answered) = sync_channel(1);
        workers.send((data, false, answer)).map_err(|_| gone())?;
        self.waiting.push_back(answered);
        while self.waiting.len() > 2 * threads() {
            self.take_one()?;
        }
        Ok(())
    }

    fn take_one(&mut self) -> io::Result<()> {
        if let Some(answered) = self.waiting.pop_front() {
            let piece = answered.recv().map_err(|_| gone())??;
            self.put(&piece)?;
        }
        Ok(())
    }

    fn put(&mut self, piece: &Piece) -> io::Result<()> {
        self.crc.combine(&piece.crc);
        self.inner.write_all(&piece.deflated)
    }

    fn finish(mut self) -> io::Result<W> {
        let rest = std::mem::take(&mut self.buffer);
        let last = deflate(&rest, true)?;
        while !self.waiting.is_empty() {
            self.take_one()?;
        }
        self.put(&last)?;
        self.inner.write_all(&self.crc.sum().to_le_bytes())?;
        self.inner.write_all(&self.crc.amount().to_le_bytes())?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..n]);
        if self.buffer.len() == PIECE {
            self.piece_is_full()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gone() -> io::Error {
    io::Error::other("a thread that compresses has died")
}

/// They end when the sender is dropped.
fn start_workers() -> Sender<Job> {
    let (send, receive) = channel::<Job>();
    let receive = Arc::new(Mutex::new(receive));
    for _ in 0..threads() {
        let receive = Arc::clone(&receive);
        std::thread::spawn(move || {
            loop {
                let job = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok((data, last, answer)) = job else { return };
                // Nobody waits any more when the build was given up.
                let _ = answer.send(deflate(&data, last));
            }
        });
    }
    send
}

fn deflate(data: &[u8], last: bool) -> io::Result<Piece> {
    let mut compress = Compress::new(flate2::Compression::new(LEVEL), false);
    let mut crc = Crc::new();
    crc.update(data);
    let mut deflated = Vec::with_capacity(data.len() / 2 + 1024);
    let flush = if last { FlushCompress::Finish } else { FlushCompress::Sync };
    loop {
        let used = compress.total_in() as usize;
        let status = compress.compress_vec(&data[used..], &mut deflated, flush).map_err(io::Error::other)?;
        let all_in = compress.total_in() as usize == data.len();
        // Room that is left over says that the flush was carried out whole.
        let done =
            if last { status == flate2::Status::StreamEnd } else { deflated.len() < deflated.capacity() };
        if all_in && done {
            return Ok(Piece { deflated, crc });
        }
        deflated.reserve(64 << 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 7u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8 * 3
        };
        std::iter::repeat_with(next).take(bytes).collect()
    }

    #[test]
    fn whatever_the_size_it_comes_back() {
        for bytes in [0, 1, PIECE - 1, PIECE, PIECE + 1, 9 * PIECE + 77] {
            let data = noise(bytes);
            for how in [Compression::Gzip, Compression::Zstd, Compression::None] {
                let write = |step: usize| {
                    let mut to = Compressor::new(how, Vec::new()).expect("new");
                    data.chunks(step).for_each(|c| to.write_all(c).expect("write"));
                    to.finish().expect("finish")
                };
                let written = write(100_000);
                assert_eq!(written, write(65_537), "the bytes depend on how they came");
                let mut back = Vec::new();
                crate::image::compression::decoder(&written[..])
                    .expect("kind")
                    .read_to_end(&mut back)
                    .expect("read");
                assert!(back == data, "{how:?} of {bytes}");
                if how == Compression::Gzip {
                    let mut one = Vec::new();
                    flate2::read::GzDecoder::new(&written[..]).read_to_end(&mut one).expect("one member");
                    assert!(one == data);
                }
            }
        }
    }
}
