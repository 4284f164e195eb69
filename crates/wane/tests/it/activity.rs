//! Who is still a customer: beside lifetimes on CDNOW (fixtures/activity.py), on truths that are known, and on hopeless logs.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Beta, Distribution, Exp, Gamma};
use serde_json::Value;
use wane::decay::activity::{Activity, ActivityLaw, BgNbd, NoFit, ParetoNbd, Visit, Visits};
use wane::events::{EventColumns, EventLog, EventTypeId, Timestamp};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/activity.json")).unwrap()
}

fn visits_of(fixture: &Value) -> Vec<Visit> {
    let visit = |row: &Value| {
        let row = numbers(row);
        Visit { repeats: row[0] as u32, recency_days: row[1], age_days: row[2] }
    };
    fixture["visits"].as_array().unwrap().iter().map(visit).collect()
}

fn near(what: &str, own: f64, theirs: f64, relative: f64) {
    assert!((own - theirs).abs() <= relative * theirs.abs(), "{what}: {own} is not {theirs}");
}

#[test]
fn customers_are_those_of_lifetimes() {
    let fixture = fixture();
    let visits = visits_of(&fixture);
    let fitted = BgNbd::fit(&Visits::new(visits.iter().copied())).unwrap();
    assert!(!fitted.is_held);
    near("log-likelihood", fitted.log_likelihood, fixture["log_likelihood"].as_f64().unwrap(), 1e-6);
    for parameter in &fitted.parameters {
        let theirs = numbers(&fixture["parameters"][parameter.name]);
        near(parameter.name, parameter.value, theirs[0], 1e-3);
        near(&format!("{}'s error", parameter.name), parameter.standard_error, theirs[1], 5e-3);
    }
    let days = fixture["days"].as_f64().unwrap();
    let (active, expected) = (numbers(&fixture["active"]), numbers(&fixture["expected"]));
    let mut error = 0.0;
    for (place, (visit, held_out)) in visits.iter().zip(numbers(&fixture["held_out"])).enumerate() {
        near("active", fitted.active(visit), active[place], 1e-3);
        let own = fitted.expected(visit, days);
        near("expected", own, expected[place], 2e-3);
        error += (own - held_out).abs() / visits.len() as f64;
    }
    near("error on what came later", error, fixture["mean_error"].as_f64().unwrap(), 1e-3);
}

#[test]
fn customers_who_leave_at_any_time_are_those_of_lifetimes() {
    let fixture = fixture();
    let (visits, theirs) = (visits_of(&fixture), &fixture["pareto_nbd"]);
    let fitted = ParetoNbd::fit(&Visits::new(visits.iter().copied())).unwrap();
    assert!(!fitted.is_held);
    // Their simplex search stops a little short of the top.
    let top = theirs["log_likelihood"].as_f64().unwrap();
    assert!(fitted.log_likelihood >= top);
    near("log-likelihood", fitted.log_likelihood, top, 1e-9);
    for (parameter, theirs) in fitted.parameters.iter().zip(numbers(&theirs["parameters"])) {
        near(parameter.name, parameter.value, theirs, 1e-3);
    }
    let days = fixture["days"].as_f64().unwrap();
    let every = theirs["every"].as_u64().unwrap() as usize;
    let forecasts = numbers(&theirs["active"]).into_iter().zip(numbers(&theirs["expected"]));
    for (visit, (active, expected)) in visits.iter().step_by(every).zip(forecasts) {
        near("active", fitted.active(visit), active, 1e-3);
        near("expected", fitted.expected(visit, days), expected, 1e-3);
    }
    let held_out = numbers(&fixture["held_out"]);
    let errors =
        visits.iter().zip(&held_out).map(|(visit, came)| (fitted.expected(visit, days) - came).abs());
    let error = errors.sum::<f64>() / visits.len() as f64;
    near("error on what came later", error, theirs["mean_error"].as_f64().unwrap(), 1e-4);
}

/// Users with rates and ways of leaving of their own, watched for some days.
fn simulated(users: usize, truth: [f64; 4], days: f64, seed: u64) -> Vec<Visit> {
    let mut random = StdRng::seed_from_u64(seed);
    let [r, alpha, a, b] = truth;
    let (rates, leaving) = (Gamma::new(r, 1.0 / alpha).unwrap(), Beta::new(a, b).unwrap());
    let user = |_| {
        let (rate, leaves) = (rates.sample(&mut random).max(1e-9), leaving.sample(&mut random));
        let age_days = days * (0.5 + 0.5 * random.random::<f64>());
        let (gaps, mut time) = (Exp::new(rate).unwrap(), 0.0);
        let mut visit = Visit { repeats: 0, recency_days: 0.0, age_days };
        loop {
            time += gaps.sample(&mut random);
            if time > age_days {
                return visit;
            }
            visit = Visit { repeats: visit.repeats + 1, recency_days: time, ..visit };
            if random.random::<f64>() < leaves {
                return visit;
            }
        }
    };
    (0..users).map(user).collect()
}

/// The same where users leave at a rate of their own.
fn simulated_leaving(users: usize, [r, alpha, s, beta]: [f64; 4], days: f64, seed: u64) -> Vec<Visit> {
    let mut random = StdRng::seed_from_u64(seed);
    let (rates, leaving) = (Gamma::new(r, 1.0 / alpha).unwrap(), Gamma::new(s, 1.0 / beta).unwrap());
    let user = |_| {
        let rate = rates.sample(&mut random).max(1e-9);
        let leaves = Exp::new(leaving.sample(&mut random).max(1e-9)).unwrap().sample(&mut random);
        let age_days = days * (0.5 + 0.5 * random.random::<f64>());
        let (gaps, mut time) = (Exp::new(rate).unwrap(), 0.0);
        let mut visit = Visit { repeats: 0, recency_days: 0.0, age_days };
        loop {
            time += gaps.sample(&mut random);
            if time > age_days.min(leaves) {
                return visit;
            }
            visit = Visit { repeats: visit.repeats + 1, recency_days: time, ..visit };
        }
    };
    (0..users).map(user).collect()
}

