//! The linear models against dense algebra done by hand, and their reasons against their scores.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::ease::ease;
use super::interactions::Interactions;
use super::inverse::invert;
use super::slim::{Admm, slim};
use super::*;
use crate::decay::{DecaySettings, HalfLife, HalfLifeSetting};
use crate::events::{EventColumns, EventLog, EventTypeId, ItemId, Timestamp, UserId};
use crate::recommend::{Query, Recommender, Scores, Training};

/// A log from `(user, item, day)` rows.
pub(crate) fn log(n_users: usize, n_items: usize, rows: &[(u32, u32, i64)]) -> EventLog {
    EventLog::from_columns(EventColumns {
        users: rows.iter().map(|row| row.0).collect(),
        items: rows.iter().map(|row| row.1).collect(),
        times: rows.iter().map(|row| Timestamp::from_millis(row.2 * crate::events::MILLIS_PER_DAY)).collect(),
        types: vec![EventTypeId(0); rows.len()],
        user_names: (0..n_users).map(|user| format!("u{user:03}")).collect(),
        item_names: (0..n_items).map(|item| format!("i{item:03}")).collect(),
        event_types: vec!["event".into()],
        ..EventColumns::default()
    })
    .unwrap()
}

/// 30 users, half of whom want even items of twelve, half odd ones; each misses one.
pub(crate) fn two_tastes() -> EventLog {
    let wants = |user: u32, item: u32| item % 2 == user % 2 && item / 2 != (user / 2) % 6;
    let rows: Vec<_> = (0..30)
        .flat_map(|user| (0..12).filter(move |&item| wants(user, item)).map(move |i| (user, i, i64::from(i))))
        .collect();
    log(30, 12, &rows)
}

fn random_gram(n: usize, seed: u64) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(seed);
    let x: Vec<f32> = (0..3 * n * n).map(|_| random.random_range(0.0..1.0)).collect();
    let mut gram = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            gram[i * n + j] = (0..3 * n).map(|u| x[u * n + i] * x[u * n + j]).sum();
        }
    }
    gram
}

#[test]
fn the_inverse_undoes_the_matrix() {
    let n = 40;
    let mut inverse = random_gram(n, 1);
    inverse.iter_mut().step_by(n + 1).for_each(|d| *d += 5.0);
    let matrix = inverse.clone();
    invert(&mut inverse, n).unwrap();
    for i in 0..n {
        for j in 0..n {
            let product: f32 = (0..n).map(|k| matrix[i * n + k] * inverse[k * n + j]).sum();
            assert!((product - f32::from(u8::from(i == j))).abs() < 1e-3, "{i} {j} {product}");
        }
    }
    assert!(invert(&mut [1.0, 2.0, 2.0, 1.0], 2).is_err());
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let admm = Admm { iterations: 2, ..admm(0.01) };
        pool.install(|| {
            (ease(random_gram(150, 2), 150, 0.1, 20), slim(random_gram(150, 2), 150, &admm).unwrap())
        })
    };
    let (one, three) = (run(1), run(3));
    assert_eq!(one.0.unwrap(), three.0.unwrap());
    assert_eq!(one.1, three.1);
}

/// `|x_j - X b|^2 + ridge |b|^2` in terms of the Gram matrix, up to a constant.
fn loss(gram: &[f32], n: usize, j: usize, ridge: f64, b: &dyn Fn(usize) -> f64) -> f64 {
    let g = |i: usize, k: usize| f64::from(gram[i * n + k]);
    (0..n)
        .map(|i| {
            let quadratic: f64 = (0..n).map(|k| b(i) * g(i, k) * b(k)).sum();
            quadratic - 2.0 * b(i) * g(i, j) + ridge * b(i) * b(i)
        })
        .sum()
}

#[test]
fn ease_is_the_minimum_of_its_loss() {
    let n = 12;
    let gram = random_gram(n, 3);
    let ridge = 0.5 * super::ease::mean_diagonal(&gram, n);
    let weights = ease(gram.clone(), n, 0.5, n).unwrap();
    for j in 0..n {
        let solved = |i: usize| f64::from(weights.get(i, j as u32));
        let least = loss(&gram, n, j, ridge, &solved);
        assert_eq!(solved(j), 0.0);
        for moved in (0..n).filter(|&i| i != j) {
            for by in [-0.01, 0.01] {
                let nearby = |i: usize| solved(i) + if i == moved { by } else { 0.0 };
                assert!(loss(&gram, n, j, ridge, &nearby) > least, "item {j}, weight {moved} by {by}");
            }
        }
    }
}

fn admm(l1: f64) -> Admm {
    Admm { l1, l2: 0.5, rho: 1.0, is_non_negative: false, iterations: 500, tolerance: 1e-6, neighbours: 99 }
}

