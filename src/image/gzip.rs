//! Gzip by all CPUs: the stream is cut into blocks, each is a gzip member of its own, and members one after another are
//! a gzip file (RFC 1952, 2.2), which every reader of images takes.
//!
//! The bytes depend on the content and the level alone, never on the number of CPUs.

use libdeflater::{CompressionLvl, Compressor};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Large enough that a member of its own costs less than 0.1 %, small enough that a small layer has several.
const BLOCK: usize = 1 << 20;
/// As gzip's own default is meant: most of the gain, little of the time.
const LEVEL: i32 = 6;

type Job = (Vec<u8>, Sender<Vec<u8>>);

/// Takes plain bytes, writes gzip to what is inside.
pub(super) struct Gzip<W> {
    inner: W,
    block: Vec<u8>,
    jobs: Option<SyncSender<Job>>,
    /// Members under way, in their order.
    coming: VecDeque<Receiver<Vec<u8>>>,
    workers: Vec<JoinHandle<()>>,
    any: bool,
}

impl<W: Write> Gzip<W> {
    /// Around `inner`, by as many threads as there are CPUs.
    pub fn new(inner: W) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (jobs, waiting) = sync_channel::<Job>(threads);
        let waiting = Arc::new(Mutex::new(waiting));
        let workers = (0..threads).map(|_| {
            let waiting = waiting.clone();
            std::thread::spawn(move || work(&waiting))
        });
        let workers = workers.collect();
        Self {
            inner,
            block: Vec::with_capacity(BLOCK),
            jobs: Some(jobs),
            coming: VecDeque::new(),
            workers,
            any: false,
        }
    }

    /// Writes the rest, and gives back what is inside.
    pub fn finish(mut self) -> io::Result<W> {
        // Nothing at all is a member too: an empty file is no gzip file.
        if !self.block.is_empty() || !self.any {
            self.begin()?;
        }
        while !self.coming.is_empty() {
            self.take()?;
        }
        self.jobs.take();
        self.workers
            .drain(..)
            .try_for_each(|w| w.join().map_err(|_| io::Error::other("a compressing thread died")))?;
        Ok(self.inner)
    }

    fn begin(&mut self) -> io::Result<()> {
        let (to, from) = channel();
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let jobs = self.jobs.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        jobs.send((block, to)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.coming.push_back(from);
        self.any = true;
        while self.coming.len() > 2 * self.workers.len() {
            self.take()?;
        }
        Ok(())
    }

    fn take(&mut self) -> io::Result<()> {
        let Some(next) = self.coming.pop_front() else { return Ok(()) };
        let member = next.recv().map_err(|_| io::Error::other("a compressing thread died"))?;
        self.inner.write_all(&member)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = buffer.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&buffer[..n]);
        if self.block.len() == BLOCK {
            self.begin()?;
        }
        Ok(n)
    }

    /// Members are written when they are whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    let level = CompressionLvl::new(LEVEL).unwrap_or_default();
    let mut compressor = Compressor::new(level);
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((block, to)) = job else { return };
        let mut member = vec![0; compressor.gzip_compress_bound(block.len())];
        let Ok(length) = compressor.gzip_compress(&block, &mut member) else { return };
        member.truncate(length);
        // Who waits for it may have failed.
        let _ = to.send(member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_goes_in_comes_out_in_the_same_bytes_each_time() {
        let text: Vec<u8> = (0..3_500_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, text.len()] {
            let pack = |piece: usize| {
                let mut gzip = Gzip::new(Vec::new());
                text[..size].chunks(piece).try_for_each(|c| gzip.write_all(c)).expect("write");
                gzip.finish().expect("finish")
            };
            let packed = pack(4096);
            assert_eq!(packed, pack(1_000_003), "{size}");
            let mut plain = Vec::new();
            super::super::compression::decoder(&packed[..])
                .expect("decoder")
                .read_to_end(&mut plain)
                .expect("gzip");
            assert!(plain == text[..size], "{size}");
        }
    }
}
