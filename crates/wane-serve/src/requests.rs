//! Requests as they are written, and as they are meant: every field is checked, and an error names the field.

pub(crate) mod items;

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use wane::events::read::parse_time;
use wane::events::{Timestamp, format_days, parse_days};
use wane::recommend::FilterSettings;

use crate::error::{Error, Result};
use crate::feedback::{Feedback, FeedbackKind, LONGEST_NAME, RecommendationId, is_name_char};
use crate::settings::MOST_ITEMS;
use crate::store::{NewEvent, StoredEvent};
use crate::whole::{self, Whole};

/// Letters of an id at most.
const LONGEST: usize = 512;
/// Events of a session at most.
const EVENTS: usize = 10_000;
/// Questions of a request at most.
const QUESTIONS: usize = 1_000;
/// Milliseconds that an event may be ahead of the server's clock, for clocks differ.
const AHEAD: i64 = 24 * 3_600_000;
/// Reasons of an item where no number is given: the rest of a long history would be most of the answer.
const USUAL_REASONS: usize = 5;
/// Reasons of an item at most.
const REASONS: usize = 10_000;
/// Days ahead where nothing is said.
const HORIZON: f64 = 30.0;
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
    k: Option<Whole>,
    as_of: Option<Value>,
    #[serde(default)]
    exclude: Vec<Value>,
    filter: Option<String>,
    #[serde(default)]
    no_repeat: bool,
    #[serde(default)]
    diversity: f32,
    #[serde(default)]
    explain: bool,
    reasons: Option<Whole>,
    scenario: Option<String>,
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
    /// How many reasons each item gets; none where nobody asks.
    pub(crate) reasons: Option<usize>,
    /// Where the list is shown.
    pub(crate) scenario: String,
}

/// Whose interest it is about.
pub(crate) enum Whose {
    User(String),
    /// Of a visitor who is not known and stays so.
    Session(Vec<StoredEvent>),
}

impl Whose {
    /// What decides which of two models answers.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::User(user) => user,
            Self::Session(events) => events.first().map_or("", |event| &event.item),
        }
    }
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
        let as_of = time("as_of", self.as_of.as_ref(), just_after(now))?;
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
        let k = list_length(self.k)?;
        let reasons = reasons(self.explain, self.reasons)?;
        let exclude: Vec<String> =
            self.exclude.iter().map(|item| id("exclude", item)).collect::<Result<_>>()?;
        let scenario = name("scenario", self.scenario)?;
        let usual = exclude.is_empty() && self.filter.is_none() && !self.no_repeat;
        let filter = (!usual).then(|| FilterSettings {
            exclude,
            expression: self.filter,
            no_repeat: self.no_repeat,
            ..FilterSettings::default()
        });
        Ok(Recommend { whose, k, as_of, filter, diversity: self.diversity, reasons, scenario })
    }
}

/// A short name that stands in ids: `default` where none is given.
fn name(field: &str, written: Option<String>) -> Result<String> {
    let name = written.unwrap_or_else(|| "default".to_owned());
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_name_char) {
        Ok(name)
    } else {
        let expected = format!("expected 1 to {LONGEST_NAME} letters, digits, `_`, `-` or `@`");
        Err(Error::field(field, format!("{expected}, got {}", shortened(&name.into()))))
    }
}

/// Feedback as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFeedback {
    recommendation_id: String,
    item_id: Value,
    kind: String,
}

/// What became of an item of a list.
pub(crate) fn feedback(written: Value) -> Result<Feedback> {
    let written: WrittenFeedback =
        serde_json::from_value(written).map_err(|error| Error::field("feedback", error))?;
    let kind = FeedbackKind::NAMES.iter().find(|(name, _)| *name == written.kind);
    let kind = kind.map(|(_, kind)| *kind).ok_or_else(|| {
        let names = FeedbackKind::NAMES.map(|(name, _)| name).join(", ");
        Error::field("kind", format!("expected one of {names}, got {}", shortened(&written.kind.into())))
    })?;
    Ok(Feedback {
        recommendation: RecommendationId::parse(&written.recommendation_id)?,
        item: id("item_id", &written.item_id)?,
        kind,
    })
}

/// A change of models as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenChange {
    load: Option<String>,
    share: Option<f64>,
    #[serde(default)]
    roll_back: bool,
}

/// A change of models.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Load(PathBuf, Option<f64>),
    RollBack,
}

impl WrittenChange {
    /// What is meant.
    pub(crate) fn checked(self) -> Result<Change> {
        match (self.load, self.share, self.roll_back) {
            (Some(folder), None, false) => Ok(Change::Load(folder.into(), None)),
            (Some(folder), Some(share), false) if share > 0.0 && share < 1.0 => {
                Ok(Change::Load(folder.into(), Some(share)))
            }
            (Some(_), Some(share), false) => {
                Err(Error::field("share", format!("expected a number above 0 and below 1, got {share}")))
            }
            (None, None, true) => Ok(Change::RollBack),
            (Some(_), _, true) | (None, Some(_), true) => {
                Err(Error::field("roll_back", "give it alone, without `load` and `share`"))
            }
            (None, _, false) => {
                Err(Error::field("load", "expected a model folder, or `roll_back: true`, got neither"))
            }
        }
    }
}

/// Many questions as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenBatch {
    questions: Vec<Value>,
}

