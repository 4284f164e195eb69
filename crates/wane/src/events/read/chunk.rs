//! A piece of a log, column by column: what every format is decoded into, and what it is judged by.
//!
//! A format only finds cells; which row becomes an event, and why not, is decided here once for all of them.

use std::borrow::Cow;

use super::columns::{Layout, event_type};
use super::csv::Span;
use super::intern::Interner;
use super::options::{CheckedOptions, Guests};
use super::reason::{Fate, Reason};
use super::rules::RuleResult;
use super::time::{EpochNumber, TimeReader};
use crate::error::{Error, Result};

/// Longest text of an id or event type that is believed, in bytes.
const LONGEST_FIELD: u32 = 1 << 20;

/// Most event types that a log may have.
pub(super) const MOST_EVENT_TYPES: usize = 255;

/// Samples kept of each reason, in each chunk and in all.
pub(super) const SAMPLES: usize = 5;

/// Longest piece of a rejected row that is kept, in characters.
const RAW_CHARS: usize = 2000;

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
    fn text(&self, row: usize) -> Cow<'_, str> {
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

/// What all chunks of a file are judged by.
pub(super) struct Judge<'a> {
    pub(super) options: &'a CheckedOptions,
    pub(super) layout: &'a Layout,
    pub(super) time: TimeReader,
    pub(super) users: &'a Interner,
    pub(super) items: &'a Interner,
    pub(super) sessions: &'a Interner,
}

