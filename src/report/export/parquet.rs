//! Every sample as Apache Parquet: docs/parquet.md.

use crate::record::merge::origin_of;
use crate::record::reader::Record;
use crate::record::table::{SAMPLES, Writer, of_samples};
use crate::report::error::{ReportError, text};

/// As samples.parquet of a merged record that has this one session.
pub fn of(record: &Record) -> Result<Vec<u8>, ReportError> {
    let frame = of_samples(&record.samples, &origin_of(&record.plan, &record.environment), |_| false);
    let mut writer = Writer::new(&SAMPLES, Vec::new()).map_err(text("samples.parquet"))?;
    writer.append(&frame).map_err(text("samples.parquet"))?;
    writer.finish().map_err(text("samples.parquet"))
}
