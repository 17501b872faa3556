//! Pipes for the output of a program, read by one thread that stamps what comes.

use super::event::{Event, EventKind, Stream};
use crate::sys::clock::monotonic_ns;
use crate::sys::spawn::Spawn;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;

/// Both ends of standard output and error.
pub struct Pipes {
    read: [OwnedFd; 2],
    write: [OwnedFd; 2],
    null: OwnedFd,
}

impl Pipes {
    /// Close-on-exec everywhere; the spawn gives the child its own copies.
    pub fn new() -> std::io::Result<Self> {
        let (out_read, out_write) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err_read, err_write) = pipe_with(PipeFlags::CLOEXEC)?;
        let null = std::fs::File::open("/dev/null")?.into();
        Ok(Self { read: [out_read, err_read], write: [out_write, err_write], null })
    }

    /// Makes them the child's standard output and error; its standard input is empty.
    pub fn give(&self, spawn: Spawn) -> Spawn {
        spawn.fd(&self.null, 0).fd(&self.write[0], 1).fd(&self.write[1], 2)
    }

    /// Starts reading. Ends once nobody holds the writing ends.
    pub fn read(self, events: Sender<Event>) -> std::thread::JoinHandle<()> {
        let Self { read, write, .. } = self;
        drop(write);
        std::thread::spawn(move || pump(&read, &events))
    }
}

/// Milliseconds from a write into such a pipe until the reading thread has stamped it: what the channel itself adds to a
/// figure that is taken from a marker line. Both stamps are of one clock, so it is told one way, without halving.
pub fn latency_ms() -> std::io::Result<f64> {
    let Pipes { read, write, .. } = Pipes::new()?;
    let (send, events) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || pump(&read, &send));
    // The second of two: the thread then sleeps in poll, as it does while a workload starts.
    let mut latency = 0;
    for _ in 0..2 {
        std::thread::sleep(std::time::Duration::from_millis(1));
        let from = monotonic_ns();
        rustix::io::write(&write[0], b"x")?;
        latency = events.recv().map_err(std::io::Error::other)?.at_ns.saturating_sub(from);
    }
    drop(write);
    let _ = reader.join();
    Ok(latency as f64 / 1e6)
}

fn pump(read: &[OwnedFd; 2], events: &Sender<Event>) {
    let mut open = [true, true];
    let mut buffer = vec![0u8; 64 * 1024];
    while open[0] || open[1] {
        let which: Vec<usize> = (0..2).filter(|&i| open[i]).collect();
        let mut fds: Vec<PollFd> = which.iter().map(|&i| PollFd::new(&read[i], PollFlags::IN)).collect();
        if poll(&mut fds, None).is_err() {
            continue;
        }
        let at_ns = monotonic_ns();
        let ready: Vec<usize> =
            which.iter().zip(&fds).filter(|(_, f)| !f.revents().is_empty()).map(|(&i, _)| i).collect();
        for i in ready {
            let stream = if i == 0 { Stream::Stdout } else { Stream::Stderr };
            match rustix::io::read(&read[i], &mut buffer) {
                Ok(0) => open[i] = false,
                Ok(n) => {
                    let kind = EventKind::Output { stream, bytes: buffer[..n].to_vec() };
                    if events.send(Event { at_ns, kind }).is_err() {
                        return;
                    }
                }
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(_) => open[i] = false,
            }
        }
    }
}
