//! What visits are worth: beside lifetimes on CDNOW (fixtures/activity.py), on truths that are known, and on hopeless logs.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Gamma};
use serde_json::Value;
use wane::decay::activity::{Conversion, GammaGamma, NoFit, Spending, Spent};
use wane::events::{EventColumns, EventLog, EventTypeId, Timestamp};
use wane::pipeline::customer_forecasts;

const DAY: i64 = 86_400_000;

fn spent(days_with_value: u32, mean_value: f64) -> Spent {
    Spent { days: days_with_value, days_with_value, mean_value }
}

/// Users whose visits have values of their own, one in `share` of them none.
fn simulated(users: usize, [p, q, v]: [f64; 3], share: f64, seed: u64) -> Vec<Spent> {
    let mut random = StdRng::seed_from_u64(seed);
    let user = |_| {
        let rate = Gamma::new(q, 1.0 / v).unwrap().sample(&mut random).max(1e-9);
        let days = 1 + (random.random::<f64>() * 12.0) as u32;
        let days_with_value = (0..days).filter(|_| random.random::<f64>() >= share).count() as u32;
        let values = Gamma::new(p, 1.0 / rate).unwrap();
        let total: f64 = (0..days_with_value).map(|_| values.sample(&mut random)).sum();
        let mean_value = if days_with_value > 0 { total / f64::from(days_with_value) } else { 0.0 };
        Spent { days, days_with_value, mean_value }
    };
    (0..users).map(user).collect()
}

#[test]
fn values_are_those_of_lifetimes() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/activity.json")).unwrap();
    let theirs = &fixture["gamma_gamma"];
    let number = |value: &Value| value.as_f64().unwrap();
    let users: Vec<Spent> = theirs["spent"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| spent(row[0].as_u64().unwrap() as u32, number(&row[1])))
        .collect();
    let near = |what: &str, own: f64, theirs: f64, relative: f64| {
        assert!((own - theirs).abs() <= relative * theirs.abs(), "{what}: {own} is not {theirs}");
    };
    let spending = Spending::new(users.iter().copied());
    let fitted = GammaGamma::fit(&spending).unwrap();
    assert!(!fitted.is_held);
    near("log-likelihood", fitted.log_likelihood, number(&theirs["log_likelihood"]), 1e-9);
    near("correlation", spending.correlation().unwrap(), number(&theirs["correlation"]), 1e-9);
    for (parameter, theirs) in fitted.parameters.iter().zip(theirs["parameters"].as_array().unwrap()) {
        near(parameter.name, parameter.value, number(theirs), 1e-3);
    }
    let every = theirs["every"].as_u64().unwrap() as usize;
    for (user, value) in users.iter().step_by(every).zip(theirs["value"].as_array().unwrap()) {
        near("value", fitted.value_per_visit(user), number(value), 1e-3);
    }
    let held_out = users.iter().zip(theirs["held_out"].as_array().unwrap());
    let errors: Vec<f64> = held_out
        .filter_map(|(user, later)| Some((fitted.value_per_visit(user) - later.as_f64()?).abs()))
        .collect();
    let error = errors.iter().sum::<f64>() / errors.len() as f64;
    near("error on what came later", error, number(&theirs["mean_error"]), 1e-4);
}

#[test]
fn planted_values_and_shares_come_back() {
    let truth = [6.0, 4.0, 16.0];
    let spending = Spending::new(simulated(20_000, truth, 0.7, 5));
    let fitted = GammaGamma::fit(&spending).unwrap();
    for (parameter, truth) in fitted.parameters.iter().zip(truth) {
        assert!((parameter.value - truth).abs() < 4.0 * parameter.standard_error, "{parameter:?}, {truth}");
    }
    let conversion = Conversion::fit(&spending).unwrap();
    // Here all users are alike, so a user's own visits say next to nothing.
    for user in simulated(5, truth, 0.7, 6) {
        assert!((conversion.share(&user) - 0.3).abs() < 0.03, "{conversion:?}");
    }
    assert!(spending.correlation().unwrap().abs() < 0.03);
}

#[test]
fn any_split_of_the_users_has_the_same_values() {
    let users = simulated(2_000, [6.0, 4.0, 16.0], 0.2, 7);
    let whole = Spending::new(users.iter().copied());
    for parts in [2, 7, 100] {
        let merged = (0..parts)
            .map(|part| Spending::new(users.iter().skip(part).step_by(parts).copied()))
            .fold(Spending::default(), |all, part| part.merge(&all));
        assert_eq!(GammaGamma::fit(&merged), GammaGamma::fit(&whole));
        assert_eq!(Conversion::fit(&merged), Conversion::fit(&whole));
        assert_eq!(merged.correlation(), whole.correlation());
    }
}

