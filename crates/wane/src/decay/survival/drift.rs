//! Does interest wane at another pace than it used to?
//!
//! The log is cut into windows of equal length, and every gap belongs to the window in which it begins. All gaps are watched
//! for the same time, so that later windows are not shorter-sighted. With `d` returns in a total exposure of `T`
//! days, a window's pace is `y = ln(d / T)`, and that they are all the same is tested by Hotelling's statistic
//!
//! `F = (G - p) / (p (G - 1)) * z^T C^-1 z`, `z = (y_1 - y_W, ..., y_p - y_W)`, `p = W - 1`,
//!
//! with the covariance `C` of `z` from the delete-a-group jackknife over `G` groups of users, on `(p, G - p)` degrees of
//! freedom: a user's gaps resemble each other, in one window and across them. The paces' own intervals are by the same jackknife.

use faer::prelude::Solve;
use faer::{Mat, Side};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::{Gaps, Interval};

/// Returns at least, in every window.
const FEWEST: u64 = 20;
/// Half of a 95 % interval, in standard errors.
const NORMAL: f64 = 1.96;

/// Paces of return by window, and whether they differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// Returns per day of watching, oldest window first, with 95 % intervals.
    pub paces: Vec<Interval>,
    /// The probability of such differences if nothing had changed.
    pub p_value: f64,
}

/// Tests the gaps of some windows, each by group of users; nothing where there is too little to compare.
pub fn drift(windows: &[Vec<Gaps>]) -> Option<Drift> {
    let free = windows.len().checked_sub(1).filter(|&free| free > 0)?;
    let counts: Vec<Vec<(u64, f64)>> =
        windows.iter().map(|groups| groups.iter().map(exposure).collect()).collect();
    if counts.iter().any(|groups| groups.iter().map(|group| group.0).sum::<u64>() < FEWEST) {
        return None;
    }
    let n_groups = windows[0].len();
    let used: Vec<usize> =
        (0..n_groups).filter(|&place| counts.iter().any(|groups| groups[place].1 > 0.0)).collect();
    let log_paces = |left_out: Option<usize>| {
        counts.iter().map(|groups| Some(pace(groups, left_out)?.ln())).collect::<Option<Vec<f64>>>()
    };
    let whole = log_paces(None)?;
    let parts = used.iter().map(|&place| log_paces(Some(place))).collect::<Option<Vec<_>>>()?;
    let n = parts.len() as f64;
    // Of two numbers that each part has.
    let covariance_of = |one: &dyn Fn(&[f64]) -> f64, other: &dyn Fn(&[f64]) -> f64| {
        let mean = |of: &dyn Fn(&[f64]) -> f64| parts.iter().map(|part| of(part)).sum::<f64>() / n;
        let (mean_of_one, mean_of_other) = (mean(one), mean(other));
        let products = parts.iter().map(|part| (one(part) - mean_of_one) * (other(part) - mean_of_other));
        products.sum::<f64>() * (n - 1.0) / n
    };
    let contrast = |a: usize| move |part: &[f64]| part[a] - part[free];
    let covariance = Mat::from_fn(free, free, |a, b| covariance_of(&contrast(a), &contrast(b)));
    let solved = covariance.llt(Side::Lower).ok()?.solve(Mat::from_fn(free, 1, |a, _| contrast(a)(&whole)));
    let statistic: f64 = (0..free).map(|a| contrast(a)(&whole) * solved[(a, 0)]).sum();
    let p = free as f64;
    let law = FisherSnedecor::new(p, n - p).ok()?;
    let p_value = law.sf(statistic * (n - p) / (p * (n - 1.0)));
    let interval = |(place, log): (usize, &f64)| {
        let own = |part: &[f64]| part[place];
        let half = NORMAL * covariance_of(&own, &own).sqrt();
        Interval { value: log.exp(), low: (log - half).exp(), high: (log + half).exp() }
    };
    let paces = whole.iter().enumerate().map(interval).collect();
    p_value.is_finite().then_some(Drift { paces, p_value })
}

/// Returns and days of watching.
fn exposure(gaps: &Gaps) -> (u64, f64) {
    let days = gaps.rows().iter().map(|row| row.days() * (row.returned + row.censored) as f64);
    (gaps.returned(), days.sum())
}

/// Returns per day, without a group; nothing where there are none.
fn pace(groups: &[(u64, f64)], left_out: Option<usize>) -> Option<f64> {
    let kept = groups.iter().enumerate().filter(|(place, _)| Some(*place) != left_out);
    let (returns, days) = kept.fold((0, 0.0), |sum, (_, group)| (sum.0 + group.0, sum.1 + group.1));
    (returns > 0 && days > 0.0).then(|| returns as f64 / days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::survival::GROUPS;
    use crate::events::MILLIS_PER_DAY;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// Windows in which users come back at paces of their own around those given.
    fn windows(seed: u64, days: &[f64]) -> Vec<Vec<Gaps>> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut lengths = vec![vec![Vec::new(); GROUPS]; days.len()];
        for user in 0..400 {
            let own = 0.3 + 1.4 * random.random::<f64>();
            for (days, groups) in days.iter().zip(&mut lengths) {
                for _ in 0..random.random_range(1..8) {
                    let age = -(1.0 - random.random::<f64>()).ln() * own * days;
                    let length = (age.min(10.0) * MILLIS_PER_DAY as f64) as i64;
                    groups[user % GROUPS].push((length, age <= 10.0));
                }
            }
        }
        let gaps = |groups: Vec<Vec<(i64, bool)>>| groups.into_iter().map(Gaps::new).collect();
        lengths.into_iter().map(gaps).collect()
    }

    #[test]
    fn change_is_found_where_it_is_and_seldom_where_it_is_not() {
        assert!(drift(&windows(1, &[5.0, 5.0, 7.0, 7.0])).unwrap().p_value < 1e-3);
        let false_alarms = (0..400).filter(|&seed| drift(&windows(seed, &[5.0; 4])).unwrap().p_value < 0.05);
        // 20 are expected, with a standard deviation of 4.4.
        let count = false_alarms.count();
        assert!((8..=33).contains(&count), "{count}");
        assert_eq!(drift(&windows(1, &[5.0])), None);
        assert_eq!(drift(&[vec![Gaps::default(); GROUPS], vec![Gaps::default(); GROUPS]]), None);
    }

    #[test]
    fn intervals_of_paces_hold_the_pace_that_many_more_users_show() {
        let paces = |seed: u64| drift(&windows(seed, &[5.0, 8.0])).unwrap().paces;
        let many = |place: usize| (1_000..1_100).map(|seed| paces(seed)[place].value).sum::<f64>() / 100.0;
        let truth = [many(0), many(1)];
        let holds = |seed: u64| {
            let paces = paces(seed);
            (0..2).filter(|&place| (paces[place].low..=paces[place].high).contains(&truth[place])).count()
        };
        // 380 of 400 are expected, with a standard deviation of 4.4.
        let count: usize = (0..200).map(holds).sum();
        assert!((367..=393).contains(&count), "{count}");
    }
}
