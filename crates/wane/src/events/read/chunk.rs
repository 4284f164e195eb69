//! A piece of a log, column by column: what every format is decoded into, and what it becomes.
//!
//! A format only finds cells; what they mean is for [`super::judge`].

use std::borrow::Cow;

use super::csv::Span;
use super::ids::trim;
use super::reason::Reason;

/// Samples kept of each reason, in each chunk and in all.
pub(super) const SAMPLES: usize = 5;

/// The cells of one column in one chunk.
pub(super) enum Cells<'a> {
    /// Text; an empty span is an empty cell.
    Text { bytes: Cow<'a, [u8]>, spans: Vec<Span> },
    /// Integers of a typed format.
    Ints(Vec<Option<i64>>),
    /// Milliseconds of a typed format.
    Times(Vec<Option<i64>>),
}

impl Cells<'_> {
    /// The trimmed text of a cell.
    pub(super) fn text(&self, row: usize) -> Cow<'_, str> {
        match self {
            Self::Text { bytes, spans } => String::from_utf8_lossy(trim(bytes, spans[row]).of(bytes)),
            Self::Ints(values) | Self::Times(values) => {
                values[row].map_or(Cow::Borrowed(""), |value| Cow::Owned(value.to_string()))
            }
        }
    }
}

/// A decoded chunk: one entry of `slots` per column of the layout.
pub(super) struct RawChunk<'a> {
    pub(super) rows: usize,
    pub(super) slots: Vec<Cells<'a>>,
    /// Rows that could not be split into cells, ascending; their cells are empty.
    pub(super) faults: Vec<(usize, Reason)>,
}

/// A row that was rejected; `raw` is its text where that is wanted.
pub(super) struct Rejected {
    pub(super) row: u64,
    pub(super) reason: Reason,
    pub(super) raw: Option<String>,
}

/// What a chunk became.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) rows: u64,
    pub(super) users: Vec<u32>,
    pub(super) items: Vec<u32>,
    pub(super) times: Vec<i64>,
    /// Place in `type_names`.
    pub(super) types: Vec<u8>,
    pub(super) type_names: Vec<String>,
    /// Empty when the file has no such column.
    pub(super) values: Vec<f32>,
    pub(super) sessions: Vec<u32>,
    pub(super) rejected: Vec<Rejected>,
    pub(super) guests: u64,
    /// Rows that each rule held for.
    pub(super) rule_hits: Vec<u64>,
    pub(super) bad_values: u64,
    pub(super) float_ids: u64,
}
