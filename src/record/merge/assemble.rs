//! Writes the merged record, a session at a time: one thread reads and checks, the other packs and writes.

use super::blocks::{self, Blocks};
use super::open::{MergedRecord, Rows};
use super::session::Session;
use super::sources::Source;
use super::{Head, VERSION, notes};
use crate::record::error::{RecordError, io, parquet};
use crate::record::reader;
use crate::record::table::{
    Data, Frame, PHASES, RUNS, SAMPLES, Table, Writer, of_phases, of_runs, of_samples,
};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A session with its rows: runs, samples, phases.
struct Part {
    session: Session,
    frames: [Frame; 3],
}

/// Writes all into the new folder `dir`.
pub(super) fn assemble(chosen: &[Source], dir: &Path, left_out: Vec<String>) -> Result<Head, RecordError> {
    let sessions: Vec<&Session> = chosen.iter().map(|s| &s.session).collect();
    let blocks = blocks::of(&sessions);
    std::fs::create_dir(dir).map_err(io("create", dir))?;
    let (give, take) = sync_channel(1);
    let written = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read_all(chosen, &blocks, give));
        let written = write_all(dir, take);
        let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A failure to write ends the reading as well, which then has nothing to say.
        written.and_then(|w| read.map(|()| w))
    })?;
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

fn read_all(chosen: &[Source], blocks: &Blocks, give: SyncSender<Part>) -> Result<(), RecordError> {
    let mut open: HashMap<PathBuf, [Rows; 3]> = HashMap::new();
    for (at, source) in chosen.iter().enumerate() {
        let superseded = |block: u32| blocks.superseded.contains(&(at, block));
        let part = match source.place {
            None => of_record(&source.dir, superseded)?,
            Some(place) => {
                if !open.contains_key(&source.dir) {
                    let merged = MergedRecord::open(&source.dir)?;
                    let rows = [merged.rows(&RUNS)?, merged.rows(&SAMPLES)?, merged.rows(&PHASES)?];
                    open.insert(source.dir.clone(), rows);
                }
                of_merged(source, place, &open[&source.dir], superseded)?
            }
        };
        if give.send(part).is_err() {
            break;
        }
    }
    Ok(())
}

fn of_record(dir: &Path, superseded: impl Fn(u32) -> bool + Copy) -> Result<Part, RecordError> {
    let record = reader::read(dir)?;
    let session = Session::of(dir, &record);
    let origin = session.origin();
    let frames = [
        of_runs(&record.runs, &origin, superseded),
        of_samples(&record.samples, &origin, superseded),
        of_phases(&record.phases, &origin, superseded),
    ];
    Ok(Part { session, frames })
}

/// Rows as they are, only that which block counts is found anew.
fn of_merged(
    source: &Source,
    place: usize,
    rows: &[Rows; 3],
    superseded: impl Fn(u32) -> bool,
) -> Result<Part, RecordError> {
    let anew = |rows: &Rows, table: &Table| -> Result<Frame, RecordError> {
        let mut frame = rows.frame(place)?.unwrap_or_default();
        let places = (table.place("block"), table.place("superseded"));
        if let (Some(block), Some(mark), false) = (places.0, places.1, frame.is_empty())
            && let Data::Counts(blocks) = &frame[block]
        {
            frame[mark] = Data::Flags(blocks.iter().map(|b| superseded(*b as u32)).collect());
        }
        Ok(frame)
    };
    let frames = [anew(&rows[0], &RUNS)?, anew(&rows[1], &SAMPLES)?, anew(&rows[2], &PHASES)?];
    Ok(Part { session: source.session.clone(), frames })
}

fn write_all(dir: &Path, take: Receiver<Part>) -> Result<Vec<Session>, RecordError> {
    let mut tables = [Out::new(dir, &RUNS)?, Out::new(dir, &SAMPLES)?, Out::new(dir, &PHASES)?];
    let lines = dir.join("sessions.jsonl");
    let mut list = BufWriter::new(File::create(&lines).map_err(io("create", &lines))?);
    let mut sessions = Vec::new();
    for part in take {
        for (table, frame) in tables.iter_mut().zip(&part.frames) {
            table.writer.append(frame).map_err(parquet("write", &table.path))?;
        }
        let json = serde_json::to_vec(&part.session)
            .map_err(|source| RecordError::Json { path: lines.clone(), source })?;
        list.write_all(&json).and_then(|()| list.write_all(b"\n")).map_err(io("write", &lines))?;
        sessions.push(part.session);
    }
    for table in tables {
        let file = table.writer.finish().map_err(parquet("write", &table.path))?;
        let file = file.into_inner().map_err(|e| io("write", &table.path)(e.into_error()))?;
        file.sync_all().map_err(io("write", &table.path))?;
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
}
