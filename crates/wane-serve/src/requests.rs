//! Requests as they are written, and as they are meant: every field is checked, and an error names the field.

use serde::Deserialize;
use serde_json::Value;
use wane::events::Timestamp;
use wane::events::read::parse_time;
use wane::recommend::FilterSettings;

use crate::error::{Error, Result};
use crate::store::{NewEvent, StoredEvent};

/// Letters of an id at most.
const LONGEST: usize = 512;
/// Events of a request at most.
pub(crate) const EVENTS: usize = 10_000;
/// Items of a list at most.
const ITEMS: usize = 1_000;
/// Milliseconds that an event may be ahead of the server's clock, for clocks differ.
const AHEAD: i64 = 24 * 3_600_000;
/// What was done where nothing is said.
const EVENT: &str = "event";

/// An event as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEvent {
    user_id: Option<Value>,
    item_id: Value,
    #[serde(default)]
    event_type: Option<String>,
    #[serde(default)]
    time: Option<Value>,
    #[serde(default)]
    value: Option<f32>,
    #[serde(default)]
    event_id: Option<Value>,
}

/// A question as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenRecommend {
    user_id: Option<Value>,
    session: Option<Vec<Value>>,
    k: Option<usize>,
    as_of: Option<Value>,
    #[serde(default)]
    exclude: Vec<String>,
    filter: Option<String>,
    #[serde(default)]
    no_repeat: bool,
    #[serde(default)]
    diversity: f32,
    #[serde(default)]
    explain: bool,
    consent: Option<bool>,
}

/// A question.
pub(crate) struct Recommend {
    pub(crate) whose: Whose,
    pub(crate) k: usize,
    pub(crate) as_of: Timestamp,
    /// `None`: the usual one.
    pub(crate) filter: Option<FilterSettings>,
    pub(crate) diversity: f32,
    pub(crate) explain: bool,
}

/// Whose interest it is about.
pub(crate) enum Whose {
    User(String),
    /// Of a visitor who is not known and stays so.
    Session(Vec<StoredEvent>),
}

/// An event that is to be kept.
pub(crate) fn new_event(written: Value, now: Timestamp) -> Result<NewEvent> {
    let written = event(written)?;
    let user =
        written.user_id.as_ref().ok_or_else(|| Error::field("user_id", "expected an id, got nothing"))?;
    let time = time("time", written.time.as_ref(), now)?;
    if time.millis() > now.millis().saturating_add(AHEAD) {
        return Err(Error::field(
            "time",
            format!("{time} is more than a day ahead of the server's clock, {now}"),
        ));
    }
    if written.value.is_some_and(|value| !value.is_finite()) {
        return Err(Error::field("value", "expected a number that a 32-bit float can hold"));
    }
    Ok(NewEvent {
        user: id("user_id", user)?,
        item: id("item_id", &written.item_id)?,
        event_type: kind(written.event_type)?,
        time,
        value: written.value,
        event_id: written.event_id.as_ref().map(|own| id("event_id", own)).transpose()?,
    })
}

impl WrittenRecommend {
    /// What is meant.
    pub(crate) fn checked(self, now: Timestamp) -> Result<Recommend> {
        // What was acknowledged a moment ago is known, though only what came before a moment is.
        let as_of =
            time("as_of", self.as_of.as_ref(), Timestamp::from_millis(now.millis().saturating_add(1)))?;
        let whose = match (self.user_id, self.session, self.consent) {
            (Some(_), Some(_), _) => {
                return Err(Error::field("session", "give `user_id` or `session`, not both"));
            }
            (Some(_), None, Some(false)) => {
                let reason = "without consent nothing may be looked up: give the events as `session` instead";
                return Err(Error::field("user_id", reason));
            }
            (Some(user), None, _) => Whose::User(id("user_id", &user)?),
            (None, Some(events), _) => Whose::Session(session(events, as_of)?),
            (None, None, _) => {
                return Err(Error::field("user_id", "expected `user_id` or `session`, got neither"));
            }
        };
        let k = self.k.unwrap_or(10);
        if !(1..=ITEMS).contains(&k) {
            return Err(Error::field("k", format!("expected 1 to {ITEMS}, got {k}")));
        }
        let usual = self.exclude.is_empty() && self.filter.is_none() && !self.no_repeat;
        let filter = (!usual).then(|| FilterSettings {
            exclude: self.exclude,
            expression: self.filter,
            no_repeat: self.no_repeat,
            ..FilterSettings::default()
        });
        Ok(Recommend { whose, k, as_of, filter, diversity: self.diversity, explain: self.explain })
    }
}

/// Events of a visitor, who has no id; where no time is given, they came just now and in this order.
fn session(events: Vec<Value>, as_of: Timestamp) -> Result<Vec<StoredEvent>> {
    if events.len() > EVENTS {
        return Err(Error::field(
            "session",
            format!("expected {EVENTS} events at most, got {}", events.len()),
        ));
    }
    let before = Timestamp::from_millis(as_of.millis().saturating_sub(1));
    let one = |(place, written): (usize, Value)| {
        let within = |error: Error| match error {
            Error::Field { field, reason } => {
                Error::Field { field: format!("session[{place}].{field}"), reason }
            }
            other => other,
        };
        let read = || {
            let written = event(written)?;
            if written.user_id.is_some() || written.event_id.is_some() {
                let field = if written.user_id.is_some() { "user_id" } else { "event_id" };
                return Err(Error::field(field, "a session's events have none, for nothing of them is kept"));
            }
            Ok(StoredEvent {
                item: id("item_id", &written.item_id)?,
                event_type: kind(written.event_type)?,
                time: time("time", written.time.as_ref(), before)?,
                value: written.value,
                event_id: None,
            })
        };
        read().map_err(within)
    };
    events.into_iter().enumerate().map(one).collect()
}

fn event(written: Value) -> Result<WrittenEvent> {
    if !written.is_object() {
        return Err(Error::field("event", format!("expected an object, got {}", shortened(&written))));
    }
    serde_json::from_value(written).map_err(|error| Error::field("event", error))
}

/// An id: a text, or a whole number, which is its digits.
fn id(field: &str, written: &Value) -> Result<String> {
    let text = match written {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        other => {
            return Err(Error::field(
                field,
                format!("expected a text or a whole number, got {}", shortened(other)),
            ));
        }
    };
    let is_fit = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    if is_fit {
        Ok(text)
    } else {
        Err(Error::field(field, format!("expected 1 to {LONGEST} bytes without control characters")))
    }
}

fn kind(written: Option<String>) -> Result<String> {
    written.map_or_else(|| Ok(EVENT.to_owned()), |kind| id("event_type", &Value::String(kind)))
}

fn time(field: &str, written: Option<&Value>, now: Timestamp) -> Result<Timestamp> {
    let text = match written {
        None | Some(Value::Null) => return Ok(now),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => return Err(not_a_moment(field, &shortened(other))),
    };
    parse_time(&text).ok_or_else(|| not_a_moment(field, &text))
}

fn not_a_moment(field: &str, got: &str) -> Error {
    Error::field(field, format!("expected a moment, 2024-05-01T12:00:00Z or seconds since 1970, got {got}"))
}

/// A value as it stands, but not the whole of a long one.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
