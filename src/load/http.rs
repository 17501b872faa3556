//! `http`: a web service with one fixed page, one client at a time.

use super::error::LoadError;
use super::signals::Ends;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

/// Where it listens unless told.
pub const PORT: u16 = 8080;
/// What `GET /` is answered with.
pub const BODY: &str = "hello from taremark\n";
/// A client that says nothing must not keep the others waiting, nor SIGTERM.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest head of a request that is read.
const HEAD: usize = 8 << 10;

/// Serves until SIGTERM or SIGINT.
pub fn serve(port: u16, out: &mut impl Write) -> Result<(), LoadError> {
    let ends = Ends::block()?;
    let told_to_end = ends.descriptor()?;
    let listen = |source| LoadError::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).map_err(listen)?;
    // A client may be gone again between poll and accept.
    listener.set_nonblocking(true).map_err(listen)?;
    super::say(out, "ready\n")?;
    loop {
        let mut fds = [
            PollFd::new(told_to_end.as_fd(), PollFlags::POLLIN),
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(e) => return Err(LoadError::Io { step: "wait for a client", source: e.into() }),
        }
        if fds[0].any() == Some(true) {
            return Ok(());
        }
        if let Ok((client, _)) = listener.accept() {
            // What goes wrong with one client is that client's affair.
            let _ = answer(client);
        }
    }
}

fn answer(mut client: TcpStream) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut head = [0u8; HEAD];
    let mut length = 0;
    while !head[..length].windows(4).any(|w| w == b"\r\n\r\n") {
        match client.read(&mut head[length..])? {
            0 => break,
            n => length += n,
        }
    }
    client.write_all(response(&head[..length]).as_bytes())
}

/// The whole answer to a request's head (RFC 9112).
fn response(head: &[u8]) -> String {
    let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
    let (status, body) = match line.split(|b| *b == b' ').collect::<Vec<_>>()[..] {
        [b"GET" | b"HEAD", b"/", version] if version.starts_with(b"HTTP/1.") => ("200 OK", BODY),
        [b"GET" | b"HEAD", _, version] if version.starts_with(b"HTTP/1.") => ("404 Not Found", "not found\n"),
        [_, _, version] if version.starts_with(b"HTTP/1.") => ("405 Method Not Allowed", "GET only\n"),
        _ => ("400 Bad Request", "bad request\n"),
    };
    let length = body.len();
    let body = if line.starts_with(b"HEAD ") { "" } else { body };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
            ("GET / HTTP/1.0\r\n\r\n", "200 OK"),
            ("GET /x HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("POST / HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            ("GET /", "400 Bad Request"),
            ("", "400 Bad Request"),
        ] {
            assert!(
                response(request.as_bytes()).starts_with(&format!("HTTP/1.1 {status}\r\n")),
                "{request:?}"
            );
        }
        assert!(response(b"GET / HTTP/1.1\r\n\r\n").ends_with("\r\n\r\nhello from taremark\n"));
        assert!(response(b"HEAD / HTTP/1.1\r\n\r\n").ends_with("Length: 20\r\nConnection: close\r\n\r\n"));
    }
}
