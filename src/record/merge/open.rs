//! Opens a merged record.

use super::{Head, Session, VERSION};
use crate::record::error::{RecordError, io};
use crate::record::table::{Data, Frame, Reader, Table};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Head and sessions; rows are read session by session.
#[derive(Debug, Clone)]
pub struct MergedRecord {
    /// Folder.
    pub dir: PathBuf,
    /// merged.json.
    pub head: Head,
    /// sessions.jsonl.
    pub sessions: Vec<Session>,
}

/// Whether the folder holds a merged record.
pub fn is_merged(dir: &Path) -> bool {
    dir.join("sessions.jsonl").is_file()
}

impl MergedRecord {
    /// Reads head and sessions.
    pub fn open(dir: &Path) -> Result<Self, RecordError> {
        let path = dir.join("merged.json");
        let text = std::fs::read(&path).map_err(io("read", &path))?;
        let head: Head = serde_json::from_slice(&text)
            .map_err(|source| RecordError::Json { path: path.clone(), source })?;
        if head.schema > VERSION {
            return Err(RecordError::Schema { path, found: u64::from(head.schema), known: VERSION });
        }
        let path = dir.join("sessions.jsonl");
        let text = std::fs::read(&path).map_err(io("read", &path))?;
        let lines = text.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        let sessions = lines
            .map(|line| {
                serde_json::from_slice(line)
                    .map_err(|source| RecordError::Json { path: path.clone(), source })
            })
            .collect::<Result<Vec<Session>, _>>()?;
        Ok(Self { dir: dir.to_owned(), head, sessions })
    }

    /// Rows of a table, to be asked session by session.
    pub fn rows(&self, table: &'static Table) -> Result<Rows, RecordError> {
        let reader = Reader::open(&self.dir, table)?;
        let counts = self.sessions.iter().map(|s| match table.name {
            "runs" => s.runs,
            "samples" => s.samples,
            _ => s.phases,
        });
        let mut groups = Vec::with_capacity(self.sessions.len());
        let (mut next, mut fits) = (0, true);
        for count in counts {
            let (from, mut left) = (next, count);
            while left > 0 && next < reader.groups() {
                left = left.checked_sub(reader.rows(next) as u64).unwrap_or(u64::MAX);
                next += 1;
                if left == u64::MAX {
                    break;
                }
            }
            fits &= left == 0;
            groups.push(from..next);
        }
        fits &= next == reader.groups();
        if !fits {
            let path = self.dir.join(format!("{}.parquet", table.name));
            return Err(RecordError::Table {
                path,
                why: "its row groups are not those of sessions.jsonl".into(),
            });
        }
        Ok(Rows { reader, groups })
    }
}

/// Rows of one table of a merged record.
pub struct Rows {
    reader: Reader,
    groups: Vec<Range<usize>>,
}

impl Rows {
    /// The parts of a session, in the order of its rows: none where it has no rows.
    pub fn parts(&self, session: usize) -> Range<usize> {
        self.groups.get(session).cloned().unwrap_or(0..0)
    }

    /// All columns of a part.
    pub fn frame(&self, part: usize) -> Result<Frame, RecordError> {
        self.reader.frame(part)
    }

    /// Some columns of a part, in the order of their names.
    pub fn columns<const N: usize>(&self, part: usize, names: [&str; N]) -> Result<[Data; N], RecordError> {
        let read: Vec<Data> =
            names.iter().map(|name| self.reader.column(part, name)).collect::<Result<_, _>>()?;
        let read: Result<[Data; N], _> = read.try_into();
        Ok(read.unwrap_or_else(|_| unreachable!("a column was read for each name")))
    }
}
