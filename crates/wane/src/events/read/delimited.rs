//! Behaviour logs as delimited text.

use std::borrow::Cow;

use super::blocks::Blocks;
use super::chunk::{Cells, Chunk, RawChunk};
use super::columns::Layout;
use super::csv::{Span, Tokenizer, header_name};
use super::judge::Judge;
use super::options::{Header, ReadOptions};
use super::reason::Reason;
use super::time::{date_time, epoch_number};
use crate::error::Result;

/// Rows whose times are looked at to find their unit.
pub(super) const SAMPLED_ROWS: usize = 1000;

/// A delimited file whose header has been read.
pub(super) struct Delimited {
    pub(super) names: Vec<String>,
    pub(super) has_header: bool,
    pub(super) delimiter: u8,
    /// The first block without its header.
    pub(super) first: Vec<u8>,
}

impl Delimited {
    /// Reads the header, or names the columns `1`, `2`, … where there is none. `None` when there is no record.
    pub(super) fn open(blocks: &mut Blocks<'_>, options: &ReadOptions) -> Result<Option<Self>> {
        let delimiter = blocks.delimiter.unwrap_or(b',');
        let Some(mut first) = blocks.next()? else { return Ok(None) };
        let (limit, mut fields) = (first.len(), Vec::new());
        let Some(end) = Tokenizer::new(delimiter).record(&mut first, limit, 0, &mut fields) else {
            return Ok(None);
        };
        let text = |span: &Span| String::from_utf8_lossy(span.of(&first)).into_owned();
        let texts: Vec<String> = fields.iter().map(text).collect();
        let has_header = match options.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => !texts.iter().any(|field| is_data(field.trim())),
        };
        first.truncate(limit);
        if has_header {
            first.drain(..end);
        }
        let names = if has_header {
            texts.iter().map(|field| header_name(field)).collect()
        } else {
            (1..=texts.len()).map(|place| place.to_string()).collect()
        };
        Ok(Some(Self { names, has_header, delimiter, first }))
    }

    /// The cells of one column in the first rows.
    pub(super) fn sample(&self, column: usize) -> Vec<Vec<u8>> {
        let (mut bytes, mut fields, mut at) = (self.first.clone(), Vec::new(), 0);
        let mut tokenizer = Tokenizer::new(self.delimiter);
        let mut cells = Vec::new();
        while cells.len() < SAMPLED_ROWS
            && let Some(next) = tokenizer.record(&mut bytes, self.first.len(), at, &mut fields)
        {
            cells.extend(fields.get(column).map(|span| span.of(&bytes).trim_ascii().to_vec()));
            at = next;
        }
        cells
    }
}

/// Names of columns are never numbers or times.
fn is_data(field: &str) -> bool {
    epoch_number(field.as_bytes()).is_ok() || date_time(field.as_bytes()).is_ok()
}

/// Splits a block into cells and lets the judge decide its rows.
pub(super) fn parse(mut bytes: Vec<u8>, delimiter: u8, n_columns: usize, judge: &Judge<'_>) -> Result<Chunk> {
    let layout = judge.layout;
    let limit = bytes.len();
    let valid = std::str::from_utf8(&bytes).is_ok();
    let has_nul = memchr::memchr(0, &bytes).is_some();
    let mut tokenizer = Tokenizer::new(delimiter);
    let (mut at, mut fields, mut starts, mut faults) = (0, Vec::new(), Vec::new(), Vec::new());
    let mut slots: Vec<Vec<Span>> = vec![Vec::with_capacity(limit / 40); layout.columns.len()];
    while let Some(next) = tokenizer.record(&mut bytes, limit, at, &mut fields) {
        let fault = match fields.len() {
            n if n < n_columns => Some(Reason::TooFewFields),
            n if n > n_columns => Some(Reason::TooManyFields),
            _ if !valid && std::str::from_utf8(&bytes[at..next]).is_err() => Some(Reason::NotUtf8),
            _ if has_nul && memchr::memchr(0, &bytes[at..next]).is_some() => Some(Reason::NulByte),
            _ => None,
        };
        match fault {
            None => push_cells(&mut slots, layout, &fields),
            Some(fault) => {
                faults.push((starts.len(), fault));
                slots.iter_mut().for_each(|slot| slot.push(Span::default()));
            }
        }
        starts.push(at);
        at = next;
    }
    let cells = |spans| Cells::Text { bytes: Cow::Borrowed(bytes.as_slice()), spans };
    let chunk = RawChunk { rows: starts.len(), slots: slots.into_iter().map(cells).collect(), faults };
    judge.chunk(chunk, &|row| {
        let end = starts.get(row + 1).copied().unwrap_or(limit);
        String::from_utf8_lossy(bytes[starts[row]..end].trim_ascii()).into_owned()
    })
}

fn push_cells(slots: &mut [Vec<Span>], layout: &Layout, fields: &[Span]) {
    for (slot, &column) in slots.iter_mut().zip(&layout.columns) {
        slot.push(fields[column]);
    }
}
