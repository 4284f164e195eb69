//! Behaviour logs as Parquet: a row group is a task, and only the columns that are needed are decoded.

use std::borrow::Cow;
use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::arrow_text::{cell_text, integer, is_plain, time_millis};
use super::chunk::{Cells, Chunk, RawChunk};
use super::columns::Layout;
use super::csv::Span;
use super::delimited::SAMPLED_ROWS;
use super::judge::Judge;
use super::source::{Source, damaged_parquet, decode_parquet, malformed};
use crate::error::Result;

/// Rows decoded at once.
const BATCH: usize = 1 << 16;

/// A Parquet file whose schema has been read.
pub(super) struct Columnar<'a> {
    source: &'a Source,
    metadata: ArrowReaderMetadata,
}

impl<'a> Columnar<'a> {
    pub(super) fn open(source: &'a Source) -> Result<Self> {
        let file = source.file()?;
        let metadata = decode_parquet(source, || {
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
            metadata.map_err(|e| damaged_parquet(source, &e))
        })?;
        Ok(Self { source, metadata })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    pub(super) fn n_row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Refuses columns of a type that cannot be an id, a time or whatever part they play.
    pub(super) fn check_types(&self, layout: &Layout) -> Result<()> {
        for &column in &layout.columns {
            let field = self.schema().field(column);
            let kind = field.data_type();
            if !is_plain(kind) || matches!(kind, DataType::Boolean) {
                let reason = format!("column `{}` has the type {kind}", field.name());
                return Err(malformed(
                    &self.source.path,
                    reason,
                    "Write it as text, a whole number or a timestamp",
                ));
            }
        }
        Ok(())
    }

    /// How the type of a column says that it holds times, if it does.
    pub(super) fn time_type(&self, column: usize) -> Option<&'static str> {
        match self.schema().field(column).data_type() {
            DataType::Timestamp(..) => Some("Parquet timestamp"),
            DataType::Date32 => Some("Parquet date"),
            _ => None,
        }
    }

    /// The cells of one column in the first rows.
    pub(super) fn sample(&self, column: usize) -> Result<Vec<Vec<u8>>> {
        let batch = decode_parquet(self.source, || {
            let batch = self.reader(&[column], None, SAMPLED_ROWS)?.next();
            batch.transpose().map_err(|e| damaged_parquet(self.source, &e))
        })?;
        let text = |array: &dyn Array, row| cell_text(array, row).map(|text| text.as_bytes().to_vec());
        let cells = |batch: RecordBatch| {
            (0..batch.num_rows()).filter_map(|row| text(batch.column(0).as_ref(), row)).collect()
        };
        Ok(batch.map_or_else(Vec::new, cells))
    }

    /// Decodes a row group and lets the judge decide its rows.
    pub(super) fn row_group(&self, group: usize, judge: &Judge<'_>) -> Result<Vec<Chunk>> {
        // The reader returns columns in the order of the file, whatever was asked for.
        let mut in_file = judge.layout.columns.clone();
        in_file.sort_unstable();
        let place = |column: &usize| in_file.partition_point(|other| other < column);
        let places: Vec<usize> = judge.layout.columns.iter().map(place).collect();
        let mut batches = decode_parquet(self.source, || self.reader(&in_file, Some(group), BATCH))?;
        let next_batch = || decode_parquet(self.source, || Ok(batches.next())).transpose();
        let chunks = std::iter::from_fn(next_batch).map(|batch| {
            let batch = batch?.map_err(|e| damaged_parquet(self.source, &e))?;
            let slots = places.iter().map(|&place| cells(batch.column(place).as_ref())).collect();
            let chunk = RawChunk { rows: batch.num_rows(), slots, faults: Vec::new() };
            judge.chunk(chunk, &|row| raw_row(&batch, row))
        });
        chunks.collect()
    }

