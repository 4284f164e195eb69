//! Effects on gaps beside lifelines (fixtures/effects.py), and on gaps whose truth is known.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use wane::decay::survival::effects::{
    Coefficient, GapStart, ObservedGaps, Prices, gap_starts, half_life_regression, proportional_hazards,
};
use wane::decay::survival::{ReturnLaw, Unfit, Watch};
use wane::events::{EventColumns, EventLog, EventTypeId, MILLIS_PER_DAY, Timestamp, UserId};
use wane::pipeline::{EffectsAsked, HalfLifeBy, effects};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/effects.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn whole(value: &Value) -> Vec<u32> {
    numbers(value).into_iter().map(|number| number as u32).collect()
}

fn gaps(set: &Value, by_cell: bool) -> ObservedGaps {
    let cell = whole(&set["cell"]);
    ObservedGaps {
        days: numbers(&set["days"]),
        is_return: set["seen"].as_array().unwrap().iter().map(|seen| seen.as_bool().unwrap()).collect(),
        baseline: if by_cell { cell } else { vec![0; cell.len()] },
        user: whole(&set["user"]),
        width: 3,
        covariates: numbers(&set["covariates"]),
    }
}

fn near(what: &str, own: f64, theirs: f64, relative: f64) {
    assert!((own - theirs).abs() <= relative * theirs.abs(), "{what}: {own} is not {theirs}");
}

fn check_coefficient(what: &str, own: &Coefficient, theirs: &Value) {
    let theirs = numbers(theirs);
    near(what, own.value, theirs[0], 1e-4);
    near(&format!("{what}'s error"), own.standard_error, theirs[1], 1e-4);
}

#[test]
fn hazards_are_those_of_lifelines() {
    for (name, set) in fixture()["sets"].as_object().unwrap() {
        for (part, by_cell) in [("hazards", false), ("hazards_by_cell", true)] {
            let (own, theirs) = (proportional_hazards(&gaps(set, by_cell)).unwrap(), &set[part]);
            let what = format!("{name}, {part}");
            near(&what, own.log_likelihood, theirs["log_likelihood"].as_f64().unwrap(), 1e-6);
            near(&what, own.concordance, theirs["concordance"].as_f64().unwrap(), 1e-9);
            for (place, own) in own.coefficients.iter().enumerate() {
                let what = format!("{what} {place}");
                check_coefficient(&what, own, &theirs["coefficients"][place]);
                near(&what, own.robust_error.unwrap(), theirs["robust"][place].as_f64().unwrap(), 1e-4);
            }
            assert!(own.held.is_empty());
        }
    }
}

#[test]
fn half_life_factors_are_those_of_lifelines() {
    for (name, set) in fixture()["sets"].as_object().unwrap() {
        for (part, by_cell) in [("half_lives", false), ("half_lives_by_cell", true)] {
            let mut gaps = gaps(set, by_cell);
            // Their robust errors take every gap as a cluster of its own.
            gaps.user = (0..gaps.user.len() as u32).collect();
            let (own, theirs) = (half_life_regression(&gaps, ReturnLaw::Weibull).unwrap(), &set[part]);
            let (plain, robust) = (&theirs["plain"], &theirs["robust"]);
            let what = format!("{name}, {part}");
            near(&what, own.log_likelihood, plain["log_likelihood"].as_f64().unwrap(), 1e-6);
            // The shape itself: its logarithm is near 0, of which their search ends some millionths away.
            let (shape, their_shape) = (own.log_shape.unwrap(), numbers(&plain["log_shape"]));
            near(&format!("{what} shape"), shape.value.exp(), their_shape[0].exp(), 1e-4);
            near(&format!("{what} shape's error"), shape.standard_error, their_shape[1], 1e-4);
            for (place, own) in own.coefficients.iter().enumerate() {
                check_coefficient(&format!("{what} {place}"), own, &plain["coefficients"][place]);
                let theirs = numbers(&robust["coefficients"][place])[1];
                near(&format!("{what} {place} robust"), own.robust_error.unwrap(), theirs, 1e-4);
            }
        }
    }
}

