//! Writes a table, a row group at a time.

use super::{Data, Frame, Table, VERSION, VERSION_KEY};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::io::Write;
use std::sync::Arc;

/// See the module.
pub struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
}

impl<W: Write + Send> Writer<W> {
    /// Begins the file.
    pub fn new(table: &Table, to: W) -> Result<Self, ParquetError> {
        let version = KeyValue::new(VERSION_KEY.to_owned(), VERSION.to_string());
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            // Of a row group; an index of pages would be longer than many of the pages.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_key_value_metadata(Some(vec![version]))
            .build();
        let schema = Arc::new(parse_message_type(&table.message())?);
        Ok(Self { file: SerializedFileWriter::new(to, schema, Arc::new(properties))? })
    }

    /// A row group; of no rows, none.
    pub fn append(&mut self, frame: &Frame) -> Result<(), ParquetError> {
        if frame.first().is_none_or(|c| rows(c) == 0) {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        let mut columns = frame.iter();
        while let Some(mut column) = group.next_column()? {
            let data =
                columns.next().ok_or_else(|| ParquetError::General("too few columns are given".into()))?;
            put(column.untyped(), data)?;
            column.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// Ends the file and gives back what was written to.
    pub fn finish(self) -> Result<W, ParquetError> {
        self.file.into_inner()
    }
}

fn rows(data: &Data) -> usize {
    match data {
        Data::Words(v) => v.len(),
        Data::Counts(v) => v.len(),
        Data::Codes(v) => v.len(),
        Data::Numbers(v) => v.len(),
        Data::Flags(v) => v.len(),
    }
}

/// Values that are there, and for each row whether it has one.
fn there<T: Copy>(values: &[Option<T>]) -> (Vec<T>, Vec<i16>) {
    (values.iter().filter_map(|v| *v).collect(), values.iter().map(|v| i16::from(v.is_some())).collect())
}

fn put(writer: &mut ColumnWriter, data: &Data) -> Result<(), ParquetError> {
    match (writer, data) {
        (ColumnWriter::ByteArrayColumnWriter(w), Data::Words(v)) => w.write_batch(v, None, None),
        (ColumnWriter::Int32ColumnWriter(w), Data::Counts(v)) => w.write_batch(v, None, None),
        (ColumnWriter::Int32ColumnWriter(w), Data::Codes(v)) => {
            let (values, levels) = there(v);
            w.write_batch(&values, Some(&levels), None)
        }
        (ColumnWriter::DoubleColumnWriter(w), Data::Numbers(v)) => {
            let (values, levels) = there(v);
            w.write_batch(&values, Some(&levels), None)
        }
        (ColumnWriter::BoolColumnWriter(w), Data::Flags(v)) => w.write_batch(v, None, None),
        _ => return Err(ParquetError::General("a column is not of the table's type".into())),
    }
    .map(|_| ())
}
