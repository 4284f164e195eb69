//! The shared time basis of a learned model: a few exponentials whose rates are learned.
//!
//! - Scale m weighs an event of age s (days), after which n newer events came, with `exp(-(lambda_m s + delta_m n))`.
//! - `lambda_m` is the rate of the clock (half-life `ln 2 / lambda_m`). `delta_m >= 0` is displacement: interest is also
//!   pushed out by newer events, each of which leaves the share `gamma_m = exp(-delta_m)` of it.
//! - A kernel is a sum of scales with signed coefficients, so it can also rise first: a refill after four weeks.

use super::HalfLife;

/// Scales with learned rates; see the module's documentation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TimeBasis {
    /// `lambda_m`, per day, above 0.
    pub rates: Vec<f32>,
    /// `delta_m`, per newer event, 0 or above.
    pub displacements: Vec<f32>,
}

impl TimeBasis {
    /// Number of scales M.
    pub fn len(&self) -> usize {
        self.rates.len()
    }

    /// Whether there are no scales.
    pub fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }

    /// Writes the weight of an event in every scale: 1 at age 0 without newer events, falling from there.
    pub fn weights(&self, age_days: f32, newer_events: f32, weights: &mut [f32]) {
        for ((weight, rate), displacement) in weights.iter_mut().zip(&self.rates).zip(&self.displacements) {
            *weight = (-(rate * age_days + displacement * newer_events)).exp();
        }
    }

    /// The half-lives of the scales, fastest first as learned; those that are out of range are left out.
    pub fn half_lives(&self) -> impl Iterator<Item = HalfLife> + '_ {
        self.rates
            .iter()
            .filter_map(|&rate| HalfLife::from_days(std::f64::consts::LN_2 / f64::from(rate)).ok())
    }
}