/// Weibull gaps of users with paces of their own; the last covariate is the one that counts, `b` its log factor of the half-life.
fn drawn(n: usize, seed: u64, shape: f64, b: f64, spread: f64) -> ObservedGaps {
    let mut random = StdRng::seed_from_u64(seed);
    let users: Vec<f64> = (0..n / 10 + 1).map(|_| spread * (random.random::<f64>() - 0.5)).collect();
    let mut gaps = ObservedGaps { width: 2, ..ObservedGaps::default() };
    for place in 0..n {
        let (user, cell) = (place / 10, random.random_range(0..4u32));
        let x = f64::from(random.random_range(0..2u32));
        let half_life = (users[user] + b * x + f64::from(cell)).exp();
        let age = half_life * (-(1.0 - random.random::<f64>()).log2()).powf(1.0 / shape);
        let end = random.random_range(5.0..40.0);
        gaps.days.push(age.min(end));
        gaps.is_return.push(age <= end);
        gaps.baseline.push(cell);
        gaps.user.push(user as u32);
        gaps.covariates.extend([random.random::<f64>(), x]);
    }
    gaps
}

#[test]
fn a_planted_effect_comes_back_within_its_interval() {
    let (mut factors, mut ratios) = (0, 0);
    for seed in 0..100 {
        let gaps = drawn(1_000, seed, 1.3, 0.4, 0.0);
        let own = half_life_regression(&gaps, ReturnLaw::Weibull).unwrap().coefficients[1].factor();
        factors += u32::from((own.low..own.high).contains(&0.4f64.exp()));
        let own = proportional_hazards(&gaps).unwrap().coefficients[1].factor();
        ratios += u32::from((own.low..own.high).contains(&(-0.4f64 * 1.3).exp()));
    }
    // 95 % of 100 with a standard deviation of 2.2.
    assert!((88..=100).contains(&factors) && (88..=100).contains(&ratios), "{factors} {ratios}");
}

/// A covariate of the user: the gaps of each go along with it, so that errors that take them as independent are too small.
#[test]
fn errors_know_that_gaps_of_a_user_resemble_each_other() {
    let mut gaps = drawn(3_000, 1, 1.0, 0.0, 3.0);
    let users = gaps.user.clone();
    let of_user = gaps.covariates.iter_mut().skip(1).step_by(2).zip(users);
    of_user.for_each(|(value, user)| *value = f64::from(user % 2));
    for own in [
        proportional_hazards(&gaps).unwrap().coefficients,
        half_life_regression(&gaps, ReturnLaw::Weibull).unwrap().coefficients,
    ] {
        assert!(own[1].robust_error.unwrap() > 1.3 * own[1].standard_error, "{own:?}");
        assert!(own[0].robust_error.unwrap() < 1.2 * own[0].standard_error, "{own:?}");
    }
}

#[test]
fn what_separates_is_held_and_said() {
    let mut gaps = drawn(400, 2, 1.0, 0.4, 0.0);
    // Whatever has the second covariate never returns, so its hazard has no lower bound.
    for place in 0..gaps.days.len() {
        gaps.is_return[place] &= gaps.covariates[2 * place + 1] == 0.0;
    }
    let own = proportional_hazards(&gaps).unwrap();
    assert_eq!(own.held, [1]);
    assert!(own.coefficients[1].value < -4.0 && own.coefficients[1].standard_error.is_finite(), "{own:?}");
    let own = half_life_regression(&gaps, ReturnLaw::Exponential).unwrap();
    assert_eq!(own.held, [1]);
    assert!(own.coefficients[1].value > 4.0 && own.coefficients[1].standard_error.is_finite(), "{own:?}");
}

#[test]
fn covariates_that_say_the_same_are_held_and_said() {
    let mut gaps = drawn(400, 3, 1.0, 0.4, 0.0);
    for place in 0..gaps.days.len() {
        gaps.covariates[2 * place + 1] = 3.0 - 2.0 * gaps.covariates[2 * place];
    }
    assert_eq!(proportional_hazards(&gaps).unwrap().held, [1]);
    assert_eq!(half_life_regression(&gaps, ReturnLaw::Weibull).unwrap().held, [1]);
    gaps.covariates.iter_mut().for_each(|value| *value = 1.0);
    assert!(!gaps.varies(0));
    let own = proportional_hazards(&gaps).unwrap();
    assert_eq!((own.held, own.coefficients[0].value), (vec![0, 1], 0.0));
}

