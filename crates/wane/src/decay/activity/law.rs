//! The laws of coming back and leaving, so that a forecast need not know which one it is made with.

use std::fmt;

use serde::Serialize;

use super::{BgNbd, NoFit, ParetoNbd, Visit, Visits};
use crate::decay::survival::Parameter;

/// How users come back and leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivityLaw {
    /// They leave after a visit; see [`BgNbd`].
    BgNbd,
    /// They leave at any time; see [`ParetoNbd`].
    ParetoNbd,
}

impl ActivityLaw {
    /// All laws. Each has four parameters, so by likelihood, by Akaike's and by the Bayesian criterion the same one is best.
    pub const ALL: [Self; 2] = [Self::BgNbd, Self::ParetoNbd];
}

impl fmt::Display for ActivityLaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", if *self == Self::BgNbd { "BG/NBD" } else { "Pareto/NBD" })
    }
}

/// A fitted law.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "law", rename_all = "kebab-case")]
pub enum Activity {
    /// Of [`ActivityLaw::BgNbd`].
    BgNbd(BgNbd),
    /// Of [`ActivityLaw::ParetoNbd`].
    ParetoNbd(ParetoNbd),
}

impl Activity {
    /// Fits a law by maximum likelihood.
    ///
    /// # Errors
    /// [`NoFit`], which says why there is no fit.
    pub fn fit(visits: &Visits, law: ActivityLaw) -> Result<Self, NoFit> {
        match law {
            ActivityLaw::BgNbd => BgNbd::fit(visits).map(Self::BgNbd),
            ActivityLaw::ParetoNbd => ParetoNbd::fit(visits).map(Self::ParetoNbd),
        }
    }

    /// The law.
    pub fn law(&self) -> ActivityLaw {
        match self {
            Self::BgNbd(_) => ActivityLaw::BgNbd,
            Self::ParetoNbd(_) => ActivityLaw::ParetoNbd,
        }
    }

    /// Its parameters.
    pub fn parameters(&self) -> &[Parameter] {
        match self {
            Self::BgNbd(law) => &law.parameters,
            Self::ParetoNbd(law) => &law.parameters,
        }
    }

    /// Logarithm of the likelihood.
    pub fn log_likelihood(&self) -> f64 {
        match self {
            Self::BgNbd(law) => law.log_likelihood,
            Self::ParetoNbd(law) => law.log_likelihood,
        }
    }

    /// Whether a prior had to keep the parameters finite.
    pub fn is_held(&self) -> bool {
        match self {
            Self::BgNbd(law) => law.is_held,
            Self::ParetoNbd(law) => law.is_held,
        }
    }

    /// The probability that a user is still active.
    pub fn active(&self, visit: &Visit) -> f64 {
        match self {
            Self::BgNbd(law) => law.active(visit),
            Self::ParetoNbd(law) => law.active(visit),
        }
    }

    /// Expected visits in the next days.
    pub fn expected(&self, visit: &Visit, days: f64) -> f64 {
        match self {
            Self::BgNbd(law) => law.expected(visit, days),
            Self::ParetoNbd(law) => law.expected(visit, days),
        }
    }
}
