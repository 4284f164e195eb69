//! What a user is interested in: one user in full, with the course of each interest, or all users in tags.
//!
//! Both are read off the forecast by category ([`super::interest_forecasts`]): a tag's strength is the rate at which
//! the user acts on it now, its probability that of another event within the horizon.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use serde::Serialize;

use super::InterestForecast;
use super::forecasts::{forecasts_as_of, moment};
use super::half_lives::{HalfLifeBy, Keys};
use crate::decay::forecast::{Forecast, ForecastAsked, Forecaster};
use crate::decay::intensity::Ahead;
use crate::error::{Error, Result};
use crate::events::{EventLog, Timestamp, UserId};
use crate::interest::Catalogue;

/// Horizons of the past that a course begins before.
pub(super) const BACK: f64 = 3.0;

/// What is asked of a log.
#[derive(Debug, Clone, Copy)]
pub struct ProfileAsked<'a> {
    /// What interests are told apart by.
    pub by: HalfLifeBy,
    /// The moment; none for the one just after the log.
    pub as_of: Option<Timestamp>,
    /// Days ahead.
    pub horizon: f64,
    /// The users' ids.
    pub users: &'a [String],
}

/// One user's interests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// The user's id.
    pub user: String,
    /// The moment.
    pub as_of: Timestamp,
    /// Days ahead.
    pub horizon_days: f64,
    /// The likeliest first.
    pub interests: Vec<Interest>,
}

/// One interest with its course.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interest {
    /// What is to come of it.
    #[serde(flatten)]
    pub forecast: InterestForecast,
    /// Days before the moment (at most 0) and events per day.
    pub past: Vec<(f64, f64)>,
    /// What is expected of the days to come.
    pub ahead: Vec<Ahead>,
    /// Days before the moment of the user's events, the longest ago first.
    #[serde(skip)]
    pub events: Vec<f64>,
}

/// Which tags are asked for.
#[derive(Debug, Clone, Copy)]
pub struct TagsAsked<'a> {
    /// What tags are: several kinds of things side by side.
    pub kinds: &'a [HalfLifeBy],
    /// The moment; none for the one just after the log.
    pub as_of: Option<Timestamp>,
    /// Days ahead.
    pub horizon: f64,
    /// Tags of each user at most, the likeliest.
    pub most: usize,
    /// Their least probability.
    pub least: f64,
}

/// A category, brand or other thing that a user is interested in now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tag {
    /// What it is one of: `category`, `brand`, ...
    pub kind: &'static str,
    /// Its place among the user's, from 1.
    pub rank: u32,
    /// Who, what, and how likely.
    #[serde(flatten)]
    pub interest: InterestForecast,
}

/// Tags of all users.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tags {
    /// Days ahead.
    pub horizon_days: f64,
    /// By user, the likeliest first.
    pub tags: Vec<Tag>,
}

/// The interests of some users, all from one fit.
///
/// # Errors
/// [`Error::Setting`] for a user whom the log does not know or a moment after it, and as [`super::interest_forecasts`].
pub fn profiles(
    log: &EventLog,
    catalogue: Option<&Catalogue>,
    asked: ProfileAsked<'_>,
) -> Result<Vec<Profile>> {
    let keys = Keys::of(log, catalogue, asked.by)?;
    let at = moment(log, asked.as_of)?;
    // Nothing after the moment may be known to a fit, whatever it looks at.
    let known = log.before(at);
    let users = asked.users.iter().map(|name| known_user(&known, name, at)).collect::<Result<Vec<_>>>()?;
    let forecaster =
        Forecaster::fit(&known, ForecastAsked { keys: &keys.of_item, at, horizon: asked.horizon })?;
    let forecasts = forecaster.forecasts();
    let profile = |user: UserId| {
        let history = known.history(user);
        let mut courses = forecaster.courses(user, BACK * asked.horizon);
        let of_pair = |own: &Forecast| {
            let events =
                history.iter().filter(|event| keys.of_item[event.item.index()] == Some(own.pair.key));
            let place = courses.iter().position(|course| course.outlook.category == own.pair.key);
            let course = place.map(|place| courses.swap_remove(place));
            let (past, ahead) = course.map_or_else(Default::default, |course| (course.past, course.ahead));
            Interest {
                forecast: InterestForecast::of(own, log, &keys),
                past,
                ahead,
                events: events.map(|event| -at.days_since(event.time)).collect(),
            }
        };
        let mut interests: Vec<Interest> =
            forecasts.iter().filter(|own| own.pair.user == user).map(of_pair).collect();
        interests.sort_by(|one, other| likelier(&one.forecast, &other.forecast));
        let user = log.users().name(user.index()).to_owned();
        Profile { user, as_of: at, horizon_days: asked.horizon, interests }
    };
    Ok(users.into_iter().map(profile).collect())
}

