//! Cleaning a log: exact repetitions, machines, and users or items with too few events to learn from.
//!
//! Every function returns a new log with the same vocabularies (numbers stay valid) and says what it took away.

use rayon::prelude::*;

use super::{Event, EventLog, MILLIS_PER_DAY, Timestamp, UserId};

/// Moments a day above which a user may be a machine, whatever the others do.
const BOT_MOMENTS_PER_DAY: f64 = 100.0;

/// How far beyond the median user's moments a day a machine is.
const BOT_TIMES_MEDIAN: f64 = 10.0;

/// Median gap within a day, in milliseconds, that no person keeps up.
const BOT_MEDIAN_GAP: i64 = 5000;

/// Number of events that repeat an earlier one exactly: same user, item, type, time, value and session.
pub fn count_duplicates(log: &EventLog) -> u64 {
    repeated(log).iter().map(|&is_repeated| u64::from(is_repeated)).sum()
}

/// The log without exact repetitions (the first of each stays), and the number of events dropped.
pub fn dedupe(log: &EventLog) -> (EventLog, u64) {
    let repeated = repeated(log);
    let mut place = 0;
    let part = log.filter(|_, _, _| {
        place += 1;
        !repeated[place - 1]
    });
    let dropped = (log.len() - part.len()) as u64;
    (part, dropped)
}

/// Whether each event, in the log's order, repeats an earlier one exactly.
fn repeated(log: &EventLog) -> Vec<bool> {
    let of_user = |user: usize| {
        let events: Vec<Event> = log.history(UserId(user as u32)).iter().collect();
        let mut repeated = vec![false; events.len()];
        let mut start = 0;
        for run in events.chunk_by(|a, b| a.time == b.time) {
            mark_repeated(run, &mut repeated[start..start + run.len()]);
            start += run.len();
        }
        repeated
    };
    (0..log.n_users()).into_par_iter().with_min_len(256).flat_map_iter(of_user).collect()
}

/// Marks repetitions among the events of one moment. Sorted by everything, with the place last, a repetition
/// follows what it repeats.
fn mark_repeated(run: &[Event], repeated: &mut [bool]) {
    if run.len() < 2 {
        return;
    }
    let key = |place: &usize| {
        let event = &run[*place];
        (event.item, event.event_type, event.value.map(f32::to_bits), event.session)
    };
    let mut order: Vec<usize> = (0..run.len()).collect();
    order.sort_by_key(key);
    for pair in order.windows(2) {
        repeated[pair[1]] = key(&pair[0]) == key(&pair[1]);
    }
}

/// Users who act like machines: on their active days they act at more than a hundred moments, and ten times more
/// than the median user, and half the gaps between these are under five seconds.
///
/// Moments are distinct times, so a large basket, or a log that has only days, makes nobody a machine.
pub fn bot_like_users(log: &EventLog) -> Vec<UserId> {
    let rates: Vec<f64> = users(log).map(|user| moments_per_day(log.history(user).times())).collect();
    let limit = BOT_MOMENTS_PER_DAY.max(BOT_TIMES_MEDIAN * median(rates.clone()).unwrap_or(0.0));
    let fast = |user: &UserId| median_gap(log.history(*user).times()).is_some_and(|gap| gap < BOT_MEDIAN_GAP);
    let bots = users(log).zip(rates).filter(|(user, rate)| *rate > limit && fast(user));
    bots.map(|(user, _)| user).collect()
}

/// The log without users who have more events per active day than a limit, and the number of users dropped.
pub fn drop_bots(log: &EventLog, max_events_per_day: f64) -> (EventLog, u64) {
    let too_fast = |user| {
        let times = log.history(user).times();
        times.len() as f64 > max_events_per_day * active_days(times) as f64
    };
    let drop: Vec<bool> = users(log).map(too_fast).collect();
    let dropped = drop.iter().filter(|&&drop| drop).count() as u64;
    (log.filter(|user, _, _| !drop[user.index()]), dropped)
}

