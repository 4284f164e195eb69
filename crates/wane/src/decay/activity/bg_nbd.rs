//! The beta-geometric / negative binomial model of repeat visits (Fader, Hardie and Lee 2005).
//!
//! While active, a user comes back at a rate of their own, gamma distributed with shape `r` and rate `alpha`; after each
//! visit they leave for good with a probability of their own, beta distributed with `a` and `b`. A user with `x`
//! repeats, the last at `t` of `T` days, has the likelihood
//!
//! `L = G(r + x) alpha^r / G(r) * B(a, b + x) / B(a, b) * ((alpha + T)^-(r+x) + [x > 0] a / (b + x - 1) (alpha + t)^-(r+x))`,
//!
//! - P(active) is the share of its first summand in the sum;
//! - the events to come in `h` days follow from it and Gauss's `2F1` (their equation 10).

use rayon::prelude::*;
use serde::Serialize;

use super::top::{NoFit, Top};
use super::visits::Scaled;
use super::{Visit, Visits};
use crate::decay::jet::Jet;
use crate::decay::survival::Parameter;

/// Rows per piece of work.
const PIECE: usize = 8_192;
/// Terms of the series at most.
const TERMS: u32 = 1_000_000;

/// A fitted model; see the module's documentation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BgNbd {
    /// `r`, `alpha` (in days), `a`, `b`.
    pub parameters: [Parameter; 4],
    /// Logarithm of the likelihood.
    pub log_likelihood: f64,
    /// Whether a prior had to keep the parameters finite.
    pub is_held: bool,
}

impl BgNbd {
    /// Fits the model by maximum likelihood.
    ///
    /// # Errors
    /// [`NoFit`], which says why there is no fit.
    pub fn fit(visits: &Visits) -> Result<Self, NoFit> {
        let scaled = Scaled::of(visits)?;
        let top = Top::of(&scaled.rows, log_likelihood, [0.0, 0.0, 0.0, 1.0])?;
        Ok(Self {
            parameters: [
                top.parameter(0, "r", 1.0),
                top.parameter(1, "alpha", scaled.unit),
                top.parameter(2, "a", 1.0),
                top.parameter(3, "b", 1.0),
            ],
            log_likelihood: scaled.per_day(log_likelihood(&scaled.rows, top.at).value),
            is_held: top.is_held,
        })
    }

    /// The probability that a user is still active.
    pub fn active(&self, visit: &Visit) -> f64 {
        let [r, alpha, a, b] = self.values();
        if visit.repeats == 0 {
            return 1.0;
        }
        let x = f64::from(visit.repeats);
        let since = (r + x) * ((alpha + visit.age_days) / (alpha + visit.recency_days)).ln();
        1.0 / (1.0 + a / (b + x - 1.0) * since.exp())
    }

    /// Expected visits in the next days.
    pub fn expected(&self, visit: &Visit, days: f64) -> f64 {
        let [_, _, a, _] = self.values();
        // The formula has a gap at a = 1, around which it is smooth.
        if (a - 1.0).abs() < 1e-5 {
            return 0.5
                * (self.expected_with(visit, days, 1.0 - 1e-4)
                    + self.expected_with(visit, days, 1.0 + 1e-4));
        }
        self.expected_with(visit, days, a)
    }

    fn expected_with(&self, visit: &Visit, days: f64, a: f64) -> f64 {
        let [r, alpha, _, b] = self.values();
        let (x, known) = (f64::from(visit.repeats), alpha + visit.age_days);
        let rest = scaled_series(r + x, b + x, a + b + x - 1.0, days / (known + days));
        (a + b + x - 1.0) / (a - 1.0) * (1.0 - rest) * self.active(visit)
    }

    fn values(&self) -> [f64; 4] {
        [0, 1, 2, 3].map(|place| self.parameters[place].value)
    }
}

/// `(1 - z)^p 2F1(p, q; s; z)` for z in [0, 1), by its series; the power is taken in step with the sum, which may be large.
fn scaled_series(p: f64, q: f64, s: f64, z: f64) -> f64 {
    const LARGE: f64 = 1e200;
    let mut exponent = p * (-z).ln_1p();
    let (mut term, mut sum) = (1.0f64, 1.0f64);
    for k in 0..TERMS {
        let k = f64::from(k);
        let ratio = (p + k) * (q + k) / ((s + k) * (k + 1.0)) * z;
        term *= ratio;
        sum += term;
        if term.abs() <= 1e-16 * sum.abs() && ratio.abs() < 1.0 {
            break;
        }
        if sum.abs() > LARGE {
            (term, sum, exponent) = (term / LARGE, sum / LARGE, exponent + LARGE.ln());
        }
    }
    sum * exponent.exp()
}

/// Log-likelihood along the logarithms of the parameters. Rows are in order of the repeats.
fn log_likelihood(rows: &[(Visit, f64)], at: [f64; 4]) -> Jet<4> {
    let of_piece = |rows: &[(Visit, f64)]| {
        let [ln_r, ln_alpha, ln_a, ln_b] = [0, 1, 2, 3].map(|place| Jet::parameter(place, at[place]));
        let (r, alpha, a, b) = (ln_r.exp(), ln_alpha.exp(), ln_a.exp(), ln_b.exp());
        let mut sum = Jet::constant(0.0);
        for same in rows.chunk_by(|one, other| one.0.repeats == other.0.repeats) {
            let x = f64::from(same[0].0.repeats);
            let users: f64 = same.iter().map(|row| row.1).sum();
            let rates = (r + x).ln_gamma() - r.ln_gamma() + r * ln_alpha;
            let stays = (b + x).ln_gamma() + (a + b).ln_gamma() - (a + b + x).ln_gamma() - b.ln_gamma();
            sum = sum + (rates + stays) * users;
            for (visit, users) in same {
                let active = -((r + x) * (alpha + visit.age_days).ln());
                let left = || ln_a - (b + (x - 1.0)).ln() - (r + x) * (alpha + visit.recency_days).ln();
                let either = if x > 0.0 { active.log_sum(left()) } else { active };
                sum = sum + either * *users;
            }
        }
        sum
    };
    // Pieces are summed in their order, whatever the threads.
    let pieces: Vec<Jet<4>> = rows.par_chunks(PIECE).map(of_piece).collect();
    pieces.into_iter().fold(Jet::constant(0.0), |sum, piece| sum + piece)
}
