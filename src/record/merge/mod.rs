//! Records in, one merged record out. docs/fleet.md says what is kept, what is refused and what is named.
//!
//! A merged record is a folder with `merged.json` ([`Head`]), `sessions.jsonl` (a [`Session`] a line) and the tables
//! `runs.parquet`, `samples.parquet` and `phases.parquet`, whose row groups are those of the sessions in the order of their lines.

mod assemble;
mod beside;
mod blocks;
mod notes;
mod open;
mod pieces;
mod session;
mod sources;
mod terms;

pub use blocks::whole_blocks;
pub use open::{MergedRecord, Rows, is_merged};
pub use session::{BlockDone, Session, origin_of};
pub use terms::differences;

use super::error::RecordError;
use beside::Beside;
use serde::{Deserialize, Serialize};
use sources::Source;
use std::path::{Path, PathBuf};

/// Version of merged.json and sessions.jsonl.
pub const VERSION: u32 = 1;

/// How it is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Merge the rest where some do not belong.
    pub leave_out: bool,
}

/// A folder that does not belong to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The folder.
    pub path: PathBuf,
    /// In one line.
    pub why: String,
}

/// merged.json.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// [`VERSION`].
    pub schema: u32,
    /// Sessions.
    pub sessions: u64,
    /// Hosts.
    pub hosts: u64,
    /// Rows of runs.parquet.
    pub runs: u64,
    /// Rows of samples.parquet.
    pub samples: u64,
    /// Blocks of a sharded plan that more than one session has, a line each.
    pub duplicates: Vec<String>,
    /// What nobody has.
    pub gaps: Vec<String>,
    /// Clocks that are wrong, cloned machine ids, programs that differ.
    pub notes: Vec<String>,
    /// What did not belong, a line each.
    pub left_out: Vec<String>,
}

/// What was made: the head, with what hangs on the merge itself (copies of one session) among its notes.
pub type Merged = Head;

/// Merges `dirs` into the new folder `out`.
pub fn merge(dirs: &[PathBuf], out: &Path, options: Options) -> Result<Merged, RecordError> {
    if out.exists() {
        return Err(RecordError::Taken { path: out.to_owned() });
    }
    let (found, mut misfits) = sources::scan(dirs);
    let (found, apart) = terms::belonging(found);
    misfits.extend(apart);
    if !misfits.is_empty() && (!options.leave_out || found.is_empty()) {
        return Err(RecordError::Misfits(misfits));
    }
    let mut left_out = sources::left_out_before(dirs);
    left_out.extend(misfits.iter().map(said));
    let again = if options.leave_out { found.clone() } else { Vec::new() };
    let (mut chosen, copies) = sources::fullest(found);
    let mut made = written(&chosen, out, &left_out);
    // What is wrong with a record's rows shows only when they are read.
    if let (Err(RecordError::Misfits(bad)), true) = (&made, options.leave_out) {
        left_out.extend(bad.iter().map(said));
        let well = |s: &Source| bad.iter().all(|b| b.path != s.dir);
        // Of a session that was read in a bad copy there may be another.
        chosen = sources::fullest(again.into_iter().filter(well).collect()).0;
        if !chosen.is_empty() {
            made = written(&chosen, out, &left_out);
        }
    }
    let mut merged = made?;
    merged.notes.extend(copies);
    merged.notes.extend(notes::of_now(&chosen));
    Ok(merged)
}

fn said(misfit: &Misfit) -> String {
    format!("{}: {}", misfit.path.display(), misfit.why)
}

/// Writes beside `out`, and gives it its name when it is whole.
fn written(chosen: &[Source], out: &Path, left_out: &[String]) -> Result<Head, RecordError> {
    let mut left_out = left_out.to_vec();
    left_out.sort();
    left_out.dedup();
    let beside = Beside::of(out)?;
    let head = assemble::assemble(chosen, beside.path(), left_out)?;
    beside.done().map(|()| head)
}
