//! The shape of a log in time: gaps between a user's events, and events per day.

use rayon::prelude::*;
use serde::Serialize;

use super::{EventLog, MILLIS_PER_DAY, Timestamp};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Upper ends of the gap bins in milliseconds (exclusive): about logarithmic, at lengths that people know.
const GAP_BINS: [(i64, &str); 13] = [
    (1, "same moment"),
    (SECOND, "under 1 s"),
    (10 * SECOND, "under 10 s"),
    (MINUTE, "under 1 min"),
    (10 * MINUTE, "under 10 min"),
    (HOUR, "under 1 h"),
    (6 * HOUR, "under 6 h"),
    (MILLIS_PER_DAY, "under 1 d"),
    (7 * MILLIS_PER_DAY, "under 7 d"),
    (30 * MILLIS_PER_DAY, "under 30 d"),
    (90 * MILLIS_PER_DAY, "under 90 d"),
    (365 * MILLIS_PER_DAY, "under 365 d"),
    (i64::MAX, "longer"),
];

/// Number of gaps of about one length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GapBin {
    /// The length in words: below this, and not in the bin before.
    pub gap: &'static str,
    /// Number of pairs of successive events of one user.
    pub count: u64,
}

/// Number of events of one day (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayCount {
    /// The day, `YYYY-MM-DD`.
    pub day: String,
    /// Events on it.
    pub events: u64,
}

/// The shape of a log in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogProfile {
    /// Gaps between successive events of a user.
    pub gaps: Vec<GapBin>,
    /// Events of each day that has any, in order.
    pub days: Vec<DayCount>,
}

impl LogProfile {
    /// Counts gaps and days.
    pub fn of(log: &EventLog) -> Self {
        Self { gaps: gaps(log), days: days(log) }
    }
}

fn gaps(log: &EventLog) -> Vec<GapBin> {
    let times = log.events().times();
    let count_user = |mut counts: Vec<u64>, bounds: &[usize]| {
        for pair in times[bounds[0]..bounds[1]].windows(2) {
            let gap = pair[1].millis() - pair[0].millis();
            counts[GAP_BINS.partition_point(|&(end, _)| end <= gap).min(GAP_BINS.len() - 1)] += 1;
        }
        counts
    };
    let zero = || vec![0u64; GAP_BINS.len()];
    let counts = log.offsets().par_windows(2).fold(zero, count_user).reduce(zero, added);
    GAP_BINS.iter().zip(counts).map(|(&(_, gap), count)| GapBin { gap, count }).collect()
}

fn days(log: &EventLog) -> Vec<DayCount> {
    let mut days: Vec<(i64, u64)> = log
        .events()
        .times()
        .par_chunks(1 << 16)
        .flat_map_iter(|times| {
            let mut runs: Vec<(i64, u64)> = Vec::new();
            let mut days: Vec<i64> =
                times.iter().map(|time| time.millis().div_euclid(MILLIS_PER_DAY)).collect();
            days.sort_unstable();
            for day in days {
                match runs.last_mut().filter(|(last, _)| *last == day) {
                    Some((_, count)) => *count += 1,
                    None => runs.push((day, 1)),
                }
            }
            runs
        })
        .collect();
    days.par_sort_unstable();
    let mut merged: Vec<(i64, u64)> = Vec::new();
    for (day, count) in days {
        match merged.last_mut().filter(|(last, _)| *last == day) {
            Some((_, sum)) => *sum += count,
            None => merged.push((day, count)),
        }
    }
    let name = |day: i64| Timestamp::from_millis(day * MILLIS_PER_DAY).to_string().chars().take(10).collect();
    merged.into_iter().map(|(day, events)| DayCount { day: name(day), events }).collect()
}

fn added(mut left: Vec<u64>, right: Vec<u64>) -> Vec<u64> {
    left.iter_mut().zip(right).for_each(|(sum, count)| *sum += count);
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EventColumns, EventTypeId};

    #[test]
    fn gaps_and_days_are_counted() {
        let times = [0, 0, 500, MILLIS_PER_DAY, 3 * MILLIS_PER_DAY];
        let log = EventLog::from_columns(EventColumns {
            users: vec![0; 5],
            items: vec![0; 5],
            times: times.map(Timestamp::from_millis).to_vec(),
            types: vec![EventTypeId(0); 5],
            user_names: vec!["u".into()],
            item_names: vec!["i".into()],
            event_types: vec!["event".into()],
            ..EventColumns::default()
        });
        let profile = LogProfile::of(&log.unwrap());
        let gaps: Vec<_> =
            profile.gaps.iter().filter(|bin| bin.count > 0).map(|bin| (bin.gap, bin.count)).collect();
        assert_eq!(gaps, [("same moment", 1), ("under 1 s", 1), ("under 1 d", 1), ("under 7 d", 1)]);
        let days: Vec<_> = profile.days.iter().map(|day| (day.day.as_str(), day.events)).collect();
        assert_eq!(days, [("1970-01-01", 3), ("1970-01-02", 1), ("1970-01-04", 1)]);
    }
}