#[test]
fn hopeless_gaps_say_why() {
    let both = |gaps: &ObservedGaps| {
        let one = proportional_hazards(gaps).map(|_| ());
        assert_eq!(one, half_life_regression(gaps, ReturnLaw::Weibull).map(|_| ()));
        one
    };
    assert_eq!(both(&ObservedGaps { width: 1, ..ObservedGaps::default() }), Err(Unfit::TooFew(0)));
    let mut gaps = drawn(200, 4, 1.0, 0.4, 0.0);
    gaps.covariates[0] = f64::NAN;
    assert_eq!(both(&gaps), Err(Unfit::NoTop));
    gaps.covariates[0] = 0.5;
    assert_eq!(both(&gaps), Ok(()));
    // One user: nothing is known of how users differ.
    gaps.user.fill(7);
    assert_eq!(proportional_hazards(&gaps).unwrap().coefficients[0].robust_error, None);
    gaps.is_return.fill(false);
    assert_eq!(both(&gaps), Err(Unfit::TooFew(0)));
    // All gaps alike: hazards can be compared, but the shape of a law runs away.
    gaps.is_return.fill(true);
    gaps.days.fill(1.0);
    assert!(proportional_hazards(&gaps).is_ok());
    assert!(half_life_regression(&gaps, ReturnLaw::Exponential).is_ok());
    assert!(half_life_regression(&gaps, ReturnLaw::Weibull).is_err());
}

/// Gaps of many sizes, shapes and shares of ends that were not seen.
#[test]
fn every_regression_converges_or_says_why() {
    for seed in 0..40 {
        let shape = 0.3 + 0.1 * (seed % 20) as f64;
        let gaps = drawn(60 + 31 * seed as usize, seed, shape, 0.1 * seed as f64 - 2.0, 1.0);
        let hazards = proportional_hazards(&gaps).unwrap();
        let half_lives = half_life_regression(&gaps, ReturnLaw::Weibull).unwrap();
        for own in hazards.coefficients.iter().chain(&half_lives.coefficients) {
            assert!(own.value.is_finite() && own.standard_error > 0.0, "{seed}: {own:?}");
            assert!(own.robust_error.is_none_or(f64::is_finite), "{seed}: {own:?}");
        }
        assert!((0.0..=1.0).contains(&hazards.concordance));
    }
}

/// User, item, milliseconds, event type, price.
type Row = (u32, u32, i64, u8, f32);

fn log(events: &[Row]) -> EventLog {
    EventLog::from_columns(EventColumns {
        users: events.iter().map(|event| event.0).collect(),
        items: events.iter().map(|event| event.1).collect(),
        times: events.iter().map(|event| Timestamp::from_millis(event.2)).collect(),
        types: events.iter().map(|event| EventTypeId(event.3)).collect(),
        values: events.iter().map(|event| event.4).collect(),
        user_names: (0..400).map(|user| format!("u{user:03}")).collect(),
        item_names: (0..5).map(|item| format!("i{item}")).collect(),
        event_types: vec!["view".into(), "purchase".into()],
        ..EventColumns::default()
    })
    .unwrap()
}

fn asked() -> EffectsAsked {
    EffectsAsked { by: HalfLifeBy::EventType, law: None, value_is_price: true, most_gaps: 100_000, seed: 1 }
}

/// Users of a shop whose return takes 1.6 times as long after a price above 3.
fn shop() -> EventLog {
    let mut random = StdRng::seed_from_u64(9);
    let mut events = Vec::new();
    for user in 0..400 {
        let mut day = random.random_range(0.0..5.0);
        while day < 60.0 {
            let price: f32 = random.random_range(1.0..4.0);
            events.push((user, random.random_range(0..5), (day * MILLIS_PER_DAY as f64) as i64, 0, price));
            let half_life = if price > 3.0 { 4.8 } else { 3.0 };
            day += -(1.0 - random.random::<f64>()).log2() * half_life + 1e-4;
        }
    }
    log(&events)
}

#[test]
fn a_planted_effect_is_found_in_a_log_and_nothing_else() {
    let found = effects(&shop(), None, asked()).unwrap();
    assert_eq!(found.law, ReturnLaw::Exponential);
    let price = found.effects.iter().find(|own| own.feature.starts_with("price above")).unwrap();
    let (times, ratio) = (price.half_life_factor, price.hazard_ratio);
    assert!((times.low..times.high).contains(&1.6) && times.low > 1.0, "{price:?}");
    assert!((ratio.low..ratio.high).contains(&(1.0 / 1.6)) && ratio.high < 1.0, "{price:?}");
    let others = found.effects.iter().filter(|own| own.feature != price.feature);
    // Of some six others one in twenty is beyond its interval by chance.
    let sure = others.filter(|own| own.hazard_ratio.low > 1.0 || own.hazard_ratio.high < 1.0);
    assert!(sure.count() <= 1, "{found:?}");
}

