//! Rows of records as Apache Parquet, zstd; a row group is a session, or a part of a large one: the same tables for one record
//! and for a merged one.
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

/// Rows of a row group at most.
pub const GROUP_ROWS: usize = 1 << 16;

/// Key of the version in a file's metadata.
const VERSION_KEY: &str = "taremark.schema";
