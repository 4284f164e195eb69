//! The share of a user's visits that have a value: a log of views and purchases has many without.
//!
//! Each user has a share of their own, beta distributed with `a` and `b`, so `k` of `n` visits have the likelihood
//! `B(a + k, b + n - k) / B(a, b)` and the next one has a value with probability `(a + k) / (a + b + n)` (beta-binomial, Skellam 1948).

use std::collections::BTreeMap;

use serde::Serialize;

use super::top::{NoFit, Top};
use super::{Spending, Spent};
use crate::decay::jet::Jet;
use crate::decay::survival::Parameter;

/// How likely a visit has a value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Conversion {
    /// Every visit that was seen has one.
    Always,
    /// Each user has a share of their own.
    Beta {
        /// `a`, `b`.
        parameters: [Parameter; 2],
        /// Whether a prior had to keep the parameters finite.
        is_held: bool,
    },
}

impl Conversion {
    /// Fits the shares by maximum likelihood.
    ///
    /// # Errors
    /// [`NoFit`], which says why there is no fit.
    pub fn fit(spending: &Spending) -> Result<Self, NoFit> {
        let mut counts: BTreeMap<(u32, u32), f64> = BTreeMap::new();
        for (spent, users) in spending.rows() {
            *counts.entry((spent.days_with_value, spent.days)).or_default() += users as f64;
        }
        if counts.keys().all(|(valued, _)| *valued == 0) {
            return Err(NoFit::NoValues);
        }
        if counts.keys().all(|(valued, days)| valued == days) {
            return Ok(Self::Always);
        }
        let rows: Vec<_> = counts.into_iter().collect();
        let top = Top::of(&rows, log_likelihood, [0.0, 0.0])?;
        let parameters = [top.parameter(0, "a", 1.0), top.parameter(1, "b", 1.0)];
        Ok(Self::Beta { parameters, is_held: top.is_held })
    }

    /// The probability that a user's next visit has a value.
    pub fn share(&self, spent: &Spent) -> f64 {
        match self {
            Self::Always => 1.0,
            Self::Beta { parameters: [a, b], .. } => {
                (a.value + f64::from(spent.days_with_value)) / (a.value + b.value + f64::from(spent.days))
            }
        }
    }
}

/// Log-likelihood along the logarithms of the parameters.
fn log_likelihood(rows: &[((u32, u32), f64)], at: [f64; 2]) -> Jet<2> {
    let (a, b) = (Jet::parameter(0, at[0]).exp(), Jet::parameter(1, at[1]).exp());
    let log_beta = |a: Jet<2>, b: Jet<2>| a.ln_gamma() + b.ln_gamma() - (a + b).ln_gamma();
    let all = log_beta(a, b);
    let of_row = |&((valued, days), users): &((u32, u32), f64)| {
        let (valued, days) = (f64::from(valued), f64::from(days));
        (log_beta(a + valued, b + (days - valued)) - all) * users
    };
    rows.iter().map(of_row).fold(Jet::constant(0.0), |sum, own| sum + own)
}
