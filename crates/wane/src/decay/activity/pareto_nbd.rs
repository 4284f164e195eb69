//! The Pareto / negative binomial model of repeat visits (Schmittlein, Morrison and Colombo 1987).
//!
//! While active, a user comes back at a rate of their own, gamma distributed with shape `r` and rate `alpha`, and leaves for good
//! at a rate of their own, gamma distributed with shape `s` and rate `beta`: at any time, not only after a visit. A user
//! with `x` repeats, the last at `t` of `T` days, has the likelihood
//!
//! `L = G(r + x) alpha^r beta^s / G(r) * ((alpha + T)^-(r+x) (beta + T)^-s + s I)`,
//!
//! - where `s I` is the likelihood of having left since (`leaving`);
//! - P(active) is the share of the first summand in the sum;
//! - the events to come in `h` days follow from it (Fader and Hardie 2005, "A note on deriving the Pareto/NBD model").

use rayon::prelude::*;
use serde::Serialize;

use super::leaving::Leaving;
use super::top::{NoFit, Top};
use super::visits::Scaled;
use super::{Visit, Visits};
use crate::decay::jet::Jet;
use crate::decay::survival::Parameter;

/// Rows per piece of work.
const PIECE: usize = 1_024;

/// A fitted model; see the module's documentation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParetoNbd {
    /// `r`, `alpha` (in days), `s`, `beta` (in days).
    pub parameters: [Parameter; 4],
    /// Logarithm of the likelihood.
    pub log_likelihood: f64,
    /// Whether a prior had to keep the parameters finite.
    pub is_held: bool,
}

impl ParetoNbd {
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
                top.parameter(2, "s", 1.0),
                top.parameter(3, "beta", scaled.unit),
            ],
            log_likelihood: scaled.per_day(log_likelihood(&scaled.rows, top.at).value),
            is_held: top.is_held,
        })
    }

    /// The probability that a user is still active.
    pub fn active(&self, visit: &Visit) -> f64 {
        let [r, alpha, s, beta] = self.values();
        let (x, end) = (f64::from(visit.repeats), visit.age_days);
        let active = -(r + x) * (alpha + end).ln() - s * (beta + end).ln();
        let left = s.ln() + Leaving { r, alpha, s, beta, x }.log_integral(visit.recency_days, end);
        1.0 / (1.0 + (left - active).exp())
    }

    /// Expected visits in the next days.
    pub fn expected(&self, visit: &Visit, days: f64) -> f64 {
        let [r, alpha, s, beta] = self.values();
        let (x, end) = (f64::from(visit.repeats), visit.age_days);
        let rate = (r + x) / (alpha + end);
        // Days that an active user stays for, of those ahead; the formula has a gap at s = 1, around which it is smooth.
        let log = (days / (beta + end)).ln_1p();
        let power = (s - 1.0) * log;
        let share = if power.abs() < 1e-8 { 1.0 } else { -(-power).exp_m1() / power };
        self.active(visit) * rate * (beta + end) * log * share
    }

    fn values(&self) -> [f64; 4] {
        [0, 1, 2, 3].map(|place| self.parameters[place].value)
    }
}

/// Log-likelihood along the logarithms of the parameters. Rows are in order of the repeats.
fn log_likelihood(rows: &[(Visit, f64)], at: [f64; 4]) -> Jet<4> {
    let of_piece = |rows: &[(Visit, f64)]| {
        let mut sum = Jet::constant(0.0);
        for same in rows.chunk_by(|one, other| one.0.repeats == other.0.repeats) {
            sum = sum + of_same(same, at);
        }
        sum
    };
    // Pieces are summed in their order, whatever the threads.
    let pieces: Vec<Jet<4>> = rows.par_chunks(PIECE).map(of_piece).collect();
    pieces.into_iter().fold(Jet::constant(0.0), |sum, piece| sum + piece)
}

/// Log-likelihood of rows with as many repeats.
fn of_same(rows: &[(Visit, f64)], at: [f64; 4]) -> Jet<4> {
    let [ln_r, ln_alpha, ln_s, ln_beta] = [0, 1, 2, 3].map(|place| Jet::parameter(place, at[place]));
    let (r, alpha, s, beta) = (ln_r.exp(), ln_alpha.exp(), ln_s.exp(), ln_beta.exp());
    let x = f64::from(rows[0].0.repeats);
    let leaving = Leaving { r: r.value, alpha: alpha.value, s: s.value, beta: beta.value, x };
    let users: f64 = rows.iter().map(|row| row.1).sum();
    let all = (r + x).ln_gamma() - r.ln_gamma() + r * ln_alpha + s * ln_beta;
    let of_row = |(visit, users): &(Visit, f64)| {
        let active = -((r + x) * (alpha + visit.age_days).ln() + s * (beta + visit.age_days).ln());
        let left = leaving.log_integral_jet(visit.recency_days, visit.age_days);
        left.map_or(active, |left| active.log_sum(left + ln_s)) * *users
    };
    rows.iter().map(of_row).fold(all * users, |sum, own| sum + own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likelihood_is_that_of_lifetimes_at_any_parameters() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/activity.json")).unwrap();
        let rows = fixture["visits"].as_array().unwrap().iter().map(|row| {
            let number = |place: usize| row[place].as_f64().unwrap();
            Visit { repeats: number(0) as u32, recency_days: number(1), age_days: number(2) }
        });
        let rows: Vec<(Visit, f64)> =
            Visits::new(rows).rows().map(|(visit, users)| (visit, users as f64)).collect();
        for point in fixture["pareto_nbd"]["points"].as_array().unwrap() {
            let number = |place: usize| point[place].as_f64().unwrap();
            let own = log_likelihood(&rows, [0, 1, 2, 3].map(|place| number(place).ln())).value;
            assert!((own - number(4)).abs() < 1e-9 * own.abs(), "{point}: {own}");
        }
    }
}
