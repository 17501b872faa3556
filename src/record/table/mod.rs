//! Rows of records as Apache Parquet, zstd, one row group a session: the same tables for one record and for a merged one.
//! docs/parquet.md is [`describe`].

mod columns;
mod frame;
mod read;
mod write;

pub use columns::{Column, Kind, PHASES, RUNS, SAMPLES, Table, describe};
pub use frame::{Data, Frame, Origin, of_phases, of_runs, of_samples};
pub use read::Reader;
pub use write::Writer;

/// Version of the tables, in each file's metadata as `taremark.schema`. A reader refuses a higher one.
pub const VERSION: u32 = 1;

/// Key of the version in a file's metadata.
const VERSION_KEY: &str = "taremark.schema";
