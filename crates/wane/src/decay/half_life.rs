//! The one number of decay that people understand.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::events::Timestamp;

/// The age, in days, at which a weight has halved: finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct HalfLife(f64);

impl HalfLife {
    /// One day.
    pub const DAY: Self = Self(1.0);

    /// `n` half-lives, evenly spaced in the logarithm, to choose from for a log of this span: from a ten-thousandth of
    /// it (but at least ten seconds) up to all of it. So a log of one day is searched from seconds to a day, and one of
    /// ten years from hours to ten years.
    pub fn grid(span: Option<(Timestamp, Timestamp)>, n: usize) -> Vec<Self> {
        let days = span.map_or(1.0, |(first, last)| last.days_since(first)).max(1e-3);
        let least = (days / 1e4).max(10.0 / 86_400.0);
        let steps = n.saturating_sub(1).max(1) as f64;
        (0..n).map(|step| Self(least * (days / least).powf(step as f64 / steps))).collect()
    }

    /// A half-life of so many days.
    ///
    /// # Errors
    /// [`Error::Setting`] unless `days` is finite and above zero.
    pub fn from_days(days: f64) -> Result<Self> {
        if days.is_finite() && days > 0.0 {
            Ok(Self(days))
        } else {
            Err(Error::setting("half_life", "a finite number of days above 0", days))
        }
    }

    /// The half-life in days.
    pub const fn days(self) -> f64 {
        self.0
    }

    /// The rate of the exponential law with this half-life, per day: `ln 2 / half_life`.
    pub fn rate(self) -> f64 {
        std::f64::consts::LN_2 / self.0
    }
}

impl TryFrom<f64> for HalfLife {
    type Error = Error;

    fn try_from(days: f64) -> Result<Self> {
        Self::from_days(days)
    }
}

impl From<HalfLife> for f64 {
    fn from(half_life: HalfLife) -> Self {
        half_life.days()
    }
}
