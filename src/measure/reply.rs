//! Asks a ready service one question, and checks the answer: wrong output is a failed run.

use super::error::MeasureError;
use super::ready::http_get;
use crate::workload::Reply;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

/// `sha256:` of the answer, when it is the expected one.
pub fn check(reply: &Reply, address: Ipv4Addr) -> Result<String, MeasureError> {
    let (asked, answer) = ask(reply, address);
    let failed = |why: String| MeasureError::Reply { asked: asked.clone(), why };
    let answer = answer.map_err(|e| failed(e.to_string()))?;
    let expected = reply.expected();
    if !expected.is_empty() && answer != expected {
        let shown = |b: &[u8]| String::from_utf8_lossy(&b[..b.len().min(80)]).escape_debug().to_string();
        return Err(failed(format!("answered \"{}\", expected \"{}\"", shown(&answer), shown(expected))));
    }
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(&answer))))
}

fn ask(reply: &Reply, address: Ipv4Addr) -> (String, std::io::Result<Vec<u8>>) {
    match reply {
        Reply::Http { port, path, .. } => {
            let answer = connect(address, *port).and_then(|s| http_get(s, path, TIMEOUT)).and_then(
                |(status, body)| {
                    let wrong = || std::io::Error::other(format!("status {status}"));
                    if status == 200 { Ok(body) } else { Err(wrong()) }
                },
            );
            (format!("http:{port}{path}"), answer)
        }
        Reply::Bytes { port, send, expect } => {
            let answer = connect(address, *port).and_then(|s| exchange(s, send, expect.len()));
            (format!("tcp:{port}"), answer)
        }
    }
}

fn connect(address: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((address, port)), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

fn exchange(mut stream: TcpStream, send: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    stream.write_all(send)?;
    let mut answer = vec![0u8; length];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
