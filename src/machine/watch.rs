//! The threads that watch a machine: each stamps what it sees with the host's clock and sends it on.

use crate::guest::wire::{Decoder, ToHost};
use crate::sys::clock::monotonic_ns;
use crate::sys::spawn::Child;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// What the watching threads send.
pub(super) enum Seen {
    Stamp(u8),
    Message(ToHost),
    BadChannel(String),
    ChannelEnd,
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
