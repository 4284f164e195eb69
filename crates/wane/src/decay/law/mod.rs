//! Decay laws: the weight that is left of an event, as a function of its age. One law per file, its formula on top.
//!
//! All laws are written in `x = age / half-life`, so that `weight(0) = 1`, `weight(half-life) = 1/2` and no weight ever
//! increases, whatever the law. That makes half-lives comparable between laws, and a search over laws meaningful.

mod exponential;
mod gaussian;
mod hyperbolic;
mod linear;
mod log_logistic;
mod power;
mod weibull;
mod window;

use serde::{Deserialize, Serialize};

use super::HalfLife;
use crate::error::{Error, Result};

/// Halvings after which a weight stays as it is: it is then 1e-30, and a user who was away for long keeps a history.
/// Without it an `f32` weight would vanish at 150 half-lives, and with it all that is known of the user.
const FAINTEST: f64 = 100.0;

/// What is left after so many halvings.
fn left_after(halvings: f64) -> f64 {
    (-halvings.min(FAINTEST)).exp2()
}

/// The form of a decay law. `power`, `weibull` and `log-logistic` have a shape, see [`Decay::shape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// Nothing is ever forgotten: the weight is 1.
    None,
    /// `2^(-x)`.
    #[default]
    Exponential,
    /// `(1 + (2^(1/p) - 1) x)^(-p)`.
    Power,
    /// `max(0, 1 - x / 2)`.
    Linear,
    /// `2^(-x^2)`.
    Gaussian,
    /// `2^(-x^k)`.
    Weibull,
    /// `1 / (1 + x^k)`.
    LogLogistic,
    /// `1 / (1 + x)`.
    Hyperbolic,
    /// 1 up to the half-life, 0 beyond.
    Window,
}

impl Law {
    /// All laws, for searches and drawings.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Exponential,
        Self::Power,
        Self::Linear,
        Self::Gaussian,
        Self::Weibull,
        Self::LogLogistic,
        Self::Hyperbolic,
        Self::Window,
    ];
}

/// A law with its numbers: `weight(age) = floor + (1 - floor) * law((age - offset) / half-life)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decay {
    law: Law,
    half_life: HalfLife,
    shape: f64,
    offset: f64,
    floor: f64,
}

impl Decay {
    /// A law with a half-life, no offset, no floor and shape 1.
    pub const fn new(law: Law, half_life: HalfLife) -> Self {
        Self { law, half_life, shape: 1.0, offset: 0.0, floor: 0.0 }
    }

    /// With another shape, from 0.01 to 20. Below that, `2^(1/shape)` in the power law is not finite.
    ///
    /// # Errors
    /// [`Error::Setting`] outside that range.
    pub fn shape(mut self, shape: f64) -> Result<Self> {
        if !(0.01..=20.0).contains(&shape) {
            return Err(Error::setting("shape", "a number from 0.01 to 20", shape));
        }
        self.shape = shape;
        Ok(self)
    }

    /// With full weight during the first `days`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a negative or infinite number.
    pub fn offset(mut self, days: f64) -> Result<Self> {
        if !(days >= 0.0 && days.is_finite()) {
            return Err(Error::setting("offset", "a finite number of days, at least 0", days));
        }
        self.offset = days;
        Ok(self)
    }

    /// Never below `floor`.
    ///
    /// # Errors
    /// [`Error::Setting`] outside 0..1.
    pub fn floor(mut self, floor: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&floor) {
            return Err(Error::setting("floor", "a weight from 0 to below 1", floor));
        }
        self.floor = floor;
        Ok(self)
    }

    /// The half-life (of what is above the floor, after the offset).
    pub const fn half_life(&self) -> HalfLife {
        self.half_life
    }

    /// The form of the law.
    pub const fn law(&self) -> Law {
        self.law
    }

    /// The weight left at an age in days; ages below 0 count as 0.
    pub fn weight(&self, age_days: f64) -> f64 {
        let x = (age_days - self.offset).max(0.0) / self.half_life.days();
        let left = match self.law {
            Law::None => 1.0,
            Law::Exponential => exponential::weight(x),
            Law::Power => power::weight(x, self.shape),
            Law::Linear => linear::weight(x),
            Law::Gaussian => gaussian::weight(x),
            Law::Weibull => weibull::weight(x, self.shape),
            Law::LogLogistic => log_logistic::weight(x, self.shape),
            Law::Hyperbolic => hyperbolic::weight(x),
            Law::Window => window::weight(x),
        };
        self.floor + (1.0 - self.floor) * left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decay(law: Law, days: f64, shape: f64) -> Decay {
        Decay::new(law, HalfLife::from_days(days).unwrap()).shape(shape).unwrap()
    }

    #[test]
    fn half_of_the_weight_is_left_at_the_half_life() {
        for law in Law::ALL.into_iter().filter(|&law| law != Law::None) {
            for shape in [0.3, 1.0, 4.0] {
                let left = decay(law, 7.0, shape).weight(7.0);
                assert!((left - 0.5).abs() < 1e-12, "{law:?} with shape {shape}: {left}");
            }
        }
    }

    #[test]
    fn a_user_who_was_away_for_long_keeps_a_history() {
        for law in [Law::Exponential, Law::Gaussian, Law::Weibull] {
            assert!(decay(law, 0.1, 1.0).weight(1e6) as f32 > 0.0, "{law:?}");
        }
    }

    #[test]
    fn offset_and_floor_frame_the_law() {
        let decay = decay(Law::Exponential, 2.0, 1.0).offset(3.0).unwrap().floor(0.2).unwrap();
        assert_eq!(decay.weight(3.0), 1.0);
        assert!((decay.weight(5.0) - 0.6).abs() < 1e-12);
        assert!((decay.weight(1e9) - 0.2).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn weights_are_finite_start_at_one_and_never_rise(
            law in proptest::sample::select(Law::ALL.to_vec()),
            half_life in 1e-6..1e5f64, shape in 0.01..20.0f64, age in 0.0..1e9f64, more in 0.0..1e9f64,
        ) {
            let decay = decay(law, half_life, shape);
            let (young, old) = (decay.weight(age), decay.weight(age + more));
            prop_assert_eq!(decay.weight(0.0), 1.0);
            prop_assert_eq!(decay.weight(-5.0), 1.0);
            prop_assert!((0.0..=1.0).contains(&young) && (0.0..=1.0).contains(&old));
            prop_assert!(old <= young, "{} then {}", young, old);
        }
    }
}