#[test]
fn every_log_with_a_value_has_a_forecast_of_values() {
    for seed in 0..200u64 {
        let users = [1, 2, 5, 30, 200, 900][seed as usize % 6];
        let truth = [0.2 + (seed % 5) as f64, 0.3 + (seed % 7) as f64, 10f64.powi((seed % 9) as i32 - 4)];
        let all = match seed % 10 {
            0 => vec![spent(3, 9.99); users],
            1 => vec![spent(1, 1e30); users],
            2 => vec![spent(100_000, 1e-30); users],
            3 => vec![Spent { days: 4, days_with_value: 0, mean_value: 0.0 }; users],
            4 => (0..users).map(|user| spent(1, 10f64.powi(user as i32 % 60 - 30))).collect(),
            _ => simulated(users, truth, 0.1 * (seed % 4) as f64, seed),
        };
        let has_values = all.iter().any(|user| user.days_with_value > 0);
        let spending = Spending::new(all.iter().copied());
        match (GammaGamma::fit(&spending), Conversion::fit(&spending)) {
            (Ok(value), Ok(conversion)) => all.iter().take(20).for_each(|user| {
                let (value, share) = (value.value_per_visit(user), conversion.share(user));
                assert!(value.is_finite() && value > 0.0, "{seed}: {value} {user:?}");
                assert!((0.0..=1.0).contains(&share), "{seed}: {share} {user:?}");
            }),
            (Err(NoFit::NoValues), Err(NoFit::NoValues)) => assert!(!has_values),
            (value, conversion) => panic!("seed {seed}, {users} users: {value:?}, {conversion:?}"),
        }
        assert!(spending.correlation().is_none_or(|r| (-1.0..=1.0).contains(&r)));
    }
}

fn log(events: &[(u32, i64, f32)]) -> EventLog {
    EventLog::from_columns(EventColumns {
        users: events.iter().map(|event| event.0).collect(),
        items: vec![0; events.len()],
        times: events.iter().map(|event| Timestamp::from_millis(event.1)).collect(),
        types: vec![EventTypeId(0); events.len()],
        values: events.iter().map(|event| event.2).collect(),
        user_names: vec!["a".into(), "b".into(), "c".into()],
        item_names: vec!["x".into()],
        event_types: vec!["purchase".into()],
        ..EventColumns::default()
    })
    .unwrap()
}

#[test]
fn a_return_lessens_its_day_and_a_day_without_value_is_a_visit_all_the_same() {
    let nothing = f32::NAN;
    let events =
        [(0, 0, 5.0), (0, 1, -2.0), (0, DAY, 4.0), (0, 2 * DAY, -9.0), (1, 0, nothing), (1, DAY, 0.0)];
    let spending = Spending::fit_partial(&log(&events));
    let nobody = Spent { days: 2, days_with_value: 0, mean_value: 0.0 };
    let own = Spent { days: 3, days_with_value: 2, mean_value: 3.5 };
    assert_eq!(spending.rows().collect::<Vec<_>>(), [(nobody, 1), (own, 1)]);
}

#[test]
fn what_is_to_come_is_visits_times_value() {
    let events = [(0, 0, 5.0), (0, 9 * DAY, 7.0), (1, 0, 20.0), (1, DAY, -3.0), (2, 4 * DAY, 30.0)];
    let found = customer_forecasts(&log(&events), 30.0, None).unwrap();
    assert_eq!(found.values.as_ref().unwrap().events_not_above_zero, 1);
    for user in &found.users {
        let worth = user.worth.unwrap();
        assert!(worth.expected_value > 0.0 && worth.value_per_visit < 31.0, "{user:?}");
        assert_eq!(worth.expected_value, user.expected * worth.value_per_visit);
    }
    let columns = found.table().unwrap().schema();
    assert_eq!(columns.field(7).name(), "expected_value");
    let found = customer_forecasts(&log(&[(0, 0, 0.0), (0, DAY, -1.0)]), 30.0, None).unwrap();
    assert_eq!(found.no_values.as_deref(), Some("no visit has a value above 0"));
    assert_eq!(found.table().unwrap().num_columns(), 6);
}
