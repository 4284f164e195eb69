//! What share of users has not come back by each age, without assuming a law (Kaplan and Meier 1958).
//!
//! - `S(t) = prod_{t_k <= t} (1 - d_k / n_k)`, with `d_k` returns at `t_k` among the `n_k` gaps that are at least as long;
//!   a gap whose end is unseen counts up to its own length.
//! - Greenwood's variance of `ln S`: `sum d_k / (n_k (n_k - d_k))`.
//! - The interval is symmetric in `ln(-ln S)`, so it stays between 0 and 1 (Kalbfleisch and Prentice 1980).
//! - The interval of the median is where the interval's curves cross one half (Brookmeyer and Crowley 1982).
//!
//! Gaps of one user are taken as independent: where few users make most of the events, intervals are too narrow.

use serde::Serialize;

use super::{Gaps, Interval};

/// Quantile of the normal law for an interval of 95 %.
pub(super) const Z95: f64 = 1.959_963_984_540_054;

/// The curve at one age.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Left {
    /// The age in days.
    pub days: f64,
    /// The share that has not come back by then.
    pub share: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The share that has not come back, at each age at which some did; the first point is age 0.
pub fn kaplan_meier(gaps: &Gaps) -> Vec<Left> {
    let mut at_risk = gaps.count();
    let (mut share, mut variance) = (1.0, 0.0);
    let mut curve = vec![Left { days: 0.0, share: 1.0, low: 1.0, high: 1.0 }];
    for row in gaps.rows() {
        if row.returned > 0 {
            let (n, d) = (at_risk as f64, row.returned as f64);
            share *= 1.0 - d / n;
            variance += d / (n * (n - d));
            let (low, high) = log_log_interval(share, variance);
            curve.push(Left { days: row.days(), share, low, high });
        }
        at_risk -= row.returned + row.censored;
    }
    curve
}

fn log_log_interval(share: f64, variance: f64) -> (f64, f64) {
    if share <= 0.0 || share >= 1.0 {
        return (share, share);
    }
    let (middle, half) = ((-share.ln()).ln(), Z95 * variance.sqrt() / share.ln().abs());
    ((-(middle + half).exp()).exp(), (-(middle - half).exp()).exp())
}

/// The age by which half have come back; nothing where that is not seen.
pub fn median(curve: &[Left]) -> Option<Interval> {
    let crossing = |value: fn(&Left) -> f64| Some(curve.iter().find(|left| value(left) <= 0.5)?.days);
    Some(Interval {
        value: crossing(|left| left.share)?,
        low: crossing(|left| left.low)?,
        high: crossing(|left| left.high).unwrap_or(f64::INFINITY),
    })
}

/// The curve at an age.
pub fn left_at(curve: &[Left], days: f64) -> Option<&Left> {
    curve.get(curve.partition_point(|left| left.days <= days).checked_sub(1)?)
}
