//! Lists as they are answered: JSON, written at once.
//!
//! Most of a list is reasons, and most events are reasons for many of its items: what is the same in each, the event and its age, is
//! written once and copied from then on. What is between values is known beforehand and copied too, which a serialiser would ask for key by key.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use serde::Serialize;
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

/// A list as JSON.
///
/// # Errors
/// [`Error::Field`] where an answer holds what JSON cannot say.
pub(crate) fn text(found: &Recommended<'_>, asked: &Recommend, start: Instant) -> Result<Vec<u8>> {
    let mut text = Text::with_room(asked);
    text.list(found, asked.reasons.is_some(), start).map_err(|error| Error::field("answer", error))?;
    Ok(text.bytes)
}

/// What is written so far.
struct Text {
    bytes: Vec<u8>,
    /// Where events stand that were reasons already, and their ages, by their places in the history.
    events: BTreeMap<usize, [Range<usize>; 2]>,
}

impl Text {
    /// There is room for most from the beginning: a long text would be moved again and again.
    fn with_room(asked: &Recommend) -> Self {
        let of_item = BYTES_OF_ITEM + asked.reasons.map_or(0, |most| most.saturating_mul(BYTES_OF_REASON));
        let room = asked.k.saturating_mul(of_item).min(MOST_ROOM);
        Self { bytes: Vec::with_capacity(room), events: BTreeMap::new() }
    }

    /// What is between values.
    fn put(&mut self, between: &str) {
        self.bytes.extend_from_slice(between.as_bytes());
    }

    /// A value behind what is between it and the last one.
    fn value<T: Serialize + ?Sized>(&mut self, between: &str, value: &T) -> serde_json::Result<()> {
        self.ranged(between, value).map(drop)
    }

    /// The same, with where the value stands.
    fn ranged<T: Serialize + ?Sized>(
        &mut self,
        between: &str,
        value: &T,
    ) -> serde_json::Result<Range<usize>> {
        self.put(between);
        let from = self.bytes.len();
        serde_json::to_writer(&mut self.bytes, value)?;
        Ok(from..self.bytes.len())
    }

    fn list(&mut self, found: &Recommended<'_>, explain: bool, start: Instant) -> serde_json::Result<()> {
        let took_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.value(r#"{"recommendation_id":"#, &found.id.to_string())?;
        self.value(r#","model":"#, found.model)?;
        self.value(r#","as_of":"#, &found.answer.as_of)?;
        self.value(r#","took_us":"#, &took_us)?;
        self.put(r#","items":["#);
        for (place, item) in found.answer.items.iter().enumerate() {
            self.item(if place == 0 { r#"{"item_id":"# } else { r#",{"item_id":"# }, item, explain)?;
        }
        self.put("]}");
        Ok(())
    }

    fn item(&mut self, start: &str, item: &AnsweredItem<'_>, explain: bool) -> serde_json::Result<()> {
        self.value(start, &item.item)?;
        if let Some(title) = &item.title {
            self.value(r#","title":"#, title)?;
        }
        self.value(r#","score":"#, &item.score)?;
        if explain {
            self.put(r#","reasons":["#);
            for (place, reason) in item.reasons.iter().enumerate() {
                self.reason(if place == 0 { r#"{"event":"# } else { r#",{"event":"# }, reason)?;
            }
            self.value(r#"],"remainder":"#, &item.remainder)?;
        }
        self.put("}");
        Ok(())
    }

    fn reason(&mut self, start: &str, reason: &AnsweredReason<'_>) -> serde_json::Result<()> {
        self.put(start);
        match self.events.get(&reason.event.place).cloned() {
            Some([event, age]) => {
                self.bytes.extend_from_within(event);
                self.value(r#","relation":"#, &reason.relation)?;
                self.put(r#","age_days":"#);
                self.bytes.extend_from_within(age);
            }
            None => {
                let event = self.ranged("", &reason.event)?;
                self.value(r#","relation":"#, &reason.relation)?;
                let age = self.ranged(r#","age_days":"#, &reason.age_days)?;
                self.events.insert(reason.event.place, [event, age]);
            }
        }
        // As `AnsweredReason` has itself written.
        self.value(r#","decay":"#, &(reason.decay as f32))?;
        self.value(r#","share":"#, &(reason.share as f32))?;
        self.put("}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wane::events::Timestamp;
    use wane::recommend::{Answer, AnsweredEvent};

    use super::*;
    use crate::feedback::RecommendationId;

    /// Names are written as JSON has them, events that are reasons twice are written twice, and what is no number is null.
    #[test]
    fn a_list_is_what_it_answers() {
        let event = |place: usize, title: Option<&'static str>| AnsweredEvent {
            place,
            item: "a \"b\"\n".into(),
            title: title.map(Into::into),
            event_type: "vue \\".into(),
            time: Timestamp::from_millis(1_000),
        };
        let reason = |event, share| AnsweredReason {
            event,
            relation: "self".into(),
            age_days: 0.1,
            decay: 0.25,
            share,
        };
        let item = |title: Option<&'static str>, reasons| AnsweredItem {
            item: "é\t".into(),
            title: title.map(Into::into),
            score: 0.5,
            reasons,
            remainder: BTreeMap::from([("item", -1.5)]),
        };
        let items = vec![
            item(None, vec![reason(event(3, Some("T")), f64::NAN), reason(event(1, None), 2.0)]),
            item(Some("\u{1}"), vec![reason(event(3, Some("T")), 1e-7)]),
            item(None, Vec::new()),
        ];
        let answer = Answer { user: "u".into(), as_of: "2026-01-01T00:00:00Z".into(), items };
        let id = RecommendationId { model: "m".into(), scenario: "s".into(), number: 7 };
        let found = Recommended { model: "m", id, answer };
        for explain in [true, false] {
            let mut text = Text { bytes: Vec::new(), events: BTreeMap::new() };
            text.list(&found, explain, Instant::now()).unwrap();
            let mut list: Value = serde_json::from_slice(&text.bytes).unwrap();
            assert!(list["took_us"].take().is_u64());
            let mut items: Value =
                serde_json::from_slice(&serde_json::to_vec(&found.answer.items).unwrap()).unwrap();
            for item in items.as_array_mut().unwrap().iter_mut().map(|item| item.as_object_mut().unwrap()) {
                let id = item.remove("item").unwrap();
                item.insert("item_id".into(), id);
                if !explain {
                    item.retain(|key, _| !["reasons", "remainder"].contains(&key.as_str()));
                }
            }
            let expected = json!({
                "recommendation_id": "m.s.0000000000000007",
                "model": "m",
                "as_of": "2026-01-01T00:00:00Z",
                "took_us": null,
                "items": items,
            });
            assert_eq!(list, expected);
        }
    }
}
