//! The log of a container: a line of its output a line, `TIME stdout|stderr F|P TEXT`, as conmon and the kubelet write
//! it (k8s-file). P marks a part of a line that goes on in the next entry.

use super::error::{LifeError, io};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Which of the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and a terminal's.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Out => "stdout",
            Self::Err => "stderr",
        }
    }
}

/// Longest entry; a longer line comes in parts.
const LONGEST: usize = 16 << 10;

/// Writes entries. A line that is not ended yet is kept back until it is, or until it is long.
pub struct Writer {
    file: File,
    kept: [Vec<u8>; 2],
}

impl Writer {
    /// Appends to `path`.
    pub fn open(path: &Path) -> Result<Self, LifeError> {
        let file = File::options().create(true).append(true).open(path).map_err(io("open", path))?;
        Ok(Self { file, kept: Default::default() })
    }

    /// Takes in output. Errors of the disk (it may be full) must not end the container: they are returned and the output
    /// in question is lost to the log.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> std::io::Result<()> {
        let kept = &mut self.kept[stream as usize];
        kept.extend_from_slice(bytes);
        let mut text = Vec::new();
        let mut from = 0;
        while let Some(n) = kept[from..].iter().position(|b| *b == b'\n') {
            entry(&mut text, stream, &kept[from..from + n], 'F');
            from += n + 1;
        }
        kept.drain(..from);
        while kept.len() >= LONGEST {
            entry(&mut text, stream, &kept[..LONGEST], 'P');
            kept.drain(..LONGEST);
        }
        self.file.write_all(&text)
    }

    /// Whether something is kept back.
    pub fn has_kept(&self) -> bool {
        self.kept.iter().any(|k| !k.is_empty())
    }

    /// Writes what is kept back: at the end, and when nothing has come for a while (a prompt).
    pub fn flush(&mut self) -> std::io::Result<()> {
        let mut text = Vec::new();
        for stream in [Stream::Out, Stream::Err] {
            let kept = std::mem::take(&mut self.kept[stream as usize]);
            if !kept.is_empty() {
                entry(&mut text, stream, &kept, 'P');
            }
        }
        self.file.write_all(&text)
    }
}

fn entry(to: &mut Vec<u8>, stream: Stream, line: &[u8], tag: char) {
    for (n, part) in line.chunks(LONGEST).enumerate() {
        let last = (n + 1) * LONGEST >= line.len();
        push(to, stream, part, if last { tag } else { 'P' });
    }
    if line.is_empty() {
        push(to, stream, line, tag);
    }
}

fn push(to: &mut Vec<u8>, stream: Stream, part: &[u8], tag: char) {
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    to.extend_from_slice(format!("{now} {} {tag} ", stream.as_str()).as_bytes());
    to.extend_from_slice(part);
    to.push(b'\n');
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// RFC 3339.
    pub time: String,
    /// Which output.
    pub stream: Stream,
    /// The line does not go on in the next entry.
    pub ended: bool,
    /// Without its end of line.
    pub text: Vec<u8>,
}

/// Reads a line of the file. None: not one that we wrote (cut off by a full disk or a kill).
pub fn read(line: &[u8]) -> Option<Entry> {
    let mut parts = line.splitn(4, |b| *b == b' ');
    let time = String::from_utf8(parts.next()?.to_vec()).ok()?;
    let stream = match parts.next()? {
        b"stdout" => Stream::Out,
        b"stderr" => Stream::Err,
        _ => return None,
    };
    let ended = match parts.next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    Some(Entry { time, stream, ended, text: parts.next()?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_byte_for_byte() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("log");
        let mut log = Writer::open(&path).expect("open");
        let long = vec![b'x'; 3 * LONGEST + 7];
        for bytes in [&b"one\ntw"[..], b"o\n\n\xff\xfe", &long, b"\nno end"] {
            log.write(Stream::Out, bytes).expect("write");
        }
        log.write(Stream::Err, b"apart\n").expect("write");
        log.flush().expect("flush");
        let file = std::fs::read(&path).expect("read");
        let entries: Vec<Entry> =
            file.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| read(l).expect("entry")).collect();
        let of = |stream| {
            let mut all = Vec::new();
            for e in entries.iter().filter(|e| e.stream == stream) {
                all.extend_from_slice(&e.text);
                if e.ended {
                    all.push(b'\n');
                }
            }
            all
        };
        let wanted = [&b"one\ntwo\n\n\xff\xfe"[..], &long, b"\nno end"].concat();
        assert!(of(Stream::Out) == wanted, "output differs");
        assert_eq!(of(Stream::Err), b"apart\n");
        assert_eq!(read(b"2026 stdout"), None);
    }
}
