//! Rows turned into columns.

use crate::record::schema::{Phase, RunRow, Sample};
use parquet::data_type::ByteArray;
use std::collections::HashMap;

/// The values of one column in one row group.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// [`super::Kind::Word`].
    Words(Vec<ByteArray>),
    /// [`super::Kind::Count`].
    Counts(Vec<i32>),
    /// [`super::Kind::Code`].
    Codes(Vec<Option<i32>>),
    /// [`super::Kind::Number`].
    Numbers(Vec<Option<f64>>),
    /// [`super::Kind::Flag`].
    Flags(Vec<bool>),
}

/// All columns of one row group, in the table's order.
pub type Frame = Vec<Data>;

/// What all rows of a session share.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Id of the host.
    pub host: String,
    /// Its name.
    pub host_name: String,
    /// Id of the session.
    pub session: String,
}

impl Origin {
    fn columns(&self, rows: usize) -> Frame {
        [&self.host, &self.host_name, &self.session]
            .map(|word| Data::Words(vec![ByteArray::from(word.as_str()); rows]))
            .into()
    }
}

/// Equal words share their bytes: a record has few different ones.
fn words<'a, T>(rows: &'a [T], of: fn(&'a T) -> &'a str) -> Data {
    let mut known: HashMap<&str, ByteArray> = HashMap::new();
    let word = |row| {
        let text = of(row);
        known.entry(text).or_insert_with(|| ByteArray::from(text)).clone()
    };
    Data::Words(rows.iter().map(word).collect())
}

fn counts<T>(rows: &[T], of: fn(&T) -> u32) -> Data {
    Data::Counts(rows.iter().map(|r| of(r) as i32).collect())
}

fn numbers<T>(rows: &[T], of: fn(&T) -> Option<f64>) -> Data {
    Data::Numbers(rows.iter().map(of).collect())
}

fn flags<T>(rows: &[T], of: impl Fn(&T) -> bool) -> Data {
    Data::Flags(rows.iter().map(of).collect())
}

/// Columns of [`super::SAMPLES`]. `superseded` tells of a block whether another session's copy of it counts.
pub fn of_samples(rows: &[Sample], origin: &Origin, superseded: impl Fn(u32) -> bool) -> Frame {
    let mut frame = origin.columns(rows.len());
    frame.extend([
        counts(rows, |s| s.run),
        counts(rows, |s| s.block),
        counts(rows, |s| s.order),
        words(rows, |s| &s.target),
        words(rows, |s| &s.workload),
        words(rows, |s| &s.accelerator),
        words(rows, |s| &s.metric),
        words(rows, |s| &s.unit),
        numbers(rows, |s| s.value),
        flags(rows, |s| s.warmup),
        flags(rows, |s| superseded(s.block)),
        words(rows, |s| &s.error),
    ]);
    frame
}

/// Columns of [`super::RUNS`].
pub fn of_runs(rows: &[RunRow], origin: &Origin, superseded: impl Fn(u32) -> bool) -> Frame {
    let mut frame = origin.columns(rows.len());
    frame.extend([
        counts(rows, |r| r.run),
        counts(rows, |r| r.block),
        counts(rows, |r| r.order),
        words(rows, |r| &r.target),
        words(rows, |r| &r.workload),
        words(rows, |r| &r.accelerator),
        flags(rows, |r| r.warmup),
        flags(rows, |r| superseded(r.block)),
        words(rows, |r| &r.started_utc),
        words(rows, |r| &r.image_digest),
        words(rows, |r| &r.job_digest),
        words(rows, |r| &r.output_digest),
        Data::Codes(rows.iter().map(|r| r.exit_code).collect()),
        numbers(rows, |r| Some(r.load1)),
        numbers(rows, |r| Some(r.steal_ms)),
        words(rows, |r| &r.error),
        counts(rows, |r| r.env_pad_bytes),
        numbers(rows, |r| Some(r.waited_ms)),
        words(rows, |r| &r.waited_for),
    ]);
    frame
}

/// Columns of [`super::PHASES`].
pub fn of_phases(rows: &[Phase], origin: &Origin, superseded: impl Fn(u32) -> bool) -> Frame {
    let mut frame = origin.columns(rows.len());
    frame.extend([
        counts(rows, |p| p.run),
        counts(rows, |p| p.block),
        words(rows, |p| &p.target),
        words(rows, |p| &p.workload),
        words(rows, |p| &p.accelerator),
        flags(rows, |p| p.warmup),
        flags(rows, |p| superseded(p.block)),
        words(rows, |p| &p.phase),
        numbers(rows, |p| Some(p.start_ms)),
        numbers(rows, |p| Some(p.duration_ms)),
        numbers(rows, |p| Some(p.error_ms)),
    ]);
    frame
}