impl Judge<'_> {
    /// Decides every row of a chunk and numbers the ids of the accepted ones. `raw` gives the text of a row.
    pub(super) fn chunk(&self, raw_chunk: RawChunk<'_>, raw: &dyn Fn(usize) -> String) -> Result<Chunk> {
        let mut chunk = Chunk { rows: raw_chunk.rows as u64, ..Chunk::default() };
        let mut fates = vec![Fate::Accept; raw_chunk.rows];
        for &(row, reason) in &raw_chunk.faults {
            fates[row] = Fate::Reject(reason);
        }
        let slots = &raw_chunk.slots;
        let by_rule = self.apply_rules(slots, &mut fates, &mut chunk);
        let sessions = self.layout.session.map(|slot| Ids::of(&slots[slot]));
        let users = self.user_ids(slots, sessions.as_ref(), &mut fates);
        let items = Ids::of(&slots[self.layout.item]);
        refuse_missing(&items, Reason::NoItem, &mut fates);
        let times = self.times(&slots[self.layout.time], &mut fates);
        self.types(slots, &by_rule, &mut fates, &mut chunk)?;
        self.collect_rejected(&fates, &mut chunk, raw);

        let accepted: Vec<usize> = (0..raw_chunk.rows).filter(|&row| fates[row] == Fate::Accept).collect();
        let pick = |numbers: Vec<u32>| accepted.iter().map(|&row| numbers[row]).collect();
        chunk.types = accepted.iter().map(|&row| chunk.types[row]).collect();
        chunk.times = accepted.iter().map(|&row| times[row]).collect();
        chunk.float_ids =
            accepted.iter().filter(|&&row| users.is_float(row) || items.is_float(row)).count() as u64;
        chunk.users = pick(users.intern(self.users, &fates));
        chunk.items = pick(items.intern(self.items, &fates));
        chunk.sessions = sessions.map_or_else(Vec::new, |ids| pick(ids.intern(self.sessions, &fates)));
        if let Some(slot) = self.layout.value {
            chunk.values =
                accepted.iter().map(|&row| value(&slots[slot], row, &mut chunk.bad_values)).collect();
        }
        Ok(chunk)
    }

    /// The event type that a rule gives to each row, if any; rows that rules send away get their fate.
    fn apply_rules(&self, slots: &[Cells<'_>], fates: &mut [Fate], chunk: &mut Chunk) -> Vec<Option<u8>> {
        let rules = &self.options.given.type_rules;
        chunk.rule_hits = vec![0; rules.len()];
        if rules.is_empty() {
            return Vec::new();
        }
        let mut given = vec![None; fates.len()];
        for row in (0..fates.len()).filter(|&row| fates[row] == Fate::Accept).collect::<Vec<_>>() {
            let holds = |&number: &usize| rules[number].holds(&slots[self.layout.rules[number]].text(row));
            let Some(number) = (0..rules.len()).find(holds) else { continue };
            chunk.rule_hits[number] += 1;
            // At most 200 rules are allowed.
            let number = number as u8;
            match rules[usize::from(number)].result() {
                RuleResult::Type(_) => given[row] = Some(number),
                RuleResult::Reject => fates[row] = Fate::Reject(Reason::Rule(number)),
                RuleResult::Drop => fates[row] = Fate::DropByRule(number),
            }
        }
        given
    }

    fn user_ids<'s>(
        &self,
        slots: &'s [Cells<'_>],
        sessions: Option<&Ids<'_>>,
        fates: &mut [Fate],
    ) -> Ids<'s> {
        let mut users = Ids::of(&slots[self.layout.user]);
        match (self.options.given.guests, sessions) {
            (Guests::Skip, _) => {
                for row in (0..fates.len()).filter(|&row| users.is_missing(row)) {
                    if fates[row] == Fate::Accept {
                        fates[row] = Fate::DropGuest;
                    }
                }
            }
            (Guests::Session, Some(sessions)) => users.fill_missing(sessions),
            _ => {}
        }
        refuse_missing(&users, Reason::NoUser, fates);
        users
    }

    fn times(&self, cells: &Cells<'_>, fates: &mut [Fate]) -> Vec<i64> {
        let mut read =
            |row: usize, time: Option<Result<i64, Reason>>| match time.unwrap_or(Err(Reason::NoTime)) {
                Ok(millis) => millis,
                Err(reason) => {
                    reject(&mut fates[row], reason);
                    0
                }
            };
        let number = |whole| self.time.number(EpochNumber { whole, thousandths: 0 });
        match cells {
            Cells::Text { bytes, spans } => {
                let time = |cell: &[u8]| (!cell.is_empty()).then(|| self.time.text(cell));
                spans
                    .iter()
                    .enumerate()
                    .map(|(row, span)| read(row, time(trim(bytes, *span).of(bytes))))
                    .collect()
            }
            Cells::Ints(values) => {
                values.iter().enumerate().map(|(row, value)| read(row, value.map(number))).collect()
            }
            Cells::Times(values) => {
                let in_range = |millis| self.time.in_range(millis);
                values.iter().enumerate().map(|(row, value)| read(row, value.map(in_range))).collect()
            }
        }
    }

    /// The type of every row, and the names of the types.
    fn types(
        &self,
        slots: &[Cells<'_>],
        by_rule: &[Option<u8>],
        fates: &mut [Fate],
        chunk: &mut Chunk,
    ) -> Result<()> {
        let mut types = TypeNames::default();
        let options = &self.options.given;
        let fixed = self.layout.event_type.is_none();
        let mut last: Option<(Span, u8)> = None;
        for row in 0..fates.len() {
            chunk.types.push(0);
            if fates[row] != Fate::Accept {
                continue;
            }
            if let Some(number) = by_rule.get(row).copied().flatten()
                && let RuleResult::Type(name) = options.type_rules[usize::from(number)].result()
            {
                chunk.types[row] = types.number(name)?;
            } else if fixed {
                chunk.types[row] = types.number("event")?;
            } else if let Some(slot) = self.layout.event_type {
                chunk.types[row] = match &slots[slot] {
                    Cells::Text { bytes, spans } => {
                        let same = last.filter(|(span, _)| span.of(bytes) == spans[row].of(bytes));
                        let number = same.map_or_else(
                            || types.of(&slots[slot].text(row), options),
                            |(_, n)| Ok(Some(n)),
                        )?;
                        last = number.map(|number| (spans[row], number));
                        number
                    }
                    cells => types.of(&cells.text(row), options)?,
                }
                .unwrap_or_else(|| {
                    reject(&mut fates[row], Reason::NoType);
                    0
                });
            }
        }
        chunk.type_names = types.names;
        Ok(())
    }

    fn collect_rejected(&self, fates: &[Fate], chunk: &mut Chunk, raw: &dyn Fn(usize) -> String) {
        let all = self.options.given.rejects.is_some();
        let mut seen: Vec<(Reason, usize)> = Vec::new();
        for (row, fate) in fates.iter().enumerate() {
            match *fate {
                Fate::Accept | Fate::DropByRule(_) => {}
                Fate::DropGuest => chunk.guests += 1,
                Fate::Reject(reason) => {
                    let place = seen.iter().position(|(known, _)| *known == reason).unwrap_or_else(|| {
                        seen.push((reason, 0));
                        seen.len() - 1
                    });
                    seen[place].1 += 1;
                    let raw =
                        (all || seen[place].1 <= SAMPLES).then(|| raw(row).chars().take(RAW_CHARS).collect());
                    chunk.rejected.push(Rejected { row: row as u64, reason, raw });
                }
            }
        }
    }
}