/// The largest part of the log in which every user has at least `min_user` events and every item at least
/// `min_item` (both counted in the part itself, so the filters are repeated until nothing changes), and the number
/// of events dropped.
pub fn k_core(log: &EventLog, min_user: usize, min_item: usize) -> (EventLog, u64) {
    let mut part = log.clone();
    loop {
        let mut item_counts = vec![0usize; part.n_items()];
        part.events().items().iter().for_each(|item| item_counts[item.index()] += 1);
        let user_count = |user: UserId| part.history(user).len();
        let next = part.filter(|user, _, event| {
            user_count(user) >= min_user && item_counts[event.item.index()] >= min_item
        });
        if next.len() == part.len() {
            return (next, (log.len() - part.len()) as u64);
        }
        part = next;
    }
}

fn users(log: &EventLog) -> impl Iterator<Item = UserId> {
    // Numbers of users are u32 by construction.
    (0..log.n_users()).map(|user| UserId(user as u32))
}

fn day(time: Timestamp) -> i64 {
    time.millis().div_euclid(MILLIS_PER_DAY)
}

fn active_days(times: &[Timestamp]) -> usize {
    times.chunk_by(|a, b| day(*a) == day(*b)).count()
}

fn moments_per_day(times: &[Timestamp]) -> f64 {
    times.chunk_by(|a, b| a == b).count() as f64 / active_days(times).max(1) as f64
}

/// Median gap between the moments of one day.
fn median_gap(times: &[Timestamp]) -> Option<i64> {
    let pairs = times.windows(2).filter(|pair| day(pair[0]) == day(pair[1]));
    let mut gaps: Vec<i64> =
        pairs.map(|pair| pair[1].millis() - pair[0].millis()).filter(|gap| *gap > 0).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::events::{EventColumns, EventTypeId};

    fn log(rows: &[(u32, u32, i64)]) -> EventLog {
        EventLog::from_columns(EventColumns {
            users: rows.iter().map(|row| row.0).collect(),
            items: rows.iter().map(|row| row.1).collect(),
            times: rows.iter().map(|row| Timestamp::from_millis(row.2)).collect(),
            types: vec![EventTypeId(0); rows.len()],
            user_names: (0..5).map(|user| format!("u{user}")).collect(),
            item_names: (0..5).map(|item| format!("i{item}")).collect(),
            event_types: vec!["event".into()],
            ..EventColumns::default()
        })
        .unwrap()
    }

    proptest! {
        #[test]
        fn deduping_keeps_each_distinct_row_once(rows in proptest::collection::vec((0..3u32, 0..3u32, 0..3i64), 0..40)) {
            let log = log(&rows);
            let (part, dropped) = dedupe(&log);
            let distinct: std::collections::BTreeSet<_> = rows.iter().collect();
            prop_assert_eq!(part.len(), distinct.len());
            prop_assert_eq!(dropped, count_duplicates(&log));
            prop_assert_eq!(count_duplicates(&part), 0);
        }

        #[test]
        fn a_core_is_dense_and_nothing_more_could_stay(
            rows in proptest::collection::vec((0..5u32, 0..5u32, 0..3i64), 0..40),
        ) {
            let (part, dropped) = k_core(&log(&rows), 3, 2);
            let mut kept = rows.clone();
            loop {
                let users = |u| kept.iter().filter(|row| row.0 == u).count();
                let items = |i| kept.iter().filter(|row| row.1 == i).count();
                let next: Vec<_> = kept.iter().copied().filter(|row| users(row.0) >= 3 && items(row.1) >= 2).collect();
                if next.len() == kept.len() {
                    break;
                }
                kept = next;
            }
            prop_assert_eq!(part.len(), kept.len());
            prop_assert_eq!(dropped as usize, rows.len() - kept.len());
        }
    }

    #[test]
    fn a_machine_stands_out_and_a_large_basket_does_not() {
        let mut rows: Vec<(u32, u32, i64)> = (0..1000).map(|i| (0, i % 5, i64::from(i) * 2000)).collect();
        rows.extend((0..1000).map(|i| (1, i % 5, 0)));
        rows.extend((0..20).map(|i| (2, i % 5, i64::from(i) * 600_000)));
        let log = log(&rows);
        assert_eq!(bot_like_users(&log), [UserId(0)]);
        let (part, dropped) = drop_bots(&log, 100.0);
        assert_eq!((part.len(), dropped), (20, 2));
    }
}
