//! What makes interest return sooner or later: gaps compared by what was known as each began.
//!
//! Two regressions say the same in two languages, and where they differ neither should be trusted:
//!
//! - [`proportional_hazards`] (Cox 1972): at any age, a return is `exp(b)` times as likely. No law of return is assumed.
//! - [`half_life_regression`] (Settles and Meeder 2016, here by maximum likelihood with censoring): the half-life is `exp(b)`
//!   times as long.
//!
//! Both have a baseline for every cell (an event type on a category, brand or item), so that like is compared with like: that fuel
//! comes back sooner than flowers is no effect. Standard errors are those of the observed information, and robust ones
//! beside them that let one user's gaps resemble each other (Lin and Wei 1989).
//!
//! Useful for: what goes along with early returns. Not useful for: causes (who buys at a discount differs from who does not).

mod climb;
mod concordance;
mod design;
mod features;
mod gap_starts;
mod half_life_regression;
mod hazards;
mod prices;

pub use design::ObservedGaps;
pub use features::{Feature, Features, LeftOut};
pub use gap_starts::{GapStart, gap_starts};
pub use half_life_regression::{HalfLifeRegression, half_life_regression};
pub use hazards::{ProportionalHazards, proportional_hazards};
pub use prices::Prices;

use serde::Serialize;

use super::Interval;
use super::kaplan_meier::Z95;

/// Users at least for robust errors: fewer say too little of how users differ.
const FEWEST_USERS: usize = 10;

/// A regression coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Coefficient {
    /// The estimate.
    pub value: f64,
    /// Standard error if gaps were independent.
    pub standard_error: f64,
    /// Standard error that lets the gaps of a user resemble each other; none with fewer than ten users.
    pub robust_error: Option<f64>,
}

impl Coefficient {
    /// `exp` of the estimate with its 95 % interval, by the robust error where there is one.
    pub fn factor(&self) -> Interval {
        let half = Z95 * self.robust_error.unwrap_or(self.standard_error);
        Interval { value: self.value.exp(), low: (self.value - half).exp(), high: (self.value + half).exp() }
    }
}

#[cfg(test)]
mod slopes {
    use super::ObservedGaps;
    use super::climb::Here;
    use super::design::Design;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// Gaps of whole days, with ties, in two cells.
    pub(super) fn design() -> Design {
        let mut random = StdRng::seed_from_u64(1);
        let n = 150;
        Design::of(&ObservedGaps {
            days: (0..n).map(|_| f64::from(random.random_range(1..20u32))).collect(),
            is_return: (0..n).map(|_| random.random::<f64>() < 0.7).collect(),
            baseline: (0..n).map(|_| random.random_range(0..2)).collect(),
            user: (0..n).map(|_| random.random_range(0..30)).collect(),
            width: 2,
            covariates: (0..2 * n).map(|_| random.random::<f64>()).collect(),
        })
        .unwrap()
    }

    /// Slopes and information are the central differences of values and slopes.
    pub(super) fn check(at: &[f64], of: &dyn Fn(&[f64]) -> Here) {
        let (here, step) = (of(at), 1e-5);
        let near = |analytic: f64, numeric: f64| {
            assert!((analytic - numeric).abs() < 1e-5 * (1.0 + numeric.abs()), "{analytic} {numeric}");
        };
        for a in 0..at.len() {
            let moved = |by: f64| {
                let mut at = at.to_vec();
                at[a] += by;
                of(&at)
            };
            let (up, down) = (moved(step), moved(-step));
            near(here.slope[a], (up.value - down.value) / (2.0 * step));
            for b in 0..at.len() {
                near(-here.information()[(a, b)], (up.slope[b] - down.slope[b]) / (2.0 * step));
            }
        }
    }

    /// The scores of gaps add up to the slope.
    pub(super) fn check_sum(slopes: &[f64], scores: &[f64]) {
        for (a, slope) in slopes.iter().enumerate() {
            let sum: f64 = scores.iter().skip(a).step_by(slopes.len()).sum();
            assert!((sum - slope).abs() < 1e-9, "{sum} {slope}");
        }
    }
}