impl WrittenBatch {
    /// The questions, each checked for itself.
    pub(crate) fn checked(self, now: Timestamp) -> Result<Vec<Result<Recommend>>> {
        if self.questions.len() > QUESTIONS {
            let got = self.questions.len();
            return Err(Error::field("questions", format!("expected {QUESTIONS} at most, got {got}")));
        }
        let one = |written| {
            let written: WrittenRecommend =
                serde_json::from_value(written).map_err(|error| Error::field("question", error))?;
            written.checked(now)
        };
        Ok(self.questions.into_iter().map(one).collect())
    }
}

/// What is asked of items like another, in the query of an address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenSimilar {
    k: Option<Whole>,
    #[serde(default)]
    explain: bool,
}

impl WrittenSimilar {
    /// What is wanted with the item: a session of nothing else.
    pub(crate) fn checked(self, item: String, event_type: String, now: Timestamp) -> Result<Recommend> {
        let filter = FilterSettings { exclude: vec![item.clone()], ..FilterSettings::default() };
        let event = StoredEvent { item, event_type, time: now, value: None, event_id: None };
        Ok(Recommend {
            whose: Whose::Session(vec![event]),
            k: list_length(self.k)?,
            as_of: just_after(now),
            filter: Some(filter),
            diversity: 0.0,
            reasons: reasons(self.explain, None)?,
            scenario: "similar".to_owned(),
        })
    }
}

/// What is asked of a user's interests, in the query of an address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenInterests {
    k: Option<Whole>,
    as_of: Option<String>,
    horizon: Option<String>,
    curve: Option<bool>,
}

/// A question of interests.
pub(crate) struct AskedInterests {
    pub(crate) k: usize,
    pub(crate) as_of: Timestamp,
    /// Days, where they are said.
    horizon: Option<f64>,
    pub(crate) curve: bool,
}

impl WrittenInterests {
    /// What is meant.
    pub(crate) fn checked(self, now: Timestamp) -> Result<AskedInterests> {
        let as_of = time("as_of", self.as_of.map(Value::String).as_ref(), just_after(now))?;
        if as_of.millis() > now.millis().saturating_add(AHEAD) {
            let reason = format!(
                "{as_of} is more than a day ahead of the server's clock, {now}; to look ahead give `horizon`"
            );
            return Err(Error::Conflict { field: "as_of", reason });
        }
        let days = |text: &String| {
            let expected = "expected a duration such as 12h, 30d or 8w";
            parse_days("horizon", text).map_err(|_| {
                Error::field("horizon", format!("{expected}, got {}", shortened(&text.clone().into())))
            })
        };
        let horizon = self.horizon.as_ref().map(days).transpose()?;
        Ok(AskedInterests { k: list_length(self.k)?, as_of, horizon, curve: self.curve.unwrap_or(true) })
    }
}

impl AskedInterests {
    /// Days ahead, at most as many as the model's log has.
    pub(crate) fn horizon_within(&self, days: f64) -> Result<f64> {
        match self.horizon {
            Some(horizon) if horizon > days => {
                let reason = format!(
                    "expected {} at most, as long as the model's log is, got {}",
                    format_days(days),
                    format_days(horizon)
                );
                Err(Error::Conflict { field: "horizon", reason })
            }
            horizon => Ok(horizon.unwrap_or(HORIZON.min(days))),
        }
    }
}

fn list_length(written: Option<Whole>) -> Result<usize> {
    let k = written.map_or(10, |written| written.0);
    if (1..=MOST_ITEMS).contains(&k) {
        Ok(k)
    } else {
        Err(Error::field("k", format!("expected 1 to {MOST_ITEMS}, got {k}")))
    }
}

/// The first moment at which what happens now is known: only what came before a moment is.
fn just_after(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_add(1))
}

/// How many reasons each item gets, where any are asked for.
fn reasons(explain: bool, most: Option<Whole>) -> Result<Option<usize>> {
    match most.map(|most| most.0) {
        Some(_) if !explain => Err(Error::field("reasons", "give `explain: true` with it")),
        Some(most) if !(1..=REASONS).contains(&most) => {
            Err(Error::field("reasons", format!("expected 1 to {REASONS}, got {most}")))
        }
        most => Ok(explain.then_some(most.unwrap_or(USUAL_REASONS))),
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
    let event: WrittenEvent =
        serde_json::from_value(written).map_err(|error| Error::field("event", error))?;
    if event.value.is_some_and(|value| !value.is_finite()) {
        return Err(Error::field("value", "expected a number that a 32-bit float can hold"));
    }
    Ok(event)
}

/// An id: a text, or a whole number, which is its digits (`7.0` is 7).
fn id(field: &str, written: &Value) -> Result<String> {
    let text = match written {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        Value::Number(number) => match number.as_f64().and_then(whole::of_float) {
            Some(whole) => whole.to_string(),
            None => return Err(not_an_id(field, written)),
        },
        other => return Err(not_an_id(field, other)),
    };
    let is_fit = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    if is_fit {
        Ok(text)
    } else {
        Err(Error::field(field, format!("expected 1 to {LONGEST} bytes without control characters")))
    }
}

fn not_an_id(field: &str, got: &Value) -> Error {
    Error::field(field, format!("expected a text or a whole number, got {}", shortened(got)))
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
