//! A record in the formats of other tools. Same record in, same bytes out.

mod bencher;
mod github_action;
mod hyperfine;
mod insight;
mod json_schema;
mod openmetrics;
mod parquet;
mod perfetto;

use super::error::{ReportError, text};
use super::summary::{Cell, Summary};
use crate::record::reader::Record;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Summary as CSV.
    Csv,
    /// Summary as JSON.
    Json,
    /// Definitions of a start, ledgers, break-even, density and published figures, as JSON.
    Insight,
    /// JSON Schema of every JSON file and CSV row of a record; needs no record.
    JsonSchema,
    /// Every sample as Apache Parquet.
    Parquet,
    /// Time lines of all starts, for ui.perfetto.dev and chrome://tracing.
    Perfetto,
    /// For Prometheus.
    OpenMetrics,
    /// Bencher Metric Format.
    Bencher,
    /// github-action-benchmark, customSmallerIsBetter.
    GithubAction,
    /// `hyperfine --export-json`.
    Hyperfine,
}

impl Format {
    /// All, with the name by which one asks for each.
    pub const ALL: [(&'static str, Self); 10] = [
        ("csv", Self::Csv),
        ("json", Self::Json),
        ("insight", Self::Insight),
        ("json-schema", Self::JsonSchema),
        ("parquet", Self::Parquet),
        ("perfetto", Self::Perfetto),
        ("openmetrics", Self::OpenMetrics),
        ("bencher", Self::Bencher),
        ("github-action", Self::GithubAction),
        ("hyperfine", Self::Hyperfine),
    ];
}

/// The bytes of the file.
pub fn export(record: &Record, format: Format) -> Result<Vec<u8>, ReportError> {
    let summary = || Summary::of(record);
    match format {
        Format::Csv => summary().to_csv(),
        Format::Json => summary().to_json(),
        Format::Insight => json(&insight::of(record, &summary())),
        Format::JsonSchema => schema(),
        Format::Parquet => parquet::of(record),
        Format::Perfetto => json(&perfetto::of(record)),
        Format::OpenMetrics => Ok(openmetrics::of(record, &summary()).into_bytes()),
        Format::Bencher => json(&bencher::of(&summary())),
        Format::GithubAction => json(&github_action::of(&summary())),
        Format::Hyperfine => json(&hyperfine::of(record)),
    }
}

/// The JSON Schema alone.
pub fn schema() -> Result<Vec<u8>, ReportError> {
    json(&json_schema::of())
}

fn json(value: &serde_json::Value) -> Result<Vec<u8>, ReportError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(text("the export"))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// `hello/microvm (tcg)`: an emulated machine's figure carries the mark wherever it goes.
fn name_of(cell: &Cell) -> String {
    match cell.accelerator.as_str() {
        "" => format!("{}/{}", cell.workload, cell.target),
        accelerator => format!("{}/{} ({accelerator})", cell.workload, cell.target),
    }
}

/// Rates grow when things get better; all other metrics are costs.
fn is_cost(metric: &str) -> bool {
    !metric.ends_with("rate")
}
