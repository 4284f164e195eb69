//! Who acted on what before a moment, how often and when, and whether they did again soon after.

use crate::events::{EventLog, MILLIS_PER_DAY, Timestamp, UserId};

/// A user and a category on which they acted before a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The user.
    pub user: UserId,
    /// The category, as numbered by the caller.
    pub key: u32,
    /// How many whole days ago the user acted on it, each day once, the longest ago first.
    pub ages: Vec<i64>,
    /// Whole days from the user's first event of any kind until the moment.
    pub watched: i64,
    /// Whole days since the user's last event of any kind.
    pub away: i64,
    /// Days with events of any kind in as long a time before the moment as the horizon.
    pub active: u32,
    /// Whether an event came within the horizon.
    pub came: bool,
}

impl Pair {
    /// Days since the user last acted on the category.
    pub fn recency(&self) -> f64 {
        self.ages.last().copied().unwrap_or_default() as f64
    }

    /// Days since the user first acted on it.
    pub fn age(&self) -> f64 {
        self.ages.first().copied().unwrap_or_default() as f64
    }

    /// Days from one such day to the next.
    pub fn gaps(&self) -> impl Iterator<Item = f64> + '_ {
        self.ages.windows(2).map(|pair| (pair[0] - pair[1]) as f64)
    }
}

/// The whole day of a moment.
fn day(time: Timestamp) -> i64 {
    time.millis().div_euclid(MILLIS_PER_DAY)
}

/// All pairs of the events before `at`, by user, then key; `came` looks `horizon` days ahead in the same log.
pub fn pairs(log: &EventLog, keys: &[Option<u32>], at: Timestamp, horizon: f64) -> Vec<Pair> {
    let until = at.plus_days(horizon);
    let today = day(at);
    let mut pairs = Vec::new();
    for (user, history) in log.histories() {
        let known = history.before(at);
        let (Some(&first), Some(&last)) = (known.times().first(), known.times().last()) else { continue };
        let key_of = |item: crate::events::ItemId| keys.get(item.index()).copied().flatten();
        let mut days: Vec<(u32, i64)> =
            known.iter().filter_map(|event| Some((key_of(event.item)?, day(event.time)))).collect();
        days.sort_unstable();
        days.dedup();
        let mut came: Vec<u32> =
            history.before(until).iter().skip(known.len()).filter_map(|event| key_of(event.item)).collect();
        came.sort_unstable();
        let from = at.plus_days(-horizon);
        let mut active: Vec<i64> =
            known.times().iter().filter(|&&time| time >= from).map(|&time| day(time)).collect();
        active.dedup();
        for own in days.chunk_by(|a, b| a.0 == b.0) {
            let key = own[0].0;
            pairs.push(Pair {
                user,
                key,
                ages: own.iter().map(|own| today - own.1).collect(),
                watched: today - day(first),
                away: today - day(last),
                active: active.len() as u32,
                came: came.binary_search(&key).is_ok(),
            });
        }
    }
    pairs
}
