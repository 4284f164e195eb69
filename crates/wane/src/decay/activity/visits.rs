//! What a user's events say of their rhythm, in three numbers: how often they came back, when last, and since when they are known.
//!
//! Days are counted, not events: a basket of ten items is one visit. Users with the same three numbers are counted together, so
//! the statistics of any split of the users add up to those of all.

use std::collections::BTreeMap;

use serde::Serialize;

use super::top::NoFit;
use crate::events::{EventLog, History, MILLIS_PER_DAY, Timestamp};

/// The rhythm of a user.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Visit {
    /// Days with events after the first such day.
    pub repeats: u32,
    /// Days from the first of them to the last.
    pub recency_days: f64,
    /// Days from the first of them to the end of the log.
    pub age_days: f64,
}

impl Visit {
    /// The rhythm of a history that was watched until the end of a log; nothing for one without events.
    pub fn of(history: History<'_>, end: Timestamp) -> Option<Self> {
        let day = |time: &Timestamp| time.millis().div_euclid(MILLIS_PER_DAY);
        let (first, last) = (day(history.times().first()?), day(history.times().last()?));
        let changes = history.times().windows(2).filter(|pair| day(&pair[0]) != day(&pair[1])).count();
        Some(Self {
            repeats: changes as u32,
            recency_days: (last - first) as f64,
            age_days: (day(&end) - first).max(last - first) as f64,
        })
    }
}

/// Rhythms with the number of users who have them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Visits {
    /// By repeats and the bits of recency and age, which are in order because no number is below 0.
    counts: BTreeMap<(u32, u64, u64), u64>,
}

impl Visits {
    /// From the rhythm of each user.
    pub fn new(visits: impl IntoIterator<Item = Visit>) -> Self {
        let mut counts = BTreeMap::new();
        for visit in visits {
            let key = (visit.repeats, visit.recency_days.to_bits(), visit.age_days.to_bits());
            *counts.entry(key).or_default() += 1;
        }
        Self { counts }
    }

    /// Counts the users of a log that was watched until a moment.
    pub fn fit_partial(log: &EventLog, end: Timestamp) -> Self {
        Self::new(log.histories().filter_map(|(_, history)| Visit::of(history, end)))
    }

    /// The users of both.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
        self
    }

    /// Rhythms with their numbers, in order of the repeats.
    pub fn rows(&self) -> impl Iterator<Item = (Visit, u64)> + '_ {
        self.counts.iter().map(|(&(repeats, recency, age), &count)| {
            let (recency_days, age_days) = (f64::from_bits(recency), f64::from_bits(age));
            (Visit { repeats, recency_days, age_days }, count)
        })
    }

    /// How many users.
    pub fn users(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Rhythms whose days are counted in units of the mean time between visits, which keeps all parameters near 1.
pub(super) struct Scaled {
    /// In order of the repeats, with the number of users.
    pub(super) rows: Vec<(Visit, f64)>,
    /// Days of a unit.
    pub(super) unit: f64,
    repeats: f64,
}

impl Scaled {
    /// From counts in which somebody came back.
    pub(super) fn of(visits: &Visits) -> Result<Self, NoFit> {
        let total = |number: fn(&Visit) -> f64| {
            visits.rows().map(|(visit, users)| number(&visit) * users as f64).sum::<f64>()
        };
        let repeats = total(|visit| f64::from(visit.repeats));
        if repeats == 0.0 {
            return Err(NoFit::NoRepeats);
        }
        let unit = (total(|visit| visit.age_days) / repeats).max(1e-9);
        let scaled = |(visit, users): (Visit, u64)| {
            let (recency_days, age_days) = (visit.recency_days / unit, visit.age_days / unit);
            (Visit { recency_days, age_days, ..visit }, users as f64)
        };
        Ok(Self { rows: visits.rows().map(scaled).collect(), unit, repeats })
    }

    /// A log-likelihood of days from one of units: each repeat has a density.
    pub(super) fn per_day(&self, log_likelihood: f64) -> f64 {
        log_likelihood - self.repeats * self.unit.ln()
    }
}
