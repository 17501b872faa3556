//! From a merged record alone to tables, charts and pages; host is a random effect. Same record in, same bytes out.
//!
//! Memory: 16 bytes a sample and what is shown; rows are read session by session.

mod cells;
pub mod compare;
mod gather;
mod groups;
mod hosts;
mod page;
mod ranked;
mod table;

use super::charts::draw;
use super::error::{ReportError, io, text};
use super::{Figures, Rendered, put};
use crate::record::merge::MergedRecord;
use cells::FleetCell;
use gather::Gathered;
use serde::Serialize;
use std::path::Path;

/// The fact by which hosts are put into groups where nothing else is said.
pub const GROUP: &str = "CPU/model";

/// fleet.json.
#[derive(Debug, Serialize)]
pub struct FleetSummary {
    /// Version of this file's format.
    pub schema: u32,
    /// Resamples of each interval.
    pub resamples: usize,
    /// The fact that makes groups.
    pub by: String,
    /// Hosts.
    pub hosts: usize,
    /// Sessions.
    pub sessions: usize,
    /// The figures.
    pub cells: Vec<FleetCell>,
    /// Groups of hosts against the largest.
    pub groups: Vec<groups::Line>,
    /// Hosts that are not like those of their group.
    pub odd: Vec<hosts::OddHost>,
    /// What a reader has to know.
    pub notes: Vec<String>,
}

/// Writes fleet.json, fleet.csv, hosts.csv, charts/, report.md and report.html into the record's folder. `by`: the fact that
/// makes groups, as `CPU/model`.
pub fn render(dir: &Path, by: &str) -> Result<Rendered, ReportError> {
    let record = MergedRecord::open(dir)?;
    let gathered = Gathered::of(&record, by)?;
    let cells = cells::of(&record, &gathered);
    let odd = hosts::odd(&gathered);
    let groups = groups::of(&gathered);
    let charts_dir = dir.join("charts");
    std::fs::create_dir_all(&charts_dir).map_err(io("create", &charts_dir))?;
    let charts: Vec<_> = draw(&charts_dir, &ranked::Ranked::of(&gathered, &odd))?.into_iter().collect();
    put(dir, "hosts.csv", &hosts::csv(&gathered, &odd)?)?;
    let mut csv = csv::Writer::from_writer(Vec::new());
    for cell in &cells {
        csv.serialize(cell).map_err(text("fleet.csv"))?;
    }
    put(dir, "fleet.csv", &csv.into_inner().map_err(|e| text("fleet.csv")(e.to_string()))?)?;
    let summary = FleetSummary {
        schema: 1,
        resamples: crate::stats::FLEET_RESAMPLES,
        by: by.to_owned(),
        hosts: gathered.hosts.len(),
        sessions: record.sessions.len(),
        cells,
        groups,
        odd,
        notes: notes(&record, &gathered),
    };
    put(dir, "fleet.json", &serde_json::to_vec_pretty(&summary).map_err(text("fleet.json"))?)?;
    put(dir, "report.md", page::markdown(&record, &summary)?.as_bytes())?;
    put(dir, "report.html", page::html(&record, &summary, &charts)?.as_bytes())?;
    Ok(Rendered {
        table: table::terminal(&summary),
        warnings: summary.notes.clone(),
        page: dir.join("report.html"),
        figures: Figures::Fleet(summary),
    })
}

fn notes(record: &MergedRecord, gathered: &Gathered) -> Vec<String> {
    let head = &record.head;
    let said = |what: &str, lines: &[String]| lines.iter().map(|l| format!("{what}{l}")).collect::<Vec<_>>();
    [
        said("left out: ", &head.left_out),
        said("twice: ", &head.duplicates),
        said("gap: ", &head.gaps),
        head.notes.clone(),
        gathered.notes.clone(),
    ]
    .concat()
}
