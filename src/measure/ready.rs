//! Readiness over the network: asks until somebody answers.
//!
//! A start takes from a millisecond (a process) to seconds (an emulated guest), and a packet to a guest that is not up
//! yet is simply lost, after which the kernel would wait a second before it sends another. So a new connection is
//! tried every [`EVERY`], the older ones are kept, and the first that is answered wins; the others are closed at once.

use crate::sys::clock::monotonic_ns;
use crate::workload::Readiness;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Between two attempts; also the resolution of the figure.
pub const EVERY: Duration = Duration::from_millis(1);
/// Attempts kept open at a time: a reply that takes longer than this many times [`EVERY`] is not seen.
const KEPT: usize = 250;

/// Asks on a thread of its own.
pub struct Prober {
    answered: Receiver<u64>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Prober {
    /// Starts asking, where the readiness is of the network.
    pub fn start(ready: &Readiness, address: Ipv4Addr) -> Option<Self> {
        let (port, path) = match ready {
            Readiness::Tcp(port) => (*port, None),
            Readiness::Http { port, path } => (*port, Some(path.clone())),
            Readiness::Line(_) | Readiness::Exit => return None,
        };
        let (send, answered) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let asked_to_stop = Arc::clone(&stop);
        let to = SocketAddrV4::new(address, port);
        let thread = std::thread::spawn(move || {
            if let Some(at_ns) = ask(to, path.as_deref(), &asked_to_stop) {
                let _ = send.send(at_ns);
            }
        });
        Some(Self { answered, stop, thread: Some(thread) })
    }

    /// CLOCK_MONOTONIC at which the answer was there, once it is.
    pub fn answered(&self) -> Option<u64> {
        self.answered.try_recv().ok()
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn ask(to: SocketAddrV4, path: Option<&str>, stop: &AtomicBool) -> Option<u64> {
    while !stop.load(Ordering::Relaxed) {
        let stream = connect_soon(to, stop)?;
        let Some(path) = path else { return Some(monotonic_ns()) };
        if http_ok(stream, path).is_some() {
            return Some(monotonic_ns());
        }
    }
    None
}

fn connect_soon(to: SocketAddrV4, stop: &AtomicBool) -> Option<TcpStream> {
    let mut open: Vec<OwnedFd> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if open.len() == KEPT {
            open.remove(0);
        }
        open.extend(attempt(to));
        let mut fds: Vec<PollFd> = open.iter().map(|fd| PollFd::new(fd, PollFlags::OUT)).collect();
        let every = Timespec { tv_sec: 0, tv_nsec: EVERY.as_nanos() as i64 };
        if open.is_empty() || poll(&mut fds, Some(&every)).is_err() {
            std::thread::sleep(EVERY);
            continue;
        }
        let done: Vec<usize> = (0..fds.len()).filter(|&i| !fds[i].revents().is_empty()).collect();
        let refused = !done.is_empty();
        for i in done.into_iter().rev() {
            let fd = open.remove(i);
            if matches!(sockopt::socket_error(&fd), Ok(Ok(()))) {
                return Some(TcpStream::from(fd));
            }
        }
        if refused {
            // A refusal comes at once; without this pause the harness would take the processor from the workload.
            std::thread::sleep(EVERY);
        }
    }
    None
}

fn attempt(to: SocketAddrV4) -> Option<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).ok()?;
    // Closing an attempt that lost resets it: nothing lingers, and the server is told.
    sockopt::set_socket_linger(&fd, Some(Duration::ZERO)).ok()?;
    match connect(&fd, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Some(fd),
        Err(_) => None,
    }
}

/// Whether `GET path` is answered with 2xx.
fn http_ok(stream: TcpStream, path: &str) -> Option<()> {
    let status = http_get(stream, path, Duration::from_secs(2)).ok()?.0;
    (200..300).contains(&status).then_some(())
}

/// Status and body of `GET path` over HTTP/1.0, at most 1 MiB of it.
pub fn http_get(mut stream: TcpStream, path: &str, timeout: Duration) -> std::io::Result<(u16, Vec<u8>)> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(
        format!("GET {path} HTTP/1.0\r\nHost: taremark\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut reply = Vec::new();
    let mut chunk = [0u8; 4096];
    while reply.len() < 1 << 20 {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => reply.extend_from_slice(&chunk[..n]),
            // A reset after a whole reply is a server's way to close.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset && !reply.is_empty() => break,
            Err(e) => return Err(e),
        }
    }
    let bad = || std::io::Error::other("the answer is not HTTP");
    let end = reply.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(bad)?;
    let head = std::str::from_utf8(&reply[..end]).map_err(|_| bad())?;
    let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok()).ok_or_else(bad)?;
    Ok((status, reply[end + 4..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn wait(prober: &Prober) -> u64 {
        for _ in 0..5000 {
            if let Some(at) = prober.answered() {
                return at;
            }
            std::thread::sleep(EVERY);
        }
        panic!("no answer within 5 s");
    }

    #[test]
    fn a_port_that_opens_later_is_seen_then() {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("port").port();
        let prober = Prober::start(&Readiness::Tcp(port), Ipv4Addr::LOCALHOST).expect("prober");
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(prober.answered(), None);
        let before = monotonic_ns();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("bind");
        let at = wait(&prober);
        assert!(at >= before && at - before < 1_000_000_000, "{}", at - before);
        drop(listener);
    }

    #[test]
    fn http_is_ready_only_with_success() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let server = std::thread::spawn(move || {
            for (i, stream) in listener.incoming().take(2).enumerate() {
                let mut stream = stream.expect("stream");
                let mut request = [0u8; 512];
                let n = stream.read(&mut request).expect("read");
                assert!(request[..n].starts_with(b"GET /health HTTP/1.0\r\n"));
                let status = if i == 0 { "503 Not yet" } else { "200 OK" };
                write!(stream, "HTTP/1.0 {status}\r\n\r\nbody").expect("write");
            }
        });
        let ready = Readiness::Http { port, path: "/health".into() };
        let prober = Prober::start(&ready, Ipv4Addr::LOCALHOST).expect("prober");
        wait(&prober);
        drop(prober);
        server.join().expect("server");
    }
}
