//! The rows of a CSV of a record, one after another.

use super::error::{RecordError, io};
use super::reader::known;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// Bytes that are looked through at a time for the last end of line.
const STEP: u64 = 1 << 12;

/// See the module. A file without its header is one that was never begun: no rows.
pub(super) struct Rows<T> {
    path: PathBuf,
    csv: csv::Reader<Take<BufReader<File>>>,
    headers: csv::StringRecord,
    /// Column of the schema.
    schema: Option<usize>,
    row: csv::StringRecord,
    /// A last row without its end of line was cut off, and is left out.
    cut: bool,
    of: PhantomData<T>,
}

impl<T: DeserializeOwned> Rows<T> {
    /// Opens it. What is written to it later is not read.
    pub(super) fn open(path: &Path) -> Result<Self, RecordError> {
        let mut file = File::open(path).map_err(io("read", path))?;
        let (bytes, whole) = ends(&mut file).map_err(io("read", path))?;
        let mut csv = csv::ReaderBuilder::new().from_reader(BufReader::new(file).take(whole));
        let headers = csv.headers().map_err(|e| row_error(path, &e))?.clone();
        Ok(Self {
            path: path.to_owned(),
            csv,
            schema: headers.iter().position(|h| h == "schema"),
            headers,
            row: csv::StringRecord::new(),
            cut: whole < bytes,
            of: PhantomData,
        })
    }

    /// What is to be said of its last row.
    pub(super) fn warning(&self) -> Option<String> {
        self.cut.then(|| format!("{}: its last row was cut off and is left out", self.path.display()))
    }

    fn parsed(&self) -> Result<T, RecordError> {
        let version = self.schema.and_then(|at| self.row.get(at)?.parse().ok());
        known(&self.path, version.unwrap_or(0))?;
        self.row.deserialize(Some(&self.headers)).map_err(|e| {
            let line = self.row.position().map_or(0, csv::Position::line);
            RecordError::Row { path: self.path.clone(), line, why: plain(&e) }
        })
    }
}

impl<T: DeserializeOwned> Iterator for Rows<T> {
    type Item = Result<T, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.csv.read_record(&mut self.row) {
            Ok(false) => None,
            Ok(true) => Some(self.parsed()),
            Err(e) => Some(Err(row_error(&self.path, &e))),
        }
    }
}

/// Length, and that of all whole lines; the file is left at its beginning.
fn ends(file: &mut File) -> std::io::Result<(u64, u64)> {
    let bytes = file.seek(SeekFrom::End(0))?;
    let mut to = bytes;
    let mut buffer = Vec::new();
    while to > 0 {
        let from = to.saturating_sub(STEP);
        file.seek(SeekFrom::Start(from))?;
        buffer.clear();
        file.by_ref().take(to - from).read_to_end(&mut buffer)?;
        if let Some(at) = buffer.iter().rposition(|b| *b == b'\n') {
            to = from + at as u64 + 1;
            break;
        }
        to = from;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok((bytes, to))
}

fn row_error(path: &Path, e: &csv::Error) -> RecordError {
    let line = e.position().map_or(1, csv::Position::line);
    RecordError::Row { path: path.to_owned(), line, why: plain(e) }
}

/// The reason without the position, which the caller gives.
fn plain(e: &csv::Error) -> String {
    match e.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, expected {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".into(),
        _ => e.to_string(),
    }
}
