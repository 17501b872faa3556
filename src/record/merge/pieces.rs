//! A record on its way into the tables, so many rows at a time that a record of any size takes the same memory.

use super::session::{Session, Tally};
use crate::record::error::RecordError;
use crate::record::reader::{self, Row};
use crate::record::schema::{Phase, RunRow, Sample};
use crate::record::table::{Frame, GROUP_ROWS, of_phases, of_runs, of_samples};
use std::path::Path;

/// What the reading thread hands over.
pub(super) enum Piece {
    /// Rows of a table: runs, samples, phases.
    Rows(usize, Frame),
    /// All rows of this session are there.
    End(Box<Session>),
}

/// Rows that wait until they are a row group.
#[derive(Default)]
struct Waiting {
    runs: Vec<RunRow>,
    samples: Vec<Sample>,
    phases: Vec<Phase>,
}

/// Hands over the rows of the record in `dir` until `give` says no; its session is what is given back.
pub(super) fn of_record(
    dir: &Path,
    superseded: impl Fn(u32) -> bool + Copy,
    give: &mut impl FnMut(Piece) -> bool,
) -> Result<Session, RecordError> {
    let (plan, environment) = reader::head(dir)?;
    let origin = super::origin_of(&plan, &environment);
    let mut waiting = Waiting::default();
    let mut full = |waiting: &mut Waiting, least: usize| {
        let mut open = true;
        if waiting.runs.len() >= least {
            open &= give(Piece::Rows(0, of_runs(&waiting.runs, &origin, superseded)));
            waiting.runs.clear();
        }
        if waiting.samples.len() >= least {
            open &= give(Piece::Rows(1, of_samples(&waiting.samples, &origin, superseded)));
            waiting.samples.clear();
        }
        if waiting.phases.len() >= least {
            open &= give(Piece::Rows(2, of_phases(&waiting.phases, &origin, superseded)));
            waiting.phases.clear();
        }
        open
    };
    let (mut tally, mut samples, mut phases) = (Tally::default(), 0, 0);
    let warnings = reader::each(dir, |row| {
        match row {
            Row::Run(run) => {
                tally.add(&run);
                waiting.runs.push(*run);
            }
            Row::Sample(sample) => {
                samples += 1;
                waiting.samples.push(sample);
            }
            Row::Phase(phase) => {
                phases += 1;
                waiting.phases.push(phase);
            }
        }
        full(&mut waiting, GROUP_ROWS)
    })?;
    full(&mut waiting, 1);
    // Where it lay is not part of what it says.
    let folder = format!("{}/", dir.display());
    let warnings = warnings.iter().map(|w| w.replace(&folder, "")).collect();
    Ok(Session { samples, phases, warnings, ..Session::of_head(plan, environment, tally) })
}