#[test]
fn the_law_that_was_planted_is_likelier_and_its_parameters_come_back() {
    let truth = [0.5, 10.0, 0.6, 11.0];
    let visits = Visits::new(simulated_leaving(20_000, truth, 200.0, 4));
    let [bg_nbd, pareto_nbd] = ActivityLaw::ALL.map(|law| Activity::fit(&visits, law).unwrap());
    assert!(pareto_nbd.log_likelihood() > bg_nbd.log_likelihood() + 100.0);
    for (parameter, truth) in pareto_nbd.parameters().iter().zip(truth) {
        assert!((parameter.value - truth).abs() < 4.0 * parameter.standard_error, "{parameter:?}, {truth}");
    }
    let visits = Visits::new(simulated(20_000, [0.8, 12.0, 0.9, 3.0], 200.0, 3));
    let [bg_nbd, pareto_nbd] = ActivityLaw::ALL.map(|law| Activity::fit(&visits, law).unwrap());
    assert!(bg_nbd.log_likelihood() > pareto_nbd.log_likelihood() + 100.0);
}

#[test]
fn any_split_of_the_users_has_the_same_fit() {
    let users = simulated_leaving(3_000, [0.5, 10.0, 0.6, 40.0], 200.0, 8);
    let whole = Visits::new(users.iter().copied());
    for parts in [2, 7, 100] {
        let merged = (0..parts)
            .map(|part| Visits::new(users.iter().skip(part).step_by(parts).copied()))
            .fold(Visits::default(), |all, part| part.merge(&all));
        for law in ActivityLaw::ALL {
            assert_eq!(Activity::fit(&merged, law), Activity::fit(&whole, law), "{parts} parts");
        }
    }
}

#[test]
fn planted_parameters_come_back() {
    let truth = [0.8, 12.0, 0.9, 3.0];
    let fitted = BgNbd::fit(&Visits::new(simulated(20_000, truth, 200.0, 3))).unwrap();
    for (parameter, truth) in fitted.parameters.iter().zip(truth) {
        assert!(
            (parameter.value - truth).abs() < 4.0 * parameter.standard_error,
            "{parameter:?} is not {truth}"
        );
    }
}

#[test]
fn every_log_with_a_repeat_has_a_fit() {
    for seed in 0..200u64 {
        let users = [1, 2, 5, 30, 200, 900][seed as usize % 6];
        let truth = [
            0.2 + (seed % 5) as f64,
            1.0 + (seed % 17) as f64,
            0.05 + 0.3 * (seed % 7) as f64,
            0.4 + (seed % 9) as f64,
        ];
        let visits = match seed % 10 {
            0 => vec![Visit { repeats: 3, recency_days: 9.0, age_days: 9.0 }; users],
            1 => vec![Visit { repeats: 1, recency_days: 1.0, age_days: 1e6 }; users],
            2 => vec![Visit { repeats: 100_000, recency_days: 10.0, age_days: 11.0 }; users],
            3 => vec![Visit { repeats: 0, recency_days: 0.0, age_days: 30.0 }; users],
            4 | 5 => simulated_leaving(users, [truth[0], truth[1], truth[2], 20.0 * truth[3]], 90.0, seed),
            _ => simulated(users, truth, 90.0, seed),
        };
        let has_repeats = visits.iter().any(|visit| visit.repeats > 0);
        for law in ActivityLaw::ALL {
            match Activity::fit(&Visits::new(visits.iter().copied()), law) {
                Ok(fitted) => visits.iter().take(20).for_each(|visit| {
                    let (active, expected) = (fitted.active(visit), fitted.expected(visit, 30.0));
                    assert!((0.0..=1.0).contains(&active), "{seed}: {active} {fitted:?}");
                    assert!(
                        expected.is_finite() && expected >= -1e-9,
                        "{seed}: {expected} {visit:?} {fitted:?}"
                    );
                }),
                Err(NoFit::NoRepeats) => assert!(!has_repeats),
                Err(why) => panic!("{law}: {why} for seed {seed}, {users} users"),
            }
        }
    }
}

#[test]
fn days_are_counted_and_parts_add_up() {
    let day = 86_400_000;
    let events = [(0, 0), (0, 3_600_000), (0, 2 * day), (0, 5 * day + 1), (1, 4 * day), (1, 4 * day + 7)];
    let log = EventLog::from_columns(EventColumns {
        users: events.iter().map(|event| event.0).collect(),
        items: vec![0; events.len()],
        times: events.iter().map(|event| Timestamp::from_millis(event.1)).collect(),
        types: vec![EventTypeId(0); events.len()],
        user_names: vec!["a".into(), "b".into()],
        item_names: vec!["x".into()],
        event_types: vec!["purchase".into()],
        ..EventColumns::default()
    })
    .unwrap();
    let visits = Visits::fit_partial(&log, Timestamp::from_millis(10 * day));
    let visit = |repeats, recency_days, age_days| Visit { repeats, recency_days, age_days };
    let (one, other) = (visit(0, 0.0, 6.0), visit(2, 5.0, 10.0));
    assert_eq!(visits.rows().collect::<Vec<_>>(), [(one, 1), (other, 1)]);
    assert_eq!(Visits::new([one]).merge(&Visits::new([other])), visits);
    assert_eq!(visits.users(), 2);
}
