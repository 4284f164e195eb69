//! What a user's visits are worth, in three numbers: how many there were, how many of them had a value, and the mean of those.
//!
//! A day's value is the sum of its events' values, so that a return lessens the day that it falls on. A day whose sum is not above 0,
//! or whose events have no values, is a visit without value. Users with the same three numbers are counted together, so
//! the statistics of any split of the users add up to those of all.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::events::{EventLog, History, MILLIS_PER_DAY, Timestamp};

/// The worth of a user's visits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spent {
    /// Days with events.
    pub days: u32,
    /// Days whose value is above 0.
    pub days_with_value: u32,
    /// Mean value of these; 0 without any.
    pub mean_value: f64,
}

impl Spent {
    /// The worth of a history; nothing for one without values or events.
    pub fn of(history: History<'_>) -> Option<Self> {
        let (mut days, mut days_with_value, mut total) = (0, 0, 0.0);
        for value in day_values(history)? {
            days += 1;
            if value > 0.0 {
                days_with_value += 1;
                total += value;
            }
        }
        let mean_value = if days_with_value > 0 { total / f64::from(days_with_value) } else { 0.0 };
        (days > 0).then_some(Self { days, days_with_value, mean_value })
    }
}

/// The value of each day of a history; nothing for one without values.
fn day_values(history: History<'_>) -> Option<impl Iterator<Item = f64>> {
    let mut values = history.values()?;
    let day = |time: &Timestamp| time.millis().div_euclid(MILLIS_PER_DAY);
    let days = history.times().chunk_by(move |one, other| day(one) == day(other));
    Some(days.map(move |same| {
        let (of_day, rest) = values.split_at(same.len());
        values = rest;
        of_day.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value)).sum()
    }))
}

/// The worth of visits with the number of users who have it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spending {
    /// By days with value, days, and the bits of the mean value, which are in order because no number is below 0.
    counts: BTreeMap<(u32, u32, u64), u64>,
}

impl Spending {
    /// From the worth of each user.
    pub fn new(spent: impl IntoIterator<Item = Spent>) -> Self {
        let mut counts = BTreeMap::new();
        for spent in spent {
            *counts.entry((spent.days_with_value, spent.days, spent.mean_value.to_bits())).or_default() += 1;
        }
        Self { counts }
    }

    /// Counts the users of a log.
    pub fn fit_partial(log: &EventLog) -> Self {
        Self::new(log.histories().filter_map(|(_, history)| Spent::of(history)))
    }

    /// The users of both.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
        self
    }

    /// Worth with its numbers, in order of the days with value.
    pub fn rows(&self) -> impl Iterator<Item = (Spent, u64)> + '_ {
        self.counts.iter().map(|(&(days_with_value, days, mean), &count)| {
            (Spent { days, days_with_value, mean_value: f64::from_bits(mean) }, count)
        })
    }

    /// Pearson's correlation between the number of a user's visits with value and their mean value; nothing where either
    /// never varies. Gamma-gamma takes it to be 0.
    pub fn correlation(&self) -> Option<f64> {
        let rows = || {
            let valued = self.rows().filter(|(spent, _)| spent.days_with_value > 0);
            valued.map(|(spent, users)| [users as f64, f64::from(spent.days_with_value), spent.mean_value])
        };
        let users: f64 = rows().map(|[users, ..]| users).sum();
        let mean = |place: usize| rows().map(|row| row[0] * row[place]).sum::<f64>() / users;
        let (x, y) = (mean(1), mean(2));
        let moment =
            |of: fn(f64, f64) -> f64| rows().map(|row| row[0] * of(row[1] - x, row[2] - y)).sum::<f64>();
        let (xx, yy, xy) = (moment(|x, _| x * x), moment(|_, y| y * y), moment(|x, y| x * y));
        let varies = xx > 0.0 && yy > 1e-20 * users * y * y;
        varies.then(|| (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0))
    }
}
