//! The guest's side of a copy: `tare-init` as a second process, which speaks on its standard streams.
//!
//! ```text
//! --send PATH              out: a line of JSON, the source; then the archive
//! --send-named PATH        out: the archive, with the names of the files
//! --receive PATH           in: a line of JSON, the source; then the archive
//! --receive-archive DIR    in: an archive of somebody's own making
//! ```

use super::copy::{Source, destination, pack, source, unpack, unpack_any};
use super::error::{GuestError, failed};
use std::io::{Read, Write};
use std::path::{Component, Path};

/// Where the guest's init is for a second process in any root: it has no name there, but runs.
pub const PROGRAM: &str = "/proc/1/exe";

/// Does one of them; none: it is no copy that is asked for.
pub fn copy(how: &str, path: &str) -> Option<Result<(), GuestError>> {
    Some(match how {
        "--send" => send(path),
        "--send-named" => source(path).and_then(|s| pack(&s, true, std::io::stdout().lock())),
        "--receive" => receive(path),
        "--receive-archive" => unpack_any(std::io::stdin().lock(), Path::new(path)),
        _ => return None,
    })
}

fn send(path: &str) -> Result<(), GuestError> {
    let source = source(path)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&line(&source)?).map_err(failed("write", "the host"))?;
    pack(&source, false, out)
}

fn receive(path: &str) -> Result<(), GuestError> {
    let mut input = std::io::stdin().lock();
    let source = read_line(&mut input)?;
    let to = destination(path, &source)?;
    unpack(input, &source, &to)
}

/// The line that comes before an archive.
pub fn line(source: &Source) -> Result<Vec<u8>, GuestError> {
    let json = serde_json::to_vec(source).map_err(std::io::Error::other);
    Ok([json.map_err(failed("name", source.path.display().to_string()))?, b"\n".to_vec()].concat())
}

/// Reads that line, and not a byte more.
pub fn read_line(from: &mut impl Read) -> Result<Source, GuestError> {
    let wrong = failed("hear what is copied", "");
    let mut json = Vec::new();
    let mut byte = [0u8; 1];
    while json.len() < 1 << 16 {
        match from.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => json.push(byte[0]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(wrong(e)),
        }
    }
    let source: Source = match serde_json::from_slice(&json) {
        Ok(source) => source,
        Err(e) => return Err(wrong(std::io::Error::other(e))),
    };
    // It becomes the last part of a path of ours.
    let mut parts = source.name.components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_) | Component::CurDir), None) => Ok(source),
        _ => Err(wrong(std::io::Error::other(format!("{:?} is no name", source.name)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_and_nothing_else() {
        for (name, good) in [
            ("x", true),
            (".", true),
            ("..", false),
            ("../x", false),
            ("/x", false),
            ("a/b", false),
            ("", false),
        ] {
            let source = Source { path: "/x".into(), is_dir: false, contents: false, name: name.into() };
            let bytes = [line(&source).expect("line"), b"rest".to_vec()].concat();
            let mut from = &bytes[..];
            assert_eq!(read_line(&mut from).is_ok(), good, "{name:?}");
            assert_eq!(from, b"rest");
        }
        read_line(&mut &b"no JSON\n"[..]).expect_err("no JSON");
    }
}