#[test]
fn slim_without_l1_is_ease_and_with_it_the_minimum_of_its_loss() {
    let n = 10;
    let gram = random_gram(n, 4);
    let unit = super::ease::mean_diagonal(&gram, n);
    let (plain, residuals) = slim(gram.clone(), n, &admm(0.0)).unwrap();
    let closed = ease(gram.clone(), n, 0.5, n).unwrap();
    assert!(residuals.last().unwrap() < &1e-3, "{residuals:?}");
    let far = |a: &crate::recommend::sparse_rows::SparseRows, i, j| (a.get(i, j) - closed.get(i, j)).abs();
    assert!((0..n).all(|i| (0..n as u32).all(|j| far(&plain, i, j) < 2e-3)));

    let (sparse, _) = slim(gram.clone(), n, &admm(0.05)).unwrap();
    for j in 0..n {
        let objective = |b: &dyn Fn(usize) -> f64| {
            let size: f64 = (0..n).map(|i| b(i).abs()).sum();
            0.5 * loss(&gram, n, j, 0.5 * unit, b) + 0.05 * unit * size
        };
        let solved = |i: usize| f64::from(sparse.get(i, j as u32));
        let least = objective(&solved);
        for moved in (0..n).filter(|&i| i != j) {
            for by in [-0.02, 0.02] {
                let nearby = |i: usize| solved(i) + if i == moved { by } else { 0.0 };
                assert!(objective(&nearby) > least, "item {j}, weight {moved} by {by}");
            }
        }
    }
}

#[test]
fn non_negative_slim_has_no_negative_weight() {
    let settings = Admm { is_non_negative: true, ..admm(0.01) };
    let (weights, _) = slim(random_gram(10, 5), 10, &settings).unwrap();
    assert!(weights.to_arrays().2.iter().all(|&weight| weight > 0.0));
}

#[test]
fn a_user_counts_once_per_item_and_only_supported_items_take_part() {
    let log = log(3, 4, &[(0, 1, 0), (0, 1, 9), (0, 2, 5), (1, 1, 9), (2, 3, 9)]);
    let counts =
        Interactions::count(&log, 2, |event| event.time.days_since(Timestamp::from_millis(0)) as f32);
    assert_eq!(counts.items(), [ItemId(1), ItemId(2)]);
    assert_eq!(counts.gram(), [81.0 + 81.0, 45.0, 45.0, 25.0]);
}

#[test]
fn two_tastes_are_told_apart() {
    let log = two_tastes();
    let training = Training::new(&log, None, 1);
    let models = [
        EaseSettings { ridge: 0.5, ..EaseSettings::default() }.fit(&training).unwrap(),
        SlimSettings::default().fit(&training).unwrap(),
    ];
    for model in models {
        assert!(model.weight(ItemId(0), ItemId(2)) > 0.01);
        assert!(model.weight(ItemId(0), ItemId(3)) <= 0.001);
    }
}

#[test]
fn settings_are_checked() {
    let log = two_tastes();
    let training = Training::new(&log, None, 1);
    let wrong = EaseSettings { ridge: -1.0, ..EaseSettings::default() };
    let message = wrong.fit(&training).unwrap_err().to_string();
    assert_eq!(message, "setting `ridge`: expected a number above 0, got -1");
    let wrong = SlimSettings { iterations: 0, ..SlimSettings::default() };
    assert!(wrong.fit(&training).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn reasons_sum_to_scores_and_parameters_come_back(
        rows in proptest::collection::vec((0u32..6, 0u32..9, 0i64..50), 1..60),
        half_life in proptest::option::of(1.0f64..30.0),
        repeat in prop_oneof![Just(0.0f32), 0.0f32..2.0],
    ) {
        let log = log(6, 9, &rows);
        let fixed = |days| HalfLifeSetting::Fixed(HalfLife::from_days(days).unwrap());
        let half_life = half_life.map_or(HalfLifeSetting::Auto, fixed);
        let decay = DecaySettings { half_life, ..DecaySettings::default() };
        let settings = EaseSettings {
            decay: decay.clone(),
            training_decay: decay,
            repeat: Some(repeat),
            neighbours: 3,
            ..EaseSettings::default()
        };
        let model = settings.fit(&Training::new(&log, None, 1)).unwrap();
        let again = settings.load(model.parameters(), 9, log.event_types()).unwrap();
        prop_assert!(settings.load(model.parameters(), 8, log.event_types()).is_err());
        for user in 0..6 {
            let as_of = Timestamp::from_millis(60 * crate::events::MILLIS_PER_DAY);
            let query = Query { history: log.history(UserId(user)), as_of, candidates: None };
            let (mut scores, mut loaded) = (Scores::new(9), Scores::new(9));
            model.score(&query, &mut scores);
            again.score(&query, &mut loaded);
            prop_assert_eq!(scores.values(), loaded.values());
            for item in (0..9).map(ItemId) {
                let why = model.explain(&query, item);
                let sum: f64 = why.reasons.iter().map(|reason| reason.share).sum();
                let size: f64 = why.reasons.iter().map(|reason| reason.share.abs()).sum();
                prop_assert!((f64::from(scores.get(item)) - sum).abs() <= 1e-5 * size + 1e-12);
            }
        }
    }
}
