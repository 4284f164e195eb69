//! Parquet tables of a model folder: written in batches, read back by column name and type.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, LargeStringArray, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::folder::NewFolder;
use super::manifest::damaged;
use crate::error::{Error, Result};

/// Rows that are held as a copy at a time.
const BATCH: usize = 1 << 20;

/// A named column of one batch.
pub(super) type Column = (String, ArrayRef);

/// Writes a table of `n_rows`; `columns` gives the columns of a range of rows, always the same ones.
pub(super) fn write(
    folder: &mut NewFolder,
    name: &str,
    n_rows: usize,
    columns: impl Fn(Range<usize>) -> Vec<Column>,
) -> Result<()> {
    let batch = |range: Range<usize>| {
        let columns = columns(range).into_iter().map(|(name, array)| (name, array, true));
        RecordBatch::try_from_iter_with_nullable(columns).map_err(io::Error::other)
    };
    folder.write(name, |file| {
        // The writer's name carries its version; without it the bytes depend on the model alone.
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by("wane".to_owned())
            .build();
        let mut writer = ArrowWriter::try_new(file, batch(0..0)?.schema(), Some(properties))?;
        for start in (0..n_rows).step_by(BATCH) {
            writer.write(&batch(start..(start + BATCH).min(n_rows))?)?;
        }
        writer.close()?;
        Ok(())
    })
}

/// Reads a table batch by batch.
pub(super) fn read(path: &Path, mut take: impl FnMut(&Batch<'_>) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(BATCH).build())
        .map_err(|error| damaged(path, &error))?;
    for batch in reader {
        let batch = batch.map_err(|error| damaged(path, &error))?;
        take(&Batch { path, batch: &batch })?;
    }
    Ok(())
}

/// Some rows of a table.
pub(super) struct Batch<'a> {
    path: &'a Path,
    batch: &'a RecordBatch,
}

impl Batch<'_> {
    /// Names of the columns.
    pub(super) fn names(&self) -> Vec<String> {
        self.batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// A column of a type, or an error that names it.
    pub(super) fn column<A: 'static>(&self, name: &str) -> Result<&A> {
        self.optional(name)?.ok_or_else(|| damaged(self.path, &format!("column `{name}` is missing")))
    }

    /// A column of a type, if the table has it.
    pub(super) fn optional<A: 'static>(&self, name: &str) -> Result<Option<&A>> {
        let Some(column) = self.batch.column_by_name(name) else { return Ok(None) };
        let typed = column.as_any().downcast_ref::<A>();
        typed.map(Some).ok_or_else(|| {
            damaged(self.path, &format!("column `{name}` has the type {}", column.data_type()))
        })
    }
}

/// Writes a list of names as a table of one column.
pub(super) fn write_names<'a>(
    folder: &mut NewFolder,
    (file, column): (&str, &str),
    n: usize,
    name: impl Fn(usize) -> &'a str,
) -> Result<()> {
    write(folder, file, n, |rows| {
        let names = LargeStringArray::from_iter_values(rows.map(&name));
        vec![(column.to_owned(), Arc::new(names) as ArrayRef)]
    })
}

/// Reads a table of one column of names.
pub(super) fn read_names(path: &Path, column: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    read(path, |batch| {
        let column = batch.column::<LargeStringArray>(column)?;
        names.extend(column.iter().map(|name| name.unwrap_or_default().to_owned()));
        Ok(())
    })?;
    Ok(names)
}
