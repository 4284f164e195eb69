//! Lists as they are answered: JSON, written at once.
//!
//! Most of a list is reasons, and most events are reasons for many of its items: each event is written once and copied from then on.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use wane::recommend::{AnsweredItem, AnsweredReason};

use crate::engine::Recommended;
use crate::error::{Error, Result};
use crate::requests::Recommend;

/// What an item of a list takes as JSON, about, without its reasons.
const BYTES_OF_ITEM: usize = 200;
/// What a reason takes.
const BYTES_OF_REASON: usize = 220;
/// Room for an answer that is made beforehand, at most.
const MOST_ROOM: usize = 64 << 10;

/// The answer to a question.
#[derive(Serialize)]
struct List<'a> {
    recommendation_id: String,
    model: &'a str,
    as_of: &'a str,
    took_us: u64,
    items: Vec<ListedItem<'a>>,
}

#[derive(Serialize)]
struct ListedItem<'a> {
    item_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<ListedReason<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remainder: Option<&'a BTreeMap<&'static str, f64>>,
}

/// [`AnsweredReason`] with its event as text.
#[derive(Serialize)]
struct ListedReason<'a> {
    event: &'a RawValue,
    relation: &'a str,
    age_days: f64,
    decay: f64,
    share: f64,
}

/// Events by their places in the history, written.
type Written = BTreeMap<usize, Box<RawValue>>;

/// A list as JSON.
///
/// # Errors
/// [`Error::Field`] where an answer holds what JSON cannot say.
pub(crate) fn text(found: &Recommended<'_>, asked: &Recommend, start: Instant) -> Result<Vec<u8>> {
    write(found, asked, start).map_err(|error| Error::field("answer", error))
}

fn write(found: &Recommended<'_>, asked: &Recommend, start: Instant) -> serde_json::Result<Vec<u8>> {
    let items = &found.answer.items;
    let mut events = Written::new();
    for AnsweredReason { event, .. } in items.iter().flat_map(|item| &item.reasons) {
        if let Entry::Vacant(entry) = events.entry(event.place) {
            entry.insert(to_raw_value(event)?);
        }
    }
    let list = List {
        recommendation_id: found.id.to_string(),
        model: found.model,
        as_of: &found.answer.as_of,
        items: items.iter().map(|item| ListedItem::of(item, asked.reasons.is_some(), &events)).collect(),
        took_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
    };
    // There is room for most from the beginning: a long text would be moved again and again.
    let of_item = BYTES_OF_ITEM + asked.reasons.map_or(0, |most| most.saturating_mul(BYTES_OF_REASON));
    let mut text = Vec::with_capacity(asked.k.saturating_mul(of_item).min(MOST_ROOM));
    serde_json::to_writer(&mut text, &list)?;
    Ok(text)
}

impl<'a> ListedItem<'a> {
    fn of(item: &'a AnsweredItem<'a>, explain: bool, events: &'a Written) -> Self {
        let reason = |reason: &'a AnsweredReason<'a>| {
            let AnsweredReason { relation, age_days, decay, share, .. } = reason;
            // Every event of a reason has been written.
            let event = events.get(&reason.event.place)?;
            Some(ListedReason { event, relation, age_days: *age_days, decay: *decay, share: *share })
        };
        Self {
            item_id: &item.item,
            title: item.title.as_deref(),
            score: item.score,
            reasons: explain.then(|| item.reasons.iter().filter_map(reason).collect()),
            remainder: explain.then_some(&item.remainder),
        }
    }
}
