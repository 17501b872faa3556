//! An HTTP server that answers as a test says: rightly, wrongly, slowly, or not at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// GET and the like.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The first KiB of the body.
    pub body: String,
}

impl Asked {
    /// Of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What is answered.
pub enum Reply {
    /// Status, headers, body with its length.
    Say(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Promises so many bytes, gives these, and closes.
    Cut(u64, Vec<u8>),
    /// Gives these bytes of a body without an end, again and again.
    Endless(Vec<u8>),
    /// Promises so many bytes, gives these, and nothing more for a long time.
    Stall(u64, Vec<u8>),
    /// Promises so many bytes, and gives one every so often.
    Drip(u64, Duration),
    /// Says nothing for a long time.
    Silence,
}

/// A server on loopback, and all that it was asked.
pub struct Liar {
    /// `127.0.0.1:port`.
    pub host: String,
    /// In order.
    pub asked: Arc<Mutex<Vec<Asked>>>,
}

impl Liar {
    /// Starts it; it ends with the process.
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let host = listener.local_addr().expect("address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, answer) = (noted.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &noted, &*answer));
            }
        });
        Self { host, asked }
    }

    /// Everything that was asked so far.
    pub fn all(&self) -> Vec<Asked> {
        self.asked.lock().expect("lock").clone()
    }
}

fn serve(mut stream: TcpStream, noted: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Reply) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let asked = request(&mut reader)?;
        noted.lock().expect("lock").push(asked.clone());
        let head = |length: u64| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        match answer(&asked) {
            Reply::Say(status, headers, body) => {
                let mut text = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n", body.len());
                headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
                stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(b"\r\n")).ok()?;
                if asked.method != "HEAD" {
                    stream.write_all(&body).ok()?;
                }
            }
            Reply::Cut(promised, body) => {
                stream.write_all(head(promised).as_bytes()).and_then(|()| stream.write_all(&body)).ok()?;
                return None;
            }
            Reply::Endless(piece) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
                let size = format!("{:x}\r\n", piece.len());
                loop {
                    let parts = [size.as_bytes(), &piece, b"\r\n"];
                    stream.write_all(&parts.concat()).ok()?;
                }
            }
            Reply::Stall(promised, body) => {
                stream.write_all(head(promised).as_bytes()).and_then(|()| stream.write_all(&body)).ok()?;
                std::thread::sleep(Duration::from_secs(60));
                return None;
            }
            Reply::Drip(promised, pause) => {
                stream.write_all(head(promised).as_bytes()).ok()?;
                for _ in 0..promised {
                    stream.write_all(b"x").ok()?;
                    std::thread::sleep(pause);
                }
            }
            Reply::Silence => {
                std::thread::sleep(Duration::from_secs(60));
                return None;
            }
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { method, path, headers, body: String::new() };
    let length = asked.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0u64);
    let mut head = Vec::new();
    reader.take(length.min(1024)).read_to_end(&mut head).ok()?;
    std::io::copy(&mut reader.take(length - head.len() as u64), &mut std::io::sink()).ok()?;
    asked.body = String::from_utf8_lossy(&head).into_owned();
    Some(asked)
}