/// A user who did something before the moment.
fn known_user(known: &EventLog, name: &str, at: Timestamp) -> Result<UserId> {
    let user = known.users().position(name).map(UserId).ok_or_else(|| {
        let like = if known.n_users() > 0 { known.users().name(0) } else { "none" };
        Error::setting("user", format!("a user of the log (ids look like `{like}`)"), name)
    })?;
    if known.history(user).is_empty() {
        return Err(Error::Empty {
            what: format!("user `{name}` did nothing before {at}"),
            remedy: "Give a later --as-of".to_owned(),
        });
    }
    Ok(user)
}

fn likelier(one: &InterestForecast, other: &InterestForecast) -> std::cmp::Ordering {
    other.probability.total_cmp(&one.probability).then_with(|| one.key.cmp(&other.key))
}

/// The likeliest interests of each user, over several kinds of things.
///
/// # Errors
/// [`Error::Setting`] for a moment after the log, and as [`super::interest_forecasts`].
pub fn tags(log: &EventLog, catalogue: Option<&Catalogue>, asked: TagsAsked<'_>) -> Result<Tags> {
    let mut tags: Vec<Tag> = Vec::new();
    for &kind in asked.kinds {
        let found = forecasts_as_of(log, catalogue, kind, asked.as_of, asked.horizon)?.interests;
        let likely = found.into_iter().filter(|own| own.probability >= asked.least);
        tags.extend(likely.map(|interest| Tag { kind: kind.name(), rank: 0, interest }));
    }
    tags.sort_by(|one, other| {
        let by_user = one.interest.user.cmp(&other.interest.user);
        by_user.then_with(|| likelier(&one.interest, &other.interest)).then_with(|| one.kind.cmp(other.kind))
    });
    for own in tags.chunk_by_mut(|one, other| one.interest.user == other.interest.user) {
        (1u32..).zip(own).for_each(|(rank, tag)| tag.rank = rank);
    }
    tags.retain(|tag| tag.rank as usize <= asked.most);
    Ok(Tags { horizon_days: asked.horizon, tags })
}

impl Tags {
    /// The tags as a table for other systems.
    ///
    /// # Errors
    /// [`Error::Limit`] when the table is too large for one batch.
    pub fn table(&self) -> Result<RecordBatch> {
        let rows = || self.tags.iter();
        let number = |value: fn(&InterestForecast) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(rows().map(|tag| value(&tag.interest))))
        };
        let half_lives = rows().map(|tag| tag.interest.half_life_days);
        let columns: [(&str, ArrayRef); 9] = [
            ("user", Arc::new(StringArray::from_iter_values(rows().map(|tag| &tag.interest.user)))),
            ("kind", Arc::new(StringArray::from_iter_values(rows().map(|tag| tag.kind)))),
            ("tag", Arc::new(rows().map(|tag| tag.interest.key.as_deref()).collect::<StringArray>())),
            ("rank", Arc::new(UInt32Array::from_iter_values(rows().map(|tag| tag.rank)))),
            ("strength_per_day", number(|own| own.per_day)),
            ("probability", number(|own| own.probability)),
            ("half_life_days", Arc::new(half_lives.collect::<Float64Array>())),
            ("last_seen_days", number(|own| own.last_seen_days)),
            ("days", Arc::new(UInt64Array::from_iter_values(rows().map(|tag| tag.interest.days)))),
        ];
        RecordBatch::try_from_iter(columns).map_err(|_| Error::Limit {
            what: "rows of one table of tags",
            limit: u64::from(u32::MAX),
            got: self.tags.len() as u64,
            remedy: "Ask for fewer tags of each user",
        })
    }
}
