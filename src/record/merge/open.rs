//! Opens a merged record.

use super::{Head, Session, VERSION};
use crate::record::error::{RecordError, io};
use crate::record::table::{Data, Frame, Reader, Table};
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
        let mut next = 0;
        for count in counts {
            groups.push((count > 0).then_some((next, count)));
            next += usize::from(count > 0);
        }
        let fits = next == reader.groups()
            && groups.iter().flatten().all(|(group, count)| reader.rows(*group) as u64 == *count);
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
    groups: Vec<Option<(usize, u64)>>,
}

impl Rows {
    /// All columns of a session; none where it has no rows.
    pub fn frame(&self, session: usize) -> Result<Option<Frame>, RecordError> {
        match self.groups.get(session).copied().flatten() {
            Some((group, _)) => self.reader.frame(group).map(Some),
            None => Ok(None),
        }
    }

    /// Some columns of a session; none where it has no rows.
    pub fn columns<const N: usize>(
        &self,
        session: usize,
        names: [&str; N],
    ) -> Result<Option<[Data; N]>, RecordError> {
        let Some((group, _)) = self.groups.get(session).copied().flatten() else { return Ok(None) };
        let read: Vec<Data> =
            names.iter().map(|name| self.reader.column(group, name)).collect::<Result<_, _>>()?;
        Ok(read.try_into().ok())
    }
}
