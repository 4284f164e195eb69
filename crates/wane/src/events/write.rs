//! Writing tables to files: Arrow batches as CSV, TSV or Parquet, by the ending of the file's name.
//!
//! One way for everything that leaves as a table: logs, catalogues, features, rankings. A file is written beside its
//! place and renamed into it, so that a reader never meets half a file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, TimestampMillisecondType, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{EventLog, History, Timestamp, UserId};
use crate::error::{Error, Result};

/// Events that are turned into one batch.
const BATCH: usize = 65_536;

/// Writes record batches of one schema to one file.
#[derive(Debug)]
pub struct TableWriter {
    path: PathBuf,
    unfinished: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Delimited { file: BufWriter<File>, delimiter: char, line: String },
    Parquet(Box<ArrowWriter<File>>),
}

impl TableWriter {
    /// Begins a file. The name must end in `.csv`, `.tsv` or `.parquet`.
    ///
    /// # Errors
    /// [`Error::Setting`] for another ending, [`Error::Io`] when the file cannot be made.
    pub fn create(path: &Path, schema: &SchemaRef) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let delimiter = match ending {
            "csv" => Some(','),
            "tsv" => Some('\t'),
            "parquet" => None,
            _ => {
                return Err(Error::setting(
                    "out",
                    "a file name ending in .csv, .tsv or .parquet",
                    path.display(),
                ));
            }
        };
        let unfinished = path.with_extension(format!("{ending}.part"));
        let file = File::create(&unfinished).map_err(|e| Error::io(&unfinished, e))?;
        let sink = match delimiter {
            Some(delimiter) => delimited(file, delimiter, schema).map_err(|e| Error::io(&unfinished, e))?,
            None => Sink::Parquet(Box::new(parquet_writer(file, schema).map_err(|e| broken(path, &e))?)),
        };
        Ok(Self { path: path.to_path_buf(), unfinished, sink })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses, [`Error::Malformed`] when the batch does not fit the schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.sink {
            Sink::Parquet(writer) => writer.write(batch).map_err(|e| broken(&self.path, &e)),
            Sink::Delimited { file, delimiter, line } => {
                write_rows(file, *delimiter, line, batch).map_err(|e| Error::io(&self.unfinished, e))
            }
        }
    }

    /// Ends the file and puts it in its place.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses.
    pub fn finish(self) -> Result<()> {
        match self.sink {
            Sink::Parquet(writer) => {
                writer.close().map_err(|e| broken(&self.path, &e))?;
            }
            Sink::Delimited { mut file, .. } => file.flush().map_err(|e| Error::io(&self.unfinished, e))?,
        }
        std::fs::rename(&self.unfinished, &self.path).map_err(|e| Error::io(&self.path, e))
    }
}

/// Writes one batch as a whole file.
///
/// # Errors
/// Those of [`TableWriter`].
pub fn write_table(batch: &RecordBatch, path: &Path) -> Result<()> {
    let mut writer = TableWriter::create(path, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()
}

/// Writes a log, by user and time: `user_id, item_id, event_type, timestamp` and, where the log has them, `value`
/// and `session_id`.
///
/// # Errors
/// Those of [`TableWriter`].
pub fn write_events(log: &EventLog, path: &Path) -> Result<()> {
    let mut writer = TableWriter::create(path, &event_schema(log))?;
    let mut users = Vec::with_capacity(BATCH);
    let mut first = 0;
    for (user, history) in log.histories() {
        for _ in 0..history.len() {
            users.push(user);
            if users.len() == BATCH {
                writer.write(&event_batch(log, &users, first, path)?)?;
                first += users.len();
                users.clear();
            }
        }
    }
    if !users.is_empty() {
        writer.write(&event_batch(log, &users, first, path)?)?;
    }
    writer.finish()
}

fn event_schema(log: &EventLog) -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let mut fields = vec![
        Field::new("user_id", DataType::Utf8, false),
        Field::new("item_id", DataType::Utf8, false),
        Field::new("event_type", DataType::Utf8, false),
        Field::new("timestamp", time, false),
    ];
    if log.events().values().is_some() {
        fields.push(Field::new("value", DataType::Float32, true));
    }
    if log.events().sessions().is_some() {
        fields.push(Field::new("session_id", DataType::UInt32, false));
    }
    Arc::new(Schema::new(fields))
}

/// The events `first..first + users.len()` of a log.
fn event_batch(log: &EventLog, users: &[UserId], first: usize, path: &Path) -> Result<RecordBatch> {
    let run: History<'_> = log.events().first(first + users.len()).last(users.len());
    let user_names = users.iter().map(|user| log.users().name(user.index()));
    let item_names = run.items().iter().map(|item| log.items().name(item.index()));
    let type_names = run.event_types().iter().map(|kind| log.event_types()[kind.index()].as_str());
    let times = TimestampMillisecondArray::from_iter_values(run.times().iter().map(|time| time.millis()));
    let mut columns = vec![
        text(user_names),
        text(item_names),
        text(type_names),
        Arc::new(times.with_timezone("UTC")) as ArrayRef,
    ];
    if let Some(values) = run.values() {
        columns.push(float_column(values));
    }
    if let Some(sessions) = run.sessions() {
        columns.push(Arc::new(UInt32Array::from(sessions.to_vec())));
    }
    RecordBatch::try_new(event_schema(log), columns).map_err(|e| broken(path, &e))
}

fn text<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.for_each(|value| builder.append_value(value));
    Arc::new(builder.finish())
}

