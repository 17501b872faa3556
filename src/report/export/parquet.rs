//! Every sample as Apache Parquet: docs/parquet.md.

use crate::record::merge::origin_of;
use crate::record::reader::Record;
use crate::record::table::{GROUP_ROWS, SAMPLES, Writer, of_samples};
use crate::report::error::{ReportError, text};

/// As samples.parquet of a merged record that has this one session.
pub fn of(record: &Record) -> Result<Vec<u8>, ReportError> {
    let origin = origin_of(&record.plan, &record.environment);
    let mut writer = Writer::new(&SAMPLES, Vec::new()).map_err(text("samples.parquet"))?;
    for rows in record.samples.chunks(GROUP_ROWS) {
        writer.append(&of_samples(rows, &origin, |_| false)).map_err(text("samples.parquet"))?;
    }
    writer.finish().map_err(text("samples.parquet"))
}
