//! What is to be merged: sessions, each with where its rows lie.

use super::Misfit;
use super::open::{MergedRecord, is_merged};
use super::session::{Session, Tally};
use crate::record::error::RecordError;
use crate::record::reader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A session and where its rows lie.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The session; of a plain record with what its head says.
    pub(super) session: Session,
    /// Folder.
    pub(super) dir: PathBuf,
    /// Its number in a merged record; none in a plain one.
    pub(super) place: Option<usize>,
}

/// All sessions of `dirs`, and the folders that cannot be read.
pub(super) fn scan(dirs: &[PathBuf]) -> (Vec<Source>, Vec<Misfit>) {
    let (mut found, mut misfits) = (Vec::new(), Vec::new());
    for dir in dirs {
        match of_one(dir) {
            Ok(sources) => found.extend(sources),
            Err(e) => misfits.push(Misfit { path: dir.clone(), why: with_cause(&e) }),
        }
    }
    (found, misfits)
}

fn of_one(dir: &Path) -> Result<Vec<Source>, RecordError> {
    if !is_merged(dir) {
        let (plan, environment) = reader::head(dir)?;
        let mut tally = Tally::default();
        for run in reader::runs(dir)? {
            tally.add(&run?);
        }
        let session = Session::of_head(plan, environment, tally);
        return Ok(vec![Source { session, dir: dir.to_owned(), place: None }]);
    }
    let merged = MergedRecord::open(dir)?;
    let source = |(at, session)| Source { session, dir: dir.to_owned(), place: Some(at) };
    Ok(merged.sessions.into_iter().enumerate().map(source).collect())
}

/// An error in one line.
pub(super) fn with_cause(error: &RecordError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What the merges that `dirs` come from had left out.
pub(super) fn left_out_before(dirs: &[PathBuf]) -> Vec<String> {
    let heads = dirs.iter().filter(|d| is_merged(d)).filter_map(|d| MergedRecord::open(d).ok());
    heads.flat_map(|merged| merged.head.left_out).collect()
}

/// Of each session one copy, the fullest, in the order of host and session; and what is to be said of copies that differ.
pub(super) fn fullest(found: Vec<Source>) -> (Vec<Source>, Vec<String>) {
    let mut chosen: BTreeMap<(String, String), Source> = BTreeMap::new();
    let mut notes = Vec::new();
    for source in found {
        let key = (source.session.host.clone(), source.session.session.clone());
        let Some(known) = chosen.get(&key) else {
            chosen.insert(key, source);
            continue;
        };
        if rank(&source) != rank(known) {
            notes.push(format!(
                "{} is there with {} runs and with {}: the fuller copy counts",
                source.session.named(),
                known.session.runs.min(source.session.runs),
                known.session.runs.max(source.session.runs)
            ));
        }
        if rank(&source) > rank(known) {
            chosen.insert(key, source);
        }
    }
    (chosen.into_values().collect(), notes)
}

/// Of two copies of a session that is still written, the later one is greater.
fn rank(source: &Source) -> (u64, bool, String) {
    let plan = &source.session.plan;
    let rest = serde_json::to_string(&(plan, &source.session.environment)).unwrap_or_default();
    (source.session.runs, !plan.ended_by.is_empty(), rest)
}
