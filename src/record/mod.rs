//! A record: the folder that one `bench` writes. Schema, writing and reading; nothing here knows how a figure is
//! measured or shown.

mod check;
pub mod density;
pub mod ending;
mod error;
pub mod lessons;
pub mod merge;
pub mod reader;
mod rows;
pub mod schema;
pub mod shard;
mod sums;
pub mod table;
pub mod writer;

pub use error::RecordError;

/// Now, UTC, RFC 3339 with milliseconds.
pub fn now_utc() -> String {
    let format = time::macros::format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
    );
    time::OffsetDateTime::now_utc().format(format).unwrap_or_default()
}
