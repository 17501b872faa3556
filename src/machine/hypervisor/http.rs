//! HTTP/1.1 on a unix socket, as much of it as these APIs need: one connection, one request at a time, answers with a
//! length.

use crate::machine::error::{MachineError, system};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// For the answer to one request.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest body that is taken in, bytes.
const MOST: usize = 1 << 20;

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `PUT` throughout.
    pub method: &'static str,
    /// From `/`.
    pub path: String,
    /// JSON.
    pub body: Option<Value>,
}

impl Request {
    pub(super) fn put(path: &str, body: Value) -> Self {
        Self { method: "PUT", path: path.to_owned(), body: Some(body) }
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A connection to a monitor.
pub(super) struct Client {
    socket: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Client {
    pub fn new(socket: UnixStream) -> Result<Self, MachineError> {
        socket.set_read_timeout(Some(ANSWER)).map_err(system("set a deadline"))?;
        socket.set_write_timeout(Some(ANSWER)).map_err(system("set a deadline"))?;
        let reader = BufReader::new(socket.try_clone().map_err(system("duplicate the monitor's socket"))?);
        Ok(Self { socket, reader })
    }

    /// Sends it and waits for the answer; any but a 2xx is an error with the monitor's reason.
    pub fn send(&mut self, request: &Request) -> Result<(), MachineError> {
        let refused = |said: String| MachineError::Api { request: request.name(), said };
        let failed = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                refused(format!("no answer within {} s", ANSWER.as_secs()))
            }
            _ => refused(e.to_string()),
        };
        let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let text = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            request.method,
            request.path,
            body.len()
        );
        self.socket.write_all(text.as_bytes()).map_err(failed)?;
        let (status, said) = self.answer().map_err(failed)?;
        if (200..300).contains(&status) { Ok(()) } else { Err(refused(format!("{status} {said}"))) }
    }

    fn answer(&mut self) -> std::io::Result<(u16, String)> {
        let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
        let line = self.line()?;
        let status = line.strip_prefix("HTTP/1.").and_then(|l| l.split(' ').nth(1)?.parse().ok());
        let status: u16 = status.ok_or_else(|| bad("an answer that is not HTTP"))?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(|_| bad("an answer without a length"))?;
            }
        }
        if length > MOST {
            return Err(bad("an answer of absurd length"));
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        (&mut self.reader).take(8 << 10).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the monitor closed its API"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}
