//! Writes the merged record, some rows at a time: one thread reads and checks, the other packs and writes.

use super::blocks::{self, Blocks};
use super::open::{MergedRecord, Rows};
use super::pieces::{Piece, of_record};
use super::session::Session;
use super::sources::{Source, with_cause};
use super::{Head, Misfit, VERSION, notes};
use crate::record::error::{RecordError, io, parquet};
use crate::record::table::{Data, Frame, PHASES, RUNS, SAMPLES, Table, Writer};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The tables, in the order of [`Piece::Rows`].
const TABLES: [&Table; 3] = [&RUNS, &SAMPLES, &PHASES];

/// Writes all into the empty folder `dir`. Sources that cannot be read are misfits, all of them; what was written is then nothing.
pub(super) fn assemble(chosen: &[Source], dir: &Path, left_out: Vec<String>) -> Result<Head, RecordError> {
    let sessions: Vec<&Session> = chosen.iter().map(|s| &s.session).collect();
    let blocks = blocks::of(&sessions);
    let (give, take) = sync_channel(1);
    let written = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read_all(chosen, &blocks, give));
        let written = write_all(dir, take);
        let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A failure to write ends the reading as well, which then has nothing to say.
        written.map(|w| (w, read))
    })?;
    let (written, bad) = written;
    if !bad.is_empty() {
        return Err(RecordError::Misfits(bad));
    }
    let written: Vec<&Session> = written.iter().collect();
    let hosts: BTreeSet<&str> = written.iter().map(|s| s.host.as_str()).collect();
    let head = Head {
        schema: VERSION,
        sessions: written.len() as u64,
        hosts: hosts.len() as u64,
        runs: written.iter().map(|s| s.runs).sum(),
        samples: written.iter().map(|s| s.samples).sum(),
        duplicates: blocks.duplicates,
        gaps: blocks.gaps,
        notes: notes::of(&written),
        left_out,
    };
    let path = dir.join("merged.json");
    let json = serde_json::to_vec_pretty(&head)
        .map_err(|source| RecordError::Json { path: path.clone(), source })?;
    std::fs::write(&path, json).map_err(io("write", &path))?;
    Ok(head)
}

/// Reads all, and gives the sources that could not be.
fn read_all(chosen: &[Source], blocks: &Blocks, give: SyncSender<Piece>) -> Vec<Misfit> {
    let mut open: HashMap<PathBuf, [Rows; 3]> = HashMap::new();
    let mut bad: Vec<Misfit> = Vec::new();
    for (at, source) in chosen.iter().enumerate() {
        if bad.iter().any(|b| b.path == source.dir) {
            continue;
        }
        let superseded = |block: u32| blocks.superseded.contains(&(at, block));
        let mut give = |piece| give.send(piece).is_ok();
        let session = match source.place {
            None => of_record(&source.dir, superseded, &mut give),
            Some(place) => of_merged(place, source, &mut open, superseded, &mut give),
        };
        match session {
            Ok(session) => {
                if !give(Piece::End(Box::new(session))) {
                    // Whoever writes has failed, and says why.
                    break;
                }
            }
            Err(e) => bad.push(Misfit { path: source.dir.clone(), why: with_cause(&e) }),
        }
    }
    bad
}

/// Rows as they are, only that which block counts is found anew.
fn of_merged(
    place: usize,
    source: &Source,
    open: &mut HashMap<PathBuf, [Rows; 3]>,
    superseded: impl Fn(u32) -> bool,
    give: &mut impl FnMut(Piece) -> bool,
) -> Result<Session, RecordError> {
    if !open.contains_key(&source.dir) {
        let merged = MergedRecord::open(&source.dir)?;
        let rows = [merged.rows(&RUNS)?, merged.rows(&SAMPLES)?, merged.rows(&PHASES)?];
        open.insert(source.dir.clone(), rows);
    }
    for (at, (rows, table)) in open[&source.dir].iter().zip(TABLES).enumerate() {
        for part in rows.parts(place) {
            let mut frame = rows.frame(part)?;
            if let (Some(block), Some(mark)) = (table.place("block"), table.place("superseded"))
                && let Data::Counts(blocks) = &frame[block]
            {
                frame[mark] = Data::Flags(blocks.iter().map(|b| superseded(*b as u32)).collect());
            }
            if !give(Piece::Rows(at, frame)) {
                break;
            }
        }
    }
    Ok(source.session.clone())
}

fn write_all(dir: &Path, take: Receiver<Piece>) -> Result<Vec<Session>, RecordError> {
    let mut tables = [Out::new(dir, &RUNS)?, Out::new(dir, &SAMPLES)?, Out::new(dir, &PHASES)?];
    let lines = dir.join("sessions.jsonl");
    let mut list = BufWriter::new(File::create(&lines).map_err(io("create", &lines))?);
    let mut sessions = Vec::new();
    for piece in take {
        match piece {
            Piece::Rows(at, frame) => tables[at].append(&frame)?,
            Piece::End(session) => {
                let json = serde_json::to_vec(&session)
                    .map_err(|source| RecordError::Json { path: lines.clone(), source })?;
                list.write_all(&json).and_then(|()| list.write_all(b"\n")).map_err(io("write", &lines))?;
                sessions.push(*session);
            }
        }
    }
    for table in tables {
        table.finish()?;
    }
    let list = list.into_inner().map_err(|e| io("write", &lines)(e.into_error()))?;
    list.sync_all().map_err(io("write", &lines))?;
    Ok(sessions)
}

struct Out {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
}

impl Out {
    fn new(dir: &Path, table: &Table) -> Result<Self, RecordError> {
        let path = dir.join(format!("{}.parquet", table.name));
        let file = File::create(&path).map_err(io("create", &path))?;
        let writer = Writer::new(table, BufWriter::new(file)).map_err(parquet("create", &path))?;
        Ok(Self { path, writer })
    }

    fn append(&mut self, frame: &Frame) -> Result<(), RecordError> {
        self.writer.append(frame).map_err(parquet("write", &self.path))
    }

    fn finish(self) -> Result<(), RecordError> {
        let file = self.writer.finish().map_err(parquet("write", &self.path))?;
        let file = file.into_inner().map_err(|e| io("write", &self.path)(e.into_error()))?;
        file.sync_all().map_err(io("write", &self.path))
    }
}
