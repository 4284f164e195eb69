//! Behaviour logs as JSON, one object a line.
//!
//! Only the keys that are needed are kept; the rest of a line is parsed, since a line that is no JSON must be
//! rejected, but not stored.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::chunk::{Cells, Chunk, RawChunk};
use super::csv::Span;
use super::delimited::SAMPLED_ROWS;
use super::judge::Judge;
use super::reason::Reason;
use super::source::{Source, malformed};
use crate::error::Result;

fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    block.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// The keys of the first objects, in alphabetical order.
///
/// # Errors
/// [`crate::Error::Malformed`] when the file is one array, or none of its first lines is an object.
pub(super) fn keys(block: &[u8], source: &Source) -> Result<Vec<String>> {
    if block.trim_ascii_start().starts_with(b"[") {
        let reason = "the file is one JSON array".into();
        return Err(malformed(&source.path, reason, "Write one object a line (jq -c '.[]')"));
    }
    let mut keys = BTreeSet::new();
    for line in lines(block).take(SAMPLED_ROWS) {
        let object: serde_json::Result<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_slice(line);
        keys.extend(object.into_iter().flat_map(|object| object.into_iter().map(|(key, _)| key)));
    }
    if keys.is_empty() {
        let reason = "none of its first lines is a JSON object with keys".into();
        return Err(malformed(&source.path, reason, "Write one object a line"));
    }
    Ok(keys.into_iter().collect())
}

/// The values of one key in the first lines.
pub(super) fn sample(block: &[u8], key: &str) -> Vec<Vec<u8>> {
    let value = |line| {
        let mut text = Vec::new();
        let mut spans = vec![Span::default()];
        let names = [key.to_owned()];
        read_line(line, &mut Fields { names: &names, text: &mut text, spans: &mut spans, nested: false })
            .ok()?;
        Some(spans[0].of(&text).trim_ascii().to_vec())
    };
    lines(block).take(SAMPLED_ROWS).filter_map(value).collect()
}

/// Splits a block into cells and lets the judge decide its rows.
pub(super) fn parse(block: &[u8], names: &[String], judge: &Judge<'_>) -> Result<Chunk> {
    let wanted: Vec<String> = judge.layout.columns.iter().map(|&column| names[column].clone()).collect();
    let mut text = Vec::with_capacity(block.len() / 2);
    let mut slots: Vec<Vec<Span>> = vec![Vec::new(); wanted.len()];
    let (mut faults, mut rows) = (Vec::new(), Vec::new());
    let mut spans = vec![Span::default(); wanted.len()];
    for line in lines(block) {
        spans.fill(Span::default());
        let mut fields = Fields { names: &wanted, text: &mut text, spans: &mut spans, nested: false };
        if let Err(reason) = read_line(line, &mut fields) {
            faults.push((rows.len(), reason));
            spans.fill(Span::default());
        }
        slots.iter_mut().zip(&spans).for_each(|(slot, span)| slot.push(*span));
        rows.push(line);
    }
    let cells = |spans| Cells::Text { bytes: Cow::Borrowed(text.as_slice()), spans };
    let chunk = RawChunk { rows: rows.len(), slots: slots.into_iter().map(cells).collect(), faults };
    judge.chunk(chunk, &|row| String::from_utf8_lossy(rows[row]).into_owned())
}

fn read_line(line: &[u8], fields: &mut Fields<'_>) -> Result<(), Reason> {
    if std::str::from_utf8(line).is_err() {
        return Err(Reason::NotUtf8);
    }
    let mut json = serde_json::Deserializer::from_slice(line);
    let read = json.deserialize_map(&mut *fields).and_then(|()| json.end());
    if read.is_err() {
        return Err(Reason::BadJson);
    }
    if fields.nested { Err(Reason::NotPlain) } else { Ok(()) }
}

/// Where the wanted values of one object go.
struct Fields<'a> {
    names: &'a [String],
    text: &'a mut Vec<u8>,
    spans: &'a mut [Span],
    /// A wanted key holds a list, an object or a boolean.
    nested: bool,
}

impl<'de> Visitor<'de> for &mut Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match self.names.iter().position(|name| *name == key) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(slot) => {
                    let start = self.text.len();
                    self.nested |= !map.next_value_seed(Plain { text: self.text })?;
                    self.spans[slot] = Span::new(start, self.text.len());
                }
            }
        }
        Ok(())
    }
}

/// Appends a plain value's text; false for a list, an object or a boolean.
struct Plain<'a> {
    text: &'a mut Vec<u8>,
}

impl Plain<'_> {
    fn push(self, value: &dyn fmt::Display) -> bool {
        let mut text = String::new();
        let written = write!(text, "{value}").is_ok();
        self.text.extend_from_slice(text.as_bytes());
        written
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Plain<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, value: &str) -> Result<bool, E> {
        self.text.extend_from_slice(value.as_bytes());
        Ok(true)
    }

    fn visit_u64<E>(self, value: u64) -> Result<bool, E> {
        Ok(self.push(&value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<bool, E> {
        Ok(self.push(&value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<bool, E> {
        Ok(self.push(&value))
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}
