//! Reads a table, a column of a row group at a time.

use super::{Data, Frame, Kind, Table, VERSION, VERSION_KEY};
use crate::record::error::{RecordError, io, parquet};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::path::{Path, PathBuf};

/// See the module.
pub struct Reader {
    path: PathBuf,
    table: &'static Table,
    file: SerializedFileReader<File>,
}

impl Reader {
    /// Opens `dir`/`table`.parquet and checks version and columns.
    pub fn open(dir: &Path, table: &'static Table) -> Result<Self, RecordError> {
        let path = dir.join(format!("{}.parquet", table.name));
        let file = File::open(&path).map_err(io("read", &path))?;
        let file = SerializedFileReader::new(file).map_err(parquet("read", &path))?;
        let metadata = file.metadata().file_metadata();
        let keys = metadata.key_value_metadata().into_iter().flatten();
        let found = keys.filter(|k| k.key == VERSION_KEY).find_map(|k| k.value.as_ref()?.parse::<u64>().ok());
        match found {
            Some(found) if found <= u64::from(VERSION) => {}
            Some(found) => return Err(RecordError::Schema { path, found, known: VERSION }),
            None => {
                return Err(RecordError::Table {
                    path,
                    why: format!("it has no {VERSION_KEY}: not taremark's"),
                });
            }
        }
        let names: Vec<&str> = metadata.schema_descr().columns().iter().map(|c| c.name()).collect();
        let wanted: Vec<&str> = table.columns.iter().map(|c| c.name).collect();
        if names != wanted {
            let why = format!("its columns are {}, not {}", names.join(", "), wanted.join(", "));
            return Err(RecordError::Table { path, why });
        }
        Ok(Self { path, table, file })
    }

    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.file.num_row_groups()
    }

    /// Rows of a group.
    pub fn rows(&self, group: usize) -> usize {
        self.file.metadata().row_group(group).num_rows() as usize
    }

    /// All columns of a group.
    pub fn frame(&self, group: usize) -> Result<Frame, RecordError> {
        (0..self.table.columns.len()).map(|at| self.at(group, at)).collect()
    }

    /// One column of a group.
    pub fn column(&self, group: usize, name: &str) -> Result<Data, RecordError> {
        let at = self.table.place(name).ok_or_else(|| RecordError::Table {
            path: self.path.clone(),
            why: format!("there is no column {name}"),
        })?;
        self.at(group, at)
    }

    fn at(&self, group: usize, at: usize) -> Result<Data, RecordError> {
        let rows = self.rows(group);
        let read = || -> Result<Data, ParquetError> {
            let reader = self.file.get_row_group(group)?.get_column_reader(at)?;
            take(reader, self.table.columns[at].kind, rows)
        };
        read().map_err(parquet("read", &self.path))
    }
}

fn take(reader: ColumnReader, kind: Kind, rows: usize) -> Result<Data, ParquetError> {
    match (reader, kind) {
        (ColumnReader::ByteArrayColumnReader(r), Kind::Word) => {
            let words: Vec<ByteArray> = dense(r, rows)?;
            let valid = words.iter().all(|w| std::str::from_utf8(w.data()).is_ok());
            if valid {
                Ok(Data::Words(words))
            } else {
                Err(ParquetError::General("a word is not UTF-8".into()))
            }
        }
        (ColumnReader::Int32ColumnReader(r), Kind::Count) => Ok(Data::Counts(dense(r, rows)?)),
        (ColumnReader::Int32ColumnReader(r), Kind::Code) => Ok(Data::Codes(sparse(r, rows)?)),
        (ColumnReader::DoubleColumnReader(r), Kind::Number) => Ok(Data::Numbers(sparse(r, rows)?)),
        (ColumnReader::BoolColumnReader(r), Kind::Flag) => Ok(Data::Flags(dense(r, rows)?)),
        _ => Err(ParquetError::General("a column is not of the table's type".into())),
    }
}

fn dense<T: DataType>(mut reader: ColumnReaderImpl<T>, rows: usize) -> Result<Vec<T::T>, ParquetError> {
    let mut values = Vec::with_capacity(rows);
    while values.len() < rows {
        let (records, ..) = reader.read_records(rows - values.len(), None, None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::General("a column ends early".into()));
        }
    }
    Ok(values)
}

fn sparse<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    while levels.len() < rows {
        let before = levels.len();
        reader.read_records(rows - before, Some(&mut levels), None, &mut values)?;
        if levels.len() == before {
            return Err(ParquetError::General("a column ends early".into()));
        }
    }
    let mut values = values.into_iter();
    Ok(levels.iter().map(|l| if *l == 0 { None } else { values.next() }).collect())
}
