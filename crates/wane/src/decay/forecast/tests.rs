use super::*;

#[test]
fn what_runs_out_comes_back_at_its_pace() {
    // A hundred users who buy every ten days, and a hundred who bought once.
    let pair = |user: u32, ages: Vec<i64>| Pair {
        user: crate::events::UserId(user),
        key: 0,
        watched: 100,
        away: 1,
        active: 3,
        came: false,
        ages,
    };
    let regular = |user: u32, since: i64| pair(user, (0..10).rev().map(|time| since + 10 * time).collect());
    let mut pairs: Vec<Pair> = (0..100).map(|user| regular(user, i64::from(user % 10))).collect();
    pairs.extend((100..200).map(|user| pair(user, vec![i64::from(user % 90)])));
    let renewal = Renewal::fit(&pairs);
    assert!((renewal.pace(&regular(0, 3)) - 10.0).abs() < 1e-9);
    let ahead = |since| renewal.ahead(&regular(0, since), 2.0);
    assert!(ahead(8) > 5.0 * ahead(1), "{} {}", ahead(8), ahead(1));
    assert!(ahead(8) > 5.0 * ahead(60), "{} {}", ahead(8), ahead(60));
}

#[test]
fn weights_are_those_of_maximum_likelihood() {
    let rows: Vec<f64> = (0..4_000).map(|place| f64::from(place % 40) / 10.0 - 2.0).collect();
    let came: Vec<bool> = (0..4_000u32).map(|place| place / 40 < 20 + 2 * (place % 40)).collect();
    let model = Logistic::fit(&rows, 1, &came);
    // At the top the mean probability is the share that came, and so it is weighted by the feature, but for the prior.
    let sums = rows.iter().zip(&came).fold((0.0, 0.0), |sums, (x, came)| {
        let error = model.probability(&[*x]) - f64::from(u8::from(*came));
        (sums.0 + error, sums.1 + error * x)
    });
    assert!(sums.0.abs() < 1e-3 && sums.1.abs() < 3.0, "{sums:?}");
}

#[test]
fn shares_are_counted_one_horizon_ago() {
    let pair = |user: u32, key: u32, ages: Vec<i64>| Pair {
        user: crate::events::UserId(user),
        key,
        watched: 100,
        away: 1,
        active: 3,
        came: false,
        ages,
    };
    // User 0 came back to both categories, user 1 to none; what is first seen within the horizon does not count.
    let pairs = [
        pair(0, 0, vec![30, 3]),
        pair(0, 1, vec![20, 7]),
        pair(0, 2, vec![5]),
        pair(1, 0, vec![40]),
        pair(1, 1, vec![40, 20]),
    ];
    let counted = Surroundings::of(&pairs, 7.0);
    let of_all: f64 = 2.5 / 5.0;
    let drawn = |came_back: f64, known: f64| ((came_back + 20.0 * of_all) / (known + 20.0)).ln();
    let [user, key, breadth] = counted.say(&pairs[0]);
    assert!((user - drawn(2.0, 2.0)).abs() < 1e-12 && (key - drawn(1.0, 2.0)).abs() < 1e-12);
    // Within four horizons: 3, 20, 7 and 5 days ago.
    assert!((breadth - 4f64.ln_1p()).abs() < 1e-12);
    let [user, key, _] = counted.say(&pairs[2]);
    assert!((user - drawn(2.0, 2.0)).abs() < 1e-12 && (key - of_all.ln()).abs() < 1e-12);
}