#[test]
fn a_sample_of_users_is_drawn_by_the_seed_and_says_so() {
    let log = shop();
    let of = |most_gaps, seed| effects(&log, None, EffectsAsked { most_gaps, seed, ..asked() }).unwrap();
    let all = of(100_000, 1);
    assert_eq!((all.users, all.of_users), (400, 400));
    let part = of(2_000, 1);
    assert!(part.gaps <= 2_000 && part.gaps > 1_900 && part.of_users == 400, "{}", part.gaps);
    assert_eq!(part, of(2_000, 1));
    assert_ne!(part, of(2_000, 2));
}

#[test]
fn what_a_log_cannot_tell_is_left_out_and_said() {
    // Days without hours, one price, and a discount that never is.
    let mut random = StdRng::seed_from_u64(3);
    let draw = |place: u32| {
        let day = random.random_range(0..50i64);
        (place % 12, place % 3, day * MILLIS_PER_DAY, 0, 2.0)
    };
    let events: Vec<Row> = (0..300).map(draw).collect();
    let found = effects(&log(&events), None, asked()).unwrap();
    let kept: Vec<&str> = found.effects.iter().map(|own| own.feature.as_str()).collect();
    assert_eq!(kept, ["each doubling of earlier times", "weekend"]);
    let left_out: Vec<&str> = found.left_out.iter().map(|own| own.name.as_str()).collect();
    assert_eq!(left_out, ["part of the day", "price", "all at a discount"]);
    let without = effects(&log(&events), None, EffectsAsked { value_is_price: false, ..asked() }).unwrap();
    assert!(without.left_out.iter().any(|own| own.name == "price and discount"), "{without:?}");
}

#[test]
fn logs_with_too_little_say_why() {
    let said = |events: &[Row]| effects(&log(events), None, asked()).unwrap_err().to_string();
    assert!(said(&[]).starts_with("no gaps that differ"), "{}", said(&[]));
    assert!(said(&[(0, 0, 0, 0, 1.0)]).starts_with("no gaps that differ"));
    // Nobody comes back.
    let once = |user: u32| (user, 0, i64::from(user) * MILLIS_PER_DAY, 0, 1.0 + user as f32);
    let once: Vec<Row> = (0..50).map(once).collect();
    assert!(said(&once).starts_with("no gaps that differ"), "{}", said(&once));
    // One user who does: effects, but nothing is known of how users differ.
    let more_and_more_seldom = |day: i64| (0, 0, day * (MILLIS_PER_DAY + 7 * day * 60_000), 0, 1.0);
    let daily: Vec<Row> = (0..60).map(more_and_more_seldom).collect();
    assert!(!effects(&log(&daily), None, asked()).unwrap().has_robust_errors);
    let law = Some(ReturnLaw::LogNormal);
    let refused = effects(&log(&daily), None, EffectsAsked { law, ..asked() }).unwrap_err().to_string();
    assert_eq!(refused, "setting `law`: expected best, exponential or weibull for effects, got log-normal");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever happens later, what is known as a gap begins stays the same.
    #[test]
    fn the_future_changes_nothing_that_was_known(
        past in proptest::collection::vec((0..4u32, 0..5u32, 0..1_000i64, 0..2u8, 0.5..9.0f32), 1..200),
        poison in proptest::collection::vec((0..4u32, 0..5u32, 1_001..2_000i64, 0..2u8, 0.001..900.0f32), 1..200),
    ) {
        let starts = |events: &[Row]| -> Vec<GapStart> {
            let log = log(events);
            let users: Vec<UserId> = (0..4).map(UserId).collect();
            let keys = [Some(0), Some(0), Some(1), Some(1), None];
            let watch = Watch::until(Timestamp::from_millis(3_000));
            let all = gap_starts(&log, &users, &keys, &watch, &Prices::of(&log, None, true));
            let known = all.into_iter().filter(|own| own.begin.millis() <= 1_000);
            // How the gap ends is what the future decides.
            known.map(|own| GapStart { millis: 0, is_return: false, ..own }).collect()
        };
        let both: Vec<Row> = past.iter().chain(&poison).copied().collect();
        prop_assert_eq!(starts(&past), starts(&both));
    }
}
