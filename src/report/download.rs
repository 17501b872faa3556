//! Raw data inside the page: gzip, then base64, so that 100,000 samples stay below a few megabytes.

use super::error::{ReportError, io};
use base64::Engine;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// A file of the record, packed.
#[derive(Debug, Serialize)]
pub struct Packed {
    /// Its name in the record.
    pub name: String,
    /// Bytes, unpacked.
    pub bytes: usize,
    /// base64 of its gzip.
    pub base64: String,
}

/// Packs what is there; a record of an interrupted bench may lack a file.
pub fn pack(dir: &Path, names: &[&str]) -> Result<Vec<Packed>, ReportError> {
    let there = names.iter().filter(|n| dir.join(n).is_file());
    there.map(|name| pack_one(&dir.join(name), name)).collect()
}

fn pack_one(path: &Path, name: &str) -> Result<Packed, ReportError> {
    let content = std::fs::read(path).map_err(io("read", path))?;
    // No time stamp and no name in the header: the same bytes in give the same bytes out.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = gzip.write_all(&content).and_then(|()| gzip.finish()).map_err(io("compress", path))?;
    let base64 = base64::engine::general_purpose::STANDARD.encode(packed);
    Ok(Packed { name: name.to_owned(), bytes: content.len(), base64 })
}
