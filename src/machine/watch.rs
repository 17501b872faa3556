//! The threads that watch a machine: each stamps what it sees with the host's clock and sends it on.

use super::fds::STATE;
use super::snapshot::ignore_shared;
use crate::guest::wire::{Decoder, Message, ToGuest, ToHost};
use crate::sys::clock::monotonic_ns;
use crate::sys::spawn::Child;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

/// What the watching threads send.
pub(super) enum Seen {
    Stamp(u8),
    Message(ToHost),
    BadChannel(String),
    ChannelEnd,
    ConsoleEnd,
    /// A restored machine runs.
    Resumed,
    QemuEnd(i32),
}

/// Waits for QEMU and reaps it.
pub(super) fn child(child: &Arc<Child>, send: Sender<(u64, Seen)>) -> std::thread::JoinHandle<()> {
    let child = Arc::clone(child);
    std::thread::spawn(move || {
        let code = child.wait().unwrap_or(-1);
        let _ = send.send((monotonic_ns(), Seen::QemuEnd(code)));
    })
}

/// Reads the debug port.
pub(super) fn stamps(mut socket: UnixStream, send: Sender<(u64, Seen)>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut byte = [0u8];
        while socket.read_exact(&mut byte).is_ok() {
            if send.send((monotonic_ns(), Seen::Stamp(byte[0]))).is_err() {
                return;
            }
        }
    })
}

/// Reads the guest's messages.
pub(super) fn messages(mut socket: UnixStream, send: Sender<(u64, Seen)>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0u8; 256 * 1024];
        loop {
            let n = match socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let at_ns = monotonic_ns();
            decoder.feed(&buffer[..n]);
            loop {
                let seen = match decoder.take() {
                    Ok(Some(message)) => Seen::Message(message),
                    Ok(None) => break,
                    Err(e) => {
                        let _ = send.send((at_ns, Seen::BadChannel(format!("the guest's channel: {e}"))));
                        return;
                    }
                };
                if send.send((at_ns, seen)).is_err() {
                    return;
                }
            }
        }
        let _ = send.send((monotonic_ns(), Seen::ChannelEnd));
    })
}

/// The last of what the guest's console said. Bounded: a guest may say what it likes for as long as it likes.
#[derive(Debug, Clone, Default)]
pub(super) struct Console(Arc<Mutex<Vec<u8>>>);

/// Most of a console that is kept, bytes.
const CONSOLE_KEPT: usize = 64 << 10;

impl Console {
    pub fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(|e| e.into_inner());
        String::from_utf8_lossy(&kept).into_owned()
    }

    fn take(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(|e| e.into_inner());
        kept.extend_from_slice(bytes);
        // Cut in large steps, so that a flood is not moved byte by byte.
        if kept.len() > 2 * CONSOLE_KEPT {
            let from = kept.len() - CONSOLE_KEPT;
            kept.drain(..from);
        }
    }
}

/// Reads the guest's console.
pub(super) fn console(
    mut socket: UnixStream,
    said: Console,
    send: Sender<(u64, Seen)>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = vec![0u8; 16 * 1024];
        while let Ok(n) = socket.read(&mut buffer) {
            if n == 0 {
                break;
            }
            said.take(&buffer[..n]);
        }
        let _ = send.send((monotonic_ns(), Seen::ConsoleEnd));
    })
}

/// Has QEMU take in the saved state, waits until the machine runs, then at once tells its init the time and new randomness, and the job.
pub(super) fn resume(
    mut qmp: UnixStream,
    mut channel: UnixStream,
    job: Option<Vec<u8>>,
    send: Sender<(u64, Seen)>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let _ = qmp.write_all(take_in().as_bytes());
        let mut lines = BufReader::new(qmp);
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|n| n > 0) {
            if line.contains("\"RESUME\"") {
                let at_ns = monotonic_ns();
                let told = tell_resumed(&mut channel, job.as_deref());
                let _ = send.send((at_ns, Seen::Resumed));
                if let Err(e) = told {
                    let _ = send
                        .send((at_ns, Seen::BadChannel(format!("tell the guest that it runs again: {e}"))));
                }
                return;
            }
            if line.contains("\"error\"") {
                let why = format!("QEMU does not take in the saved machine: {}", line.trim());
                let _ = send.send((monotonic_ns(), Seen::BadChannel(why)));
                return;
            }
            line.clear();
        }
    })
}

/// Commands are answered in their order, so none of the answers has to be waited for. Events come only to a client that
/// has asked for capabilities (QMP specification).
fn take_in() -> String {
    let commands = [
        json!({ "execute": "qmp_capabilities" }),
        json!({ "execute": "migrate-set-capabilities", "arguments": ignore_shared() }),
        json!({ "execute": "migrate-incoming", "arguments": { "uri": format!("fd:{STATE}") } }),
    ];
    commands.iter().map(|c| format!("{c}\n")).collect()
}

fn tell_resumed(channel: &mut UnixStream, job: Option<&[u8]>) -> std::io::Result<()> {
    let mut seed = [0u8; 32];
    rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())?;
    let realtime_ns = std::time::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_nanos() as u64);
    let mut frames = ToGuest::Resume { realtime_ns, seed }.frame();
    frames.extend_from_slice(job.unwrap_or_default());
    channel.write_all(&frames)
}