/// A column of floats in which NaN becomes null.
pub(crate) fn float_column(values: &[f32]) -> ArrayRef {
    let mut builder = Float32Builder::with_capacity(values.len());
    values.iter().for_each(|value| builder.append_option((!value.is_nan()).then_some(*value)));
    Arc::new(builder.finish())
}

fn parquet_writer(file: File, schema: &SchemaRef) -> parquet::errors::Result<ArrowWriter<File>> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1)?);
    let properties = WriterProperties::builder().set_compression(zstd).build();
    ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))
}

fn delimited(file: File, delimiter: char, schema: &SchemaRef) -> std::io::Result<Sink> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let mut line = String::new();
    for (place, field) in schema.fields().iter().enumerate() {
        if place > 0 {
            line.push(delimiter);
        }
        push_text(&mut line, field.name(), delimiter);
    }
    line.push('\n');
    file.write_all(line.as_bytes())?;
    Ok(Sink::Delimited { file, delimiter, line })
}

fn write_rows(
    file: &mut BufWriter<File>,
    delimiter: char,
    line: &mut String,
    batch: &RecordBatch,
) -> std::io::Result<()> {
    for row in 0..batch.num_rows() {
        line.clear();
        for (place, column) in batch.columns().iter().enumerate() {
            if place > 0 {
                line.push(delimiter);
            }
            push_cell(line, column.as_ref(), row, delimiter)?;
        }
        line.push('\n');
        file.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Writes a cell; null is an empty cell, a list is written `["a", "b"]`.
fn push_cell(line: &mut String, column: &dyn Array, row: usize, delimiter: char) -> std::io::Result<()> {
    if column.is_null(row) {
        return Ok(());
    }
    let written = match column.data_type() {
        DataType::Utf8 => {
            push_text(line, column.as_string::<i32>().value(row), delimiter);
            Ok(())
        }
        DataType::Float32 => write!(line, "{}", column.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => write!(line, "{}", column.as_primitive::<Float64Type>().value(row)),
        DataType::UInt64 => write!(line, "{}", column.as_primitive::<UInt64Type>().value(row)),
        DataType::UInt32 => write!(line, "{}", column.as_primitive::<UInt32Type>().value(row)),
        DataType::Boolean => write!(line, "{}", column.as_boolean().value(row)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let millis = column.as_primitive::<TimestampMillisecondType>().value(row);
            write!(line, "{}", Timestamp::from_millis(millis))
        }
        DataType::List(_) => {
            push_text(line, &list_text(column.as_list::<i32>().value(row).as_ref()), delimiter);
            Ok(())
        }
        DataType::FixedSizeList(..) => {
            push_text(line, &list_text(column.as_fixed_size_list().value(row).as_ref()), delimiter);
            Ok(())
        }
        _ => Err(std::fmt::Error),
    };
    written.map_err(|_| {
        let reason = format!("a column of type {} has no written form", column.data_type());
        std::io::Error::new(std::io::ErrorKind::Unsupported, reason)
    })
}

/// A list of texts or floats in JSON, which [`super::read::parse_list`] reads.
fn list_text(list: &dyn Array) -> String {
    let json = match list.data_type() {
        DataType::Float32 => serde_json::to_string(&list.as_primitive::<Float32Type>().values()[..]),
        DataType::Utf8 => serde_json::to_string(&list.as_string::<i32>().iter().collect::<Vec<_>>()),
        _ => Ok(String::new()),
    };
    json.unwrap_or_default()
}

/// Writes text, in quotes where it holds the delimiter, a quote or a line end.
fn push_text(line: &mut String, text: &str, delimiter: char) {
    if !text.contains([delimiter, '"', '\n', '\r']) {
        line.push_str(text);
        return;
    }
    line.push('"');
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Malformed {
        path: path.to_path_buf(),
        reason: format!("the table cannot be written ({error})"),
        remedy: "Check the disk, or write CSV instead".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::read::Table;
    use crate::events::{EventColumns, EventTypeId};

    fn log() -> EventLog {
        EventLog::from_columns(EventColumns {
            users: vec![0, 1, 0],
            items: vec![1, 0, 0],
            times: [5, 1_500, 0].map(Timestamp::from_millis).to_vec(),
            types: vec![EventTypeId(0); 3],
            values: vec![f32::NAN, 2.5, f32::NAN],
            sessions: vec![1, 2, 3],
            user_names: vec!["a,\"b\"".into(), "z\nz".into()],
            item_names: vec!["i".into(), "\u{e4}\t".into()],
            event_types: vec!["view".into()],
        })
        .unwrap()
    }

    #[test]
    fn every_format_reads_back_alike() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["log.csv", "log.tsv", "log.parquet"] {
            let path = folder.path().join(name);
            write_events(&log(), &path).unwrap();
            let table = Table::open(&path).unwrap();
            let column = |name: &str| {
                let column = table.column(name).unwrap();
                (0..3).map(|row| column.text(row).unwrap_or("-").to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(column("user_id"), ["a,\"b\"", "a,\"b\"", "z\nz"], "{name}");
            assert_eq!(column("item_id"), ["i", "\u{e4}\t", "i"], "{name}");
            assert_eq!(column("timestamp")[1..], ["1970-01-01T00:00:00.005Z", "1970-01-01T00:00:01.500Z"]);
            assert_eq!(
                (column("value"), column("session_id")[0].as_str()),
                (vec!["-".into(), "-".into(), "2.5".to_owned()], "3")
            );
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn an_unknown_ending_is_refused() {
        let message = write_events(&log(), Path::new("log.xlsx")).unwrap_err().to_string();
        assert!(message.contains("ending in .csv, .tsv or .parquet, got log.xlsx"), "{message}");
    }
}
