//! Every sample as Apache Parquet: one row group, columns as in samples.csv.

use crate::record::reader::Record;
use crate::record::schema::Sample;
use crate::report::error::{ReportError, text};
use parquet::basic::{Compression, GzipLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

const SCHEMA: &str = "message sample {
    required int32 run;
    required int32 block;
    required int32 place;
    required binary target (STRING);
    required binary workload (STRING);
    required binary accelerator (STRING);
    required binary metric (STRING);
    required binary unit (STRING);
    optional double value;
    required boolean warmup;
    required binary error (STRING);
}";

/// `order` is called `place` there: it is a word of SQL.
pub fn of(record: &Record) -> Result<Vec<u8>, ReportError> {
    write(&record.samples).map_err(text("samples.parquet"))
}

fn write(samples: &[Sample]) -> Result<Vec<u8>, ParquetError> {
    let properties =
        WriterProperties::builder().set_compression(Compression::GZIP(GzipLevel::default())).build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    let mut number = 0;
    while let Some(mut column) = group.next_column()? {
        match column.untyped() {
            ColumnWriter::Int32ColumnWriter(c) => {
                let figure: fn(&Sample) -> u32 = match number {
                    0 => |s| s.run,
                    1 => |s| s.block,
                    _ => |s| s.order,
                };
                let all: Vec<i32> = samples.iter().map(|s| figure(s) as i32).collect();
                c.write_batch(&all, None, None)?;
            }
            ColumnWriter::ByteArrayColumnWriter(c) => {
                let word: fn(&Sample) -> &str = match number {
                    3 => |s| &s.target,
                    4 => |s| &s.workload,
                    5 => |s| &s.accelerator,
                    6 => |s| &s.metric,
                    7 => |s| &s.unit,
                    _ => |s| &s.error,
                };
                let all: Vec<ByteArray> = samples.iter().map(|s| word(s).into()).collect();
                c.write_batch(&all, None, None)?;
            }
            ColumnWriter::DoubleColumnWriter(c) => {
                let all: Vec<f64> = samples.iter().filter_map(|s| s.value).collect();
                let there: Vec<i16> = samples.iter().map(|s| i16::from(s.value.is_some())).collect();
                c.write_batch(&all, Some(&there), None)?;
            }
            ColumnWriter::BoolColumnWriter(c) => {
                let all: Vec<bool> = samples.iter().map(|s| s.warmup).collect();
                c.write_batch(&all, None, None)?;
            }
            _ => return Err(ParquetError::General(format!("column {number} has an unknown type"))),
        }
        column.close()?;
        number += 1;
    }
    group.close()?;
    file.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    #[test]
    fn what_is_written_can_be_read_again() {
        let sample = |run: u32, value: Option<f64>| Sample {
            schema: 1,
            run,
            block: 2,
            order: 3,
            target: "microvm".into(),
            workload: "hello".into(),
            accelerator: "tcg".into(),
            metric: "startup_ms".into(),
            unit: "ms".into(),
            value,
            warmup: run == 1,
            error: "é".into(),
        };
        let bytes = write(&[sample(1, Some(2.5)), sample(2, None)]).expect("written");
        assert_eq!(bytes, write(&[sample(1, Some(2.5)), sample(2, None)]).expect("written"), "same bytes");
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("file");
        let rows: Vec<_> = reader.get_row_iter(None).expect("rows").map(|r| r.expect("row")).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].get_int(0).expect("run"), rows[0].get_int(2).expect("place")), (1, 3));
        assert_eq!(rows[0].get_string(5).expect("accelerator"), "tcg");
        assert_eq!(rows[0].get_double(8).expect("value"), 2.5);
        assert!(rows[1].get_double(8).is_err(), "absent");
        assert_eq!(
            (rows[0].get_bool(9).expect("warmup"), rows[1].get_string(10).expect("error").as_str()),
            (true, "é")
        );
    }
}
