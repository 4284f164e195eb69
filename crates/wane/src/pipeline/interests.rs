//! What users are interested in now, asked of one fit again and again: for programs that answer at once.
//!
//! Fitted is the intensity alone, for no horizon and no moment; [`profiles`](super::profiles) weighs more, and fits anew for each question.
//! Useful for: one user's interests in milliseconds, with events that the fitted log does not have. Not useful for: the best probabilities
//! ([`interest_forecasts`](super::interest_forecasts)).

use serde::Serialize;

use super::forecasts::moment;
use super::half_lives::{HalfLifeBy, Keys};
use super::profile::BACK;
use crate::decay::intensity::{Ahead, Course, Intensity};
use crate::error::Result;
use crate::events::{EventLog, History, Timestamp};
use crate::interest::Catalogue;

/// What a log says of all users' interests.
#[derive(Debug, Clone, PartialEq)]
pub struct Interests {
    by: HalfLifeBy,
    keys: Keys,
    intensity: Intensity,
    days: f64,
}

/// What is asked of one user.
#[derive(Debug, Clone, Copy)]
pub struct InterestsAsked {
    /// The moment: only events before it are known.
    pub at: Timestamp,
    /// Days ahead.
    pub horizon: f64,
    /// Interests at most, the likeliest.
    pub most: usize,
    /// Whether their curves are asked for.
    pub with_curves: bool,
}

/// One interest of a user as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurrentInterest {
    /// The category or item.
    pub key: String,
    /// How strong it is.
    pub now: Strength,
    /// Probability of an event within the horizon.
    pub probability: f64,
    /// Expected events within the horizon.
    pub expected: f64,
    /// So many at least, with probability .975.
    pub low: f64,
    /// So many at most, with probability .975.
    pub high: f64,
    /// Days until what past events excite has halved; none where nothing is excited.
    pub half_life_days: Option<f64>,
    /// Its course; none where nobody asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
}

/// Events per day at the moment, at average hours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Strength {
    /// In all.
    pub per_day: f64,
    /// Those that nothing excites.
    pub base_per_day: f64,
    /// Those that past events excite.
    pub excited_per_day: f64,
}

/// How an interest came, and where it goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// Days before the moment (at most 0) and events per day.
    pub past: Vec<(f64, f64)>,
    /// What is expected of the days to come.
    pub ahead: Vec<Ahead>,
}

impl Interests {
    /// Fits a log: by category, or without a catalogue by item.
    ///
    /// # Errors
    /// [`crate::error::Error::Empty`] where nobody acted on anything at two moments.
    pub fn fit(log: &EventLog, catalogue: Option<&Catalogue>) -> Result<Self> {
        let by = if catalogue.is_some() { HalfLifeBy::Category } else { HalfLifeBy::Item };
        let keys = Keys::of(log, catalogue, by)?;
        let end = moment(log, None)?;
        let intensity = Intensity::fit(log, &keys.of_item, end)?;
        let days = log.span().map_or(0.0, |(start, _)| end.days_since(start));
        Ok(Self { by, keys, intensity, days })
    }

    /// What interests are told apart by.
    pub fn by(&self) -> HalfLifeBy {
        self.by
    }

    /// How many interests a user may have.
    pub fn count(&self) -> usize {
        self.intensity.categories.len()
    }

    /// Days of the log: of a horizon beyond them it says nothing.
    pub fn days(&self) -> f64 {
        self.days
    }

    /// A user's interests, the likeliest first; the history is in the numbers of the log that was fitted, or of one with the same items.
    pub fn of(&self, log: &EventLog, history: History<'_>, asked: InterestsAsked) -> Vec<CurrentInterest> {
        let InterestsAsked { at, horizon, most, with_curves } = asked;
        let span = (BACK * horizon, horizon);
        let courses = self.intensity.likeliest(log, &self.keys.of_item, history, at, span, most);
        courses.into_iter().map(|course| self.interest(course, with_curves)).collect()
    }

    fn interest(&self, course: Course, with_curve: bool) -> CurrentInterest {
        let Course { outlook, past, ahead } = course;
        let (low, high) = ahead.last().map_or((0.0, 0.0), |last| (last.low, last.high));
        CurrentInterest {
            key: self.keys.names.get(outlook.category as usize).cloned().unwrap_or_default(),
            now: Strength {
                per_day: outlook.base_per_day + outlook.excited_per_day,
                base_per_day: outlook.base_per_day,
                excited_per_day: outlook.excited_per_day,
            },
            probability: outlook.probability,
            expected: outlook.expected,
            low,
            high,
            half_life_days: outlook.half_life_days,
            curve: with_curve.then_some(Curve { past, ahead }),
        }
    }
}