    fn reader(
        &self,
        columns: &[usize],
        group: Option<usize>,
        rows: usize,
    ) -> Result<ParquetRecordBatchReader> {
        let file: File = self.source.file()?;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let builder = builder.with_projection(mask).with_batch_size(rows);
        let builder = match group {
            Some(group) => builder.with_row_groups(vec![group]),
            None => builder.with_limit(rows),
        };
        builder.build().map_err(|e| damaged_parquet(self.source, &e))
    }

    fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }
}

fn raw_row(batch: &RecordBatch, row: usize) -> String {
    let cells = batch.columns().iter().map(|column| cell_text(column.as_ref(), row).unwrap_or_default());
    cells.collect::<Vec<_>>().join(",")
}

/// The cells of an array; what is neither integer nor time becomes text.
fn cells(array: &dyn Array) -> Cells<'_> {
    let kind = array.data_type();
    let valid = |row: usize| array.is_valid(row);
    match kind {
        DataType::Date32 | DataType::Timestamp(..) => Cells::Times(
            (0..array.len()).map(|row| valid(row).then(|| time_millis(array, row)).flatten()).collect(),
        ),
        DataType::Utf8 => utf8_cells(array),
        // Above i64 an integer is an id like any other text.
        DataType::UInt64 => text_cells(array),
        kind if kind.is_integer() => {
            let value = |row| i64::try_from(integer(array, row)?).ok();
            Cells::Ints((0..array.len()).map(|row| valid(row).then(|| value(row)).flatten()).collect())
        }
        DataType::Float32 | DataType::Float64 => float_cells(array),
        DataType::Dictionary(..) => dictionary_cells(array),
        _ => text_cells(array),
    }
}

/// Strings of the commonest layout are used where they lie.
fn utf8_cells(array: &dyn Array) -> Cells<'_> {
    let strings = array.as_string::<i32>();
    let offsets = strings.value_offsets();
    let span = |row: usize| match strings.is_valid(row) {
        // Offsets of a valid array are never negative.
        true => Span::new(offsets[row] as usize, offsets[row + 1] as usize),
        false => Span::default(),
    };
    Cells::Text { bytes: Cow::Borrowed(strings.value_data()), spans: (0..strings.len()).map(span).collect() }
}

/// Floats are written as `17850.0`, so that a whole number among them is counted as the repair that it is.
fn float_cells(array: &dyn Array) -> Cells<'_> {
    let value = |row| match array.data_type() {
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
        _ => array.as_primitive::<Float64Type>().value(row),
    };
    collect_text((0..array.len()).map(|row| array.is_valid(row).then(|| format!("{:?}", value(row)))))
}

fn dictionary_cells(array: &dyn Array) -> Cells<'_> {
    let dictionary = array.as_any_dictionary();
    let values = dictionary.values();
    let distinct = collect_text((0..values.len()).map(|place| cell_text(values.as_ref(), place)));
    let Cells::Text { bytes, spans: by_key } = distinct else { return distinct };
    let keys = dictionary.normalized_keys();
    let span = |row: usize| if array.is_valid(row) { by_key.get(keys[row]).copied() } else { None };
    let spans = (0..array.len()).map(|row| span(row).unwrap_or_default()).collect();
    Cells::Text { bytes: Cow::Owned(bytes.into_owned()), spans }
}

fn text_cells(array: &dyn Array) -> Cells<'static> {
    collect_text((0..array.len()).map(|row| cell_text(array, row)))
}

fn collect_text<S: AsRef<str>>(texts: impl Iterator<Item = Option<S>>) -> Cells<'static> {
    let mut bytes = Vec::new();
    let span = |text: Option<S>| {
        let start = bytes.len();
        bytes.extend_from_slice(text.as_ref().map_or(&[], |text| text.as_ref().as_bytes()));
        Span::new(start, bytes.len())
    };
    let spans = texts.map(span).collect();
    Cells::Text { bytes: Cow::Owned(bytes), spans }
}
