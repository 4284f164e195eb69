//! Decayed engagement beside scipy (fixtures/engagement.py), in splits, and where there is none.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use wane::decay::engagement::{Engagement, Unit, engagement};
use wane::decay::survival::Cell;
use wane::events::{EventColumns, EventLog, EventTypeId, Timestamp};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const END: f64 = 100.0;

/// Users who are watched for so many whole days and act on those days after their first event.
fn log(users: &[(u32, Vec<u32>)]) -> EventLog {
    let mut columns = EventColumns {
        user_names: (0..users.len()).map(|user| user.to_string()).collect(),
        item_names: vec!["a".into()],
        event_types: vec!["view".into()],
        ..EventColumns::default()
    };
    for (user, (watched, days)) in (0u32..).zip(users) {
        for day in std::iter::once(&0).chain(days) {
            columns.users.push(user);
            columns.items.push(0);
            columns.types.push(EventTypeId(0));
            columns.times.push(START.plus_days(END - f64::from(*watched) + f64::from(*day)));
        }
    }
    EventLog::from_columns(columns).unwrap()
}

fn counted(log: &EventLog) -> BTreeMap<Cell, Engagement> {
    engagement(log, &[Some(0)], Unit::Day, START.plus_days(END))
}

#[test]
fn the_law_is_that_of_scipy() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/engagement.json")).unwrap();
    let whole = |value: &Value| value.as_u64().unwrap() as u32;
    let watched = fixture["watched"].as_array().unwrap().iter().map(whole);
    let days = fixture["days"].as_array().unwrap().iter();
    let users: Vec<(u32, Vec<u32>)> = watched
        .zip(days)
        .map(|(end, days)| (end, days.as_array().unwrap().iter().map(whole).collect()))
        .collect();
    let law = counted(&log(&users)).values().next().unwrap().law(Unit::Day).unwrap();
    let theirs = |name: &str, place: usize| fixture[name][place].as_f64().unwrap();
    let near = |own: f64, theirs: f64| assert!((own / theirs - 1.0).abs() < 1e-5, "{own} is not {theirs}");
    near(law.peak, fixture["peak"].as_f64().unwrap());
    near(law.alpha.value, theirs("alpha", 0));
    near((law.alpha.high - law.alpha.value) / 1.96, theirs("alpha", 1));
    near(law.half_life_days.value, std::f64::consts::LN_2 / theirs("beta", 0));
    let high_rate = std::f64::consts::LN_2 / law.half_life_days.low;
    near((high_rate - theirs("beta", 0)) / 1.96, theirs("beta", 1));
}

#[test]
fn ages_are_counted_in_what_users_live_by() {
    let every = |minutes: f64| {
        let times = (0..40).map(|step| START.plus_days(f64::from(step) * minutes / 1_440.0));
        let columns = EventColumns {
            users: vec![0; 40],
            items: vec![0; 40],
            types: vec![EventTypeId(0); 40],
            times: times.collect(),
            user_names: vec!["u".into()],
            item_names: vec!["a".into()],
            event_types: vec!["view".into()],
            ..EventColumns::default()
        };
        Unit::of(&EventLog::from_columns(columns).unwrap())
    };
    assert_eq!([1.0, 60.0, 3_000.0].map(every), [Unit::Minute, Unit::Hour, Unit::Day]);
}

#[test]
fn what_does_not_fall_has_no_half_life() {
    let daily: Vec<(u32, Vec<u32>)> = (0..50).map(|_| (60, (1..=60).collect())).collect();
    assert_eq!(counted(&log(&daily)).values().next().unwrap().law(Unit::Day), None);
    let once: Vec<(u32, Vec<u32>)> = (0..50).map(|_| (60, vec![])).collect();
    assert_eq!(counted(&log(&once)).values().next().unwrap().law(Unit::Day), None);
    assert_eq!(Engagement::default().law(Unit::Hour), None);
}

proptest! {
    #[test]
    fn counts_of_any_split_add_up(
        users in prop::collection::vec((1u32..90, prop::collection::vec(1u32..90, 0..20)), 1..40),
        cut in 0usize..40,
    ) {
        let users: Vec<(u32, Vec<u32>)> = users
            .into_iter()
            .map(|(watched, mut days)| {
                days.retain(|day| *day <= watched);
                days.sort_unstable();
                (watched, days)
            })
            .collect();
        let whole = counted(&log(&users));
        let (one, other) = users.split_at(cut.min(users.len()));
        let mut sum = Engagement::default();
        for part in [one, other].into_iter().filter(|part| !part.is_empty()) {
            counted(&log(part)).values().for_each(|counts| sum.merge(counts));
        }
        prop_assert_eq!(whole.values().next(), Some(&sum));
    }
}
