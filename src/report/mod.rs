//! From a record alone to tables, charts and pages. Same record in, same bytes out.

pub mod ablation;
mod charts;
pub mod compare;
pub mod definitions;
pub mod density;
mod download;
mod error;
pub mod export;
mod figure;
pub mod fleet;
mod format;
pub mod gate;
pub mod history;
mod how;
mod insight;
pub mod ledger;
pub mod meaning;
pub mod needed;
pub mod overlay;
mod overview;
mod page;
mod same_work;
mod sentences;
mod spark;
mod summary;
mod table;
mod timeline;

pub use error::ReportError;
pub use figure::Figure;
pub use format::{number, value as shown};
pub use summary::{Cell, Summary};

use error::io;
use std::path::{Path, PathBuf};

/// What was made.
#[derive(Debug)]
pub struct Rendered {
    /// For a terminal of 80 columns.
    pub table: String,
    /// A line each: cut rows, runs that could not be compared.
    pub warnings: Vec<String>,
    /// The page to open.
    pub page: PathBuf,
    /// All figures, as `summary.json` or `fleet.json` has them.
    pub figures: Figures,
}

/// Of one host's record, or of a merged one.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Figures {
    /// As `summary.json`.
    Host(Summary),
    /// As `fleet.json`.
    Fleet(fleet::FleetSummary),
}

/// Writes summary.csv, summary.json, charts/, report.md and report.html into the record's folder.
pub fn render(dir: &Path) -> Result<Rendered, ReportError> {
    let record = crate::record::reader::read(dir)?;
    let summary = Summary::of(&record);
    let charts_dir = dir.join("charts");
    std::fs::create_dir_all(&charts_dir).map_err(io("create", &charts_dir))?;
    let charts = charts::draw_all(&charts_dir, &record, &summary)?;
    let view = page::View::of(&record, &summary, &charts);
    put(dir, "summary.csv", &summary.to_csv()?)?;
    put(dir, "summary.json", &summary.to_json()?)?;
    put(dir, "report.md", page::markdown(&view)?.as_bytes())?;
    let files =
        download::pack(dir, &["samples.csv", "phases.csv", "runs.csv", "plan.json", "environment.json"])?;
    put(dir, "report.html", page::html(&view, &files)?.as_bytes())?;
    let mut warnings = record.warnings.clone();
    warnings.extend(summary.notes.iter().cloned());
    let table = table::terminal(&view.overview);
    Ok(Rendered { table, warnings, page: dir.join("report.html"), figures: Figures::Host(summary) })
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
    let path = dir.join(name);
    std::fs::write(&path, bytes).map_err(io("write", &path))
}
