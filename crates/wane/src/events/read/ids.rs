//! The ids in one column of a chunk, cut, made canonical and numbered.

use std::borrow::Cow;

use super::chunk::Cells;
use super::csv::Span;
use super::intern::Interner;
use super::reason::Fate;

/// Ids of the rows of a chunk: spans of text, either one per row or, where a format gives distinct values, one per
/// distinct value with a place per row.
pub(super) struct Ids<'a> {
    bytes: Cow<'a, [u8]>,
    spans: Vec<Span>,
    places: Option<Vec<u32>>,
    /// Spans that were cut from a float (`17850.0`).
    floats: Vec<bool>,
}

impl<'a> Ids<'a> {
    pub(super) fn of(cells: &'a Cells<'_>) -> Self {
        match cells {
            Cells::Text { bytes, spans } => Self::from_text(bytes, spans),
            Cells::Ints(values) | Cells::Times(values) => Self::from_integers(values),
        }
    }

    fn from_text(bytes: &'a [u8], cells: &[Span]) -> Self {
        let mut floats = Vec::new();
        let spans = cells.iter().enumerate().map(|(row, &cell)| {
            let span = trim(bytes, cell);
            let id = span.of(bytes);
            let canonical = canonical_id(id);
            if canonical.len() < id.len() && !canonical.is_empty() {
                floats.resize(cells.len(), false);
                floats[row] = true;
            }
            Span { start: span.start, len: canonical.len() as u32 }
        });
        let spans = spans.collect();
        Self { bytes: Cow::Borrowed(bytes), spans, places: None, floats }
    }

    /// Integers are written out once per distinct value.
    fn from_integers(values: &[Option<i64>]) -> Self {
        let mut known = hashbrown::HashMap::with_hasher(foldhash::fast::FixedState::default());
        let (mut bytes, mut spans) = (Vec::new(), vec![Span::default()]);
        let place = |value: &Option<i64>| {
            let Some(value) = *value else { return 0 };
            *known.entry(value).or_insert_with(|| {
                let start = bytes.len();
                bytes.extend_from_slice(value.to_string().as_bytes());
                spans.push(Span::new(start, bytes.len()));
                (spans.len() - 1) as u32
            })
        };
        let places = values.iter().map(place).collect();
        Self { bytes: Cow::Owned(bytes), spans, places: Some(places), floats: Vec::new() }
    }

    /// Length of the row's id in bytes.
    pub(super) fn len(&self, row: usize) -> u32 {
        self.spans[self.place(row)].len
    }

    fn place(&self, row: usize) -> usize {
        self.places.as_ref().map_or(row, |places| places[row] as usize)
    }

    pub(super) fn is_missing(&self, row: usize) -> bool {
        self.len(row) == 0
    }

    /// Whether the row's id was written as a float.
    pub(super) fn is_float(&self, row: usize) -> bool {
        self.floats.get(row).copied().unwrap_or(false)
    }

    /// Gives rows without an id that of their session.
    pub(super) fn fill_missing(&mut self, sessions: &Ids<'_>) {
        let rows = self.places.as_ref().map_or(self.spans.len(), Vec::len);
        for row in 0..rows {
            if !self.is_missing(row) || sessions.is_missing(row) {
                continue;
            }
            let bytes = self.bytes.to_mut();
            let start = bytes.len();
            bytes.extend_from_slice(b"session:");
            bytes.extend_from_slice(sessions.spans[sessions.place(row)].of(&sessions.bytes));
            let span = Span::new(start, bytes.len());
            match &mut self.places {
                None => self.spans[row] = span,
                Some(places) => {
                    self.spans.push(span);
                    places[row] = (self.spans.len() - 1) as u32;
                }
            }
        }
    }

    /// The number of each row's id. Ids of rows that are not accepted are left out where that costs nothing.
    pub(super) fn intern(mut self, interner: &Interner, fates: &[Fate]) -> Vec<u32> {
        if self.places.is_none() {
            let rejected = self.spans.iter_mut().zip(fates).filter(|(_, fate)| **fate != Fate::Accept);
            rejected.for_each(|(span, _)| span.len = 0);
        }
        let numbers = interner.intern(&self.bytes, &self.spans);
        match self.places {
            None => numbers,
            Some(places) => places.into_iter().map(|place| numbers[place as usize]).collect(),
        }
    }
}

/// The span without blanks at its ends.
pub(super) fn trim(bytes: &[u8], span: Span) -> Span {
    let text = span.of(bytes);
    let front = text.len() - text.trim_ascii_start().len();
    Span { start: span.start + front as u32, len: text.trim_ascii().len() as u32 }
}

/// The id that a cell of a table holds, as a log with the same cell would have it; `None` if it holds none.
///
/// ```
/// use wane::events::read::id_of;
/// assert_eq!(id_of(" 17850.0 "), Some("17850"));
/// assert_eq!(id_of("NULL"), None);
/// ```
pub fn id_of(cell: &str) -> Option<&str> {
    let cell = cell.trim_ascii();
    cell.get(..canonical_id(cell.as_bytes()).len()).filter(|id| !id.is_empty())
}

/// An id as Wane keeps it: a whole number that was written as a float loses its `.0`, and the names that data
/// frames give to nothing (`null`, `NaN`, `None`, `\N`) are empty.
pub(super) fn canonical_id(id: &[u8]) -> &[u8] {
    match id {
        b"null" | b"NULL" | b"NaN" | b"nan" | b"None" | b"\\N" => &[],
        _ if id.last() == Some(&b'0') => {
            let whole = id.strip_suffix(b".0").unwrap_or(id);
            if whole.iter().all(u8::is_ascii_digit) && !whole.is_empty() { whole } else { id }
        }
        _ => id,
    }
}
