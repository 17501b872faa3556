//! A registry that keeps what it got of an upload, and hangs up in the middle of it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it has.
#[derive(Default)]
pub struct Kept {
    /// Of the upload that is under way, in the order in which it came.
    under_way: Vec<u8>,
    /// Blobs by digest.
    pub done: HashMap<String, Vec<u8>>,
    /// How often it hung up.
    pub cuts: usize,
}

/// See the module. One upload at a time.
pub struct Keeper {
    /// `127.0.0.1:port`.
    pub host: String,
    /// What it has.
    pub kept: Arc<Mutex<Kept>>,
}

impl Keeper {
    /// Hangs up after `most` bytes of a request that has more.
    pub fn start(most: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let host = listener.local_addr().expect("address").to_string();
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let shared = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = shared.clone();
                std::thread::spawn(move || serve(stream, &kept, most));
            }
        });
        Self { host, kept }
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Kept>, most: u64) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut length, mut range) = (0, None);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "content-range" => range = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut kept = kept.lock().expect("lock");
        let (status, more) = match (method.as_str(), path.as_str()) {
            ("GET", "/v2/") => (200, String::new()),
            ("HEAD", _) => (404, String::new()),
            ("POST", _) => {
                kept.under_way.clear();
                (202, "Location: /upload\r\n".to_owned())
            }
            ("GET", "/upload") => {
                let last = kept.under_way.len().saturating_sub(1);
                (204, format!("Location: /upload\r\nRange: 0-{last}\r\n"))
            }
            ("PATCH", _) => {
                let from = kept.under_way.len() as u64;
                let told = format!("{from}-{}", from + length - 1);
                assert!(
                    from == 0 && range.is_none() || range.as_deref() == Some(&told),
                    "{range:?}, not {told}"
                );
                reader.by_ref().take(length.min(most)).read_to_end(&mut kept.under_way).ok()?;
                if length > most {
                    kept.cuts += 1;
                    return None;
                }
                (202, "Location: /upload\r\n".to_owned())
            }
            ("PUT", path) => {
                let mut body = Vec::new();
                reader.by_ref().take(length).read_to_end(&mut body).ok()?;
                if let Some((_, digest)) = path.split_once("digest=") {
                    let blob = std::mem::take(&mut kept.under_way);
                    kept.done.insert(digest.replace("%3A", ":"), blob);
                }
                (201, String::new())
            }
            _ => (404, String::new()),
        };
        let length = if status == 204 { "" } else { "Content-Length: 0\r\n" };
        write!(stream, "HTTP/1.1 {status} x\r\n{more}{length}\r\n").ok()?;
    }
}