fn reject(fate: &mut Fate, reason: Reason) {
    if *fate == Fate::Accept {
        *fate = Fate::Reject(reason);
    }
}

fn refuse_missing(ids: &Ids<'_>, reason: Reason, fates: &mut [Fate]) {
    for (row, fate) in fates.iter_mut().enumerate() {
        if ids.is_missing(row) {
            reject(fate, reason);
        } else if ids.spans[ids.place(row)].len > LONGEST_FIELD {
            reject(fate, Reason::FieldTooLong);
        }
    }
}

/// The value of a cell; NaN if it is empty or, counted, no finite number.
fn value(cells: &Cells<'_>, row: usize, bad: &mut u64) -> f32 {
    let value = match cells {
        Cells::Text { bytes, spans } => {
            let cell = trim(bytes, spans[row]).of(bytes);
            if cell.is_empty() {
                return f32::NAN;
            }
            std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok()).unwrap_or(f32::NAN)
        }
        Cells::Ints(values) | Cells::Times(values) => match values[row] {
            Some(value) => value as f32,
            None => return f32::NAN,
        },
    };
    if value.is_finite() {
        return value;
    }
    *bad += 1;
    f32::NAN
}

/// Names of the event types of a chunk, with the raw text they came from.
#[derive(Default)]
struct TypeNames {
    names: Vec<String>,
    raw: Vec<(String, u8)>,
}

impl TypeNames {
    /// The number of a raw type; `None` if it is empty.
    fn of(&mut self, raw: &str, options: &super::ReadOptions) -> Result<Option<u8>> {
        if raw.is_empty() {
            return Ok(None);
        }
        if let Some((_, number)) = self.raw.iter().find(|(known, _)| known == raw) {
            return Ok(Some(*number));
        }
        let number = self.number(&event_type(raw, options))?;
        self.raw.push((raw.to_owned(), number));
        Ok(Some(number))
    }

    fn number(&mut self, name: &str) -> Result<u8> {
        number_type(&mut self.names, name)
    }
}

/// The number of an event type, which is added to `names` if it is new.
///
/// # Errors
/// [`Error::Limit`] when there are more than a log may have.
pub(super) fn number_type(names: &mut Vec<String>, name: &str) -> Result<u8> {
    let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    u8::try_from(place).ok().filter(|_| place < MOST_EVENT_TYPES).ok_or(Error::Limit {
        what: "event types",
        limit: MOST_EVENT_TYPES as u64,
        got: names.len() as u64,
        remedy: "Map the right column with --map type=COLUMN",
    })
}

/// Ids of the rows of a chunk: spans of text, either one per row or, where a format gives distinct values, one per
/// distinct value with a place per row.
struct Ids<'a> {
    bytes: Cow<'a, [u8]>,
    spans: Vec<Span>,
    places: Option<Vec<u32>>,
    /// Spans that were cut from a float (`17850.0`).
    floats: Vec<bool>,
}

impl<'a> Ids<'a> {
    fn of(cells: &'a Cells<'_>) -> Self {
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

    fn place(&self, row: usize) -> usize {
        self.places.as_ref().map_or(row, |places| places[row] as usize)
    }

    fn is_missing(&self, row: usize) -> bool {
        self.spans[self.place(row)].len == 0
    }

    fn is_float(&self, row: usize) -> bool {
        self.floats.get(row).copied().unwrap_or(false)
    }

    /// Gives rows without an id that of their session.
    fn fill_missing(&mut self, sessions: &Ids<'_>) {
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
    fn intern(mut self, interner: &Interner, fates: &[Fate]) -> Vec<u32> {
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

fn trim(bytes: &[u8], span: Span) -> Span {
    let text = span.of(bytes);
    let front = text.len() - text.trim_ascii_start().len();
    Span { start: span.start + front as u32, len: text.trim_ascii().len() as u32 }
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
