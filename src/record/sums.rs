//! `SHA256SUMS`: what a bench wrote, so that a record that was edited, cut or mixed afterwards is told from one that was
//! not. The format is that of coreutils (`sha256sum -c SHA256SUMS` says the same).

use super::error::{RecordError, io};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Its name in the record's folder.
pub const NAME: &str = "SHA256SUMS";

/// What is measured; reports and charts are made from it at any time and are left out.
const FILES: [&str; 5] = ["environment.json", "phases.csv", "plan.json", "runs.csv", "samples.csv"];

/// Writes it, at the end of a bench.
pub fn write(dir: &Path) -> Result<(), RecordError> {
    let mut text = String::new();
    for name in FILES {
        text.push_str(&format!("{}  {name}\n", sum(&dir.join(name))?));
    }
    let path = dir.join(NAME);
    std::fs::write(&path, text).map_err(io("write", &path))
}

/// Takes it away: the record is being written again.
pub fn remove(dir: &Path) -> Result<(), RecordError> {
    let path = dir.join(NAME);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", &path)(e)),
        _ => Ok(()),
    }
}

/// Files that are not what the bench wrote. None where the record has no sums: its bench did not end, or is older.
pub fn changed(dir: &Path) -> Result<Vec<&'static str>, RecordError> {
    let path = dir.join(NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io("read", &path)(e)),
    };
    let mut changed = Vec::new();
    for name in FILES {
        let Some(then) = text.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix("  ")) else {
            continue;
        };
        if then != sum(&dir.join(name))? {
            changed.push(name);
        }
    }
    Ok(changed)
}

fn sum(path: &Path) -> Result<String, RecordError> {
    let mut file = File::open(path).map_err(io("read", path))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(io("read", path))? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
