//! Settings of the linear models, and fitting them.

use serde::{Deserialize, Serialize};

use super::ease::ease;
use super::interactions::Interactions;
use super::model::Linear;
use super::slim::{Admm, slim};
use super::weights::Weights;
use crate::decay::HalfLife;
use crate::error::{Error, Result};
use crate::events::{Event, Timestamp};
use crate::recommend::{Parameters, Training};

/// Settings of EASE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EaseSettings {
    /// Ridge in units of the mean diagonal of the Gram matrix; above 0. More: trust counts less.
    pub ridge: f64,
    /// Weights kept per item, 1 and up.
    pub neighbours: usize,
    /// Items that take part, those with the most users, 1 to 30,000; memory grows by the square, time by the cube.
    pub max_items: usize,
    /// Half-life, in days, of the events of a history when the model is asked; none: no decay.
    pub half_life: Option<HalfLife>,
    /// Half-life, in days before the end of the log, of the events that are counted in training; none: no decay.
    pub training_half_life: Option<HalfLife>,
    /// What an event says for its own item, 0 and up.
    pub repeat: f32,
}

impl Default for EaseSettings {
    fn default() -> Self {
        Self {
            ridge: 3.0,
            neighbours: 500,
            max_items: 12_000,
            half_life: None,
            training_half_life: None,
            repeat: 0.0,
        }
    }
}

impl EaseSettings {
    fn check(&self) -> Result<()> {
        positive("ridge", self.ridge)?;
        sizes(self.neighbours, self.max_items)?;
        not_negative("repeat", f64::from(self.repeat))
    }

    /// Solves the regression.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range.
    pub fn fit(&self, training: &Training<'_>) -> Result<Linear> {
        self.check()?;
        let counts = count(training, self.max_items, self.training_half_life);
        let items = counts.items().to_vec();
        let gram = counts.gram();
        drop(counts);
        let among = ease(gram, items.len(), self.ridge, self.neighbours)?;
        Ok(Linear::new(&among, &items, training.log.n_items(), Weights::new(self.half_life), self.repeat))
    }

    /// The fitted model from its saved parameters.
    ///
    /// # Errors
    /// When the parameters are not those of this model with so many items.
    pub fn load(&self, parameters: Parameters, n_items: usize) -> Result<Linear> {
        self.check()?;
        Linear::from_parameters(parameters, n_items, Weights::new(self.half_life), self.repeat)
    }
}

/// Settings of SLIM by ADMM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlimSettings {
    /// L1 penalty in units of the mean diagonal of the Gram matrix, 0 and up. More: fewer weights.
    pub l1: f64,
    /// L2 penalty in the same units, 0 and up.
    pub l2: f64,
    /// Step of ADMM in the same units, above 0; it changes how fast the answer comes, not which it is.
    pub rho: f64,
    /// Whether weights are kept from being negative.
    pub non_negative: bool,
    /// Most iterations, 1 to 1,000.
    pub iterations: usize,
    /// Relative residual and change at which the iterations end, 0 and up.
    pub tolerance: f32,
    /// Weights kept per item, 1 and up.
    pub neighbours: usize,
    /// Items that take part, those with the most users, 1 to 30,000; memory grows by the square, time by the cube.
    pub max_items: usize,
    /// Half-life, in days, of the events of a history when the model is asked; none: no decay.
    pub half_life: Option<HalfLife>,
    /// Half-life, in days before the end of the log, of the events that are counted in training; none: no decay.
    pub training_half_life: Option<HalfLife>,
    /// What an event says for its own item, 0 and up.
    pub repeat: f32,
}

impl Default for SlimSettings {
    fn default() -> Self {
        Self {
            l1: 0.01,
            l2: 1.0,
            rho: 10.0,
            non_negative: true,
            iterations: 30,
            tolerance: 0.02,
            neighbours: 500,
            max_items: 5_000,
            half_life: None,
            training_half_life: None,
            repeat: 0.0,
        }
    }
}

impl SlimSettings {
    fn check(&self) -> Result<()> {
        not_negative("l1", self.l1)?;
        not_negative("l2", self.l2)?;
        positive("rho", self.rho)?;
        not_negative("tolerance", f64::from(self.tolerance))?;
        not_negative("repeat", f64::from(self.repeat))?;
        if !(1..=1000).contains(&self.iterations) {
            return Err(Error::setting("iterations", "1 to 1000", self.iterations));
        }
        sizes(self.neighbours, self.max_items)
    }

    /// Iterates to the sparse regression.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range.
    pub fn fit(&self, training: &Training<'_>) -> Result<Linear> {
        self.check()?;
        let counts = count(training, self.max_items, self.training_half_life);
        let items = counts.items().to_vec();
        let gram = counts.gram();
        drop(counts);
        let admm = Admm {
            l1: self.l1,
            l2: self.l2,
            rho: self.rho,
            is_non_negative: self.non_negative,
            iterations: self.iterations,
            tolerance: self.tolerance,
            neighbours: self.neighbours,
        };
        let (among, residuals) = slim(gram, items.len(), &admm)?;
        let events = Weights::new(self.half_life);
        Ok(Linear::new(&among, &items, training.log.n_items(), events, self.repeat).with_residuals(residuals))
    }

    /// The fitted model from its saved parameters.
    ///
    /// # Errors
    /// When the parameters are not those of this model with so many items.
    pub fn load(&self, parameters: Parameters, n_items: usize) -> Result<Linear> {
        self.check()?;
        Linear::from_parameters(parameters, n_items, Weights::new(self.half_life), self.repeat)
    }
}

/// Counts the log with events weighed by their age at its end.
fn count(training: &Training<'_>, max_items: usize, half_life: Option<HalfLife>) -> Interactions {
    let end = training.log.span().map_or(Timestamp::from_millis(0), |(_, last)| last);
    let weights = Weights::new(half_life);
    Interactions::count(training.log, max_items, |event: &Event| weights.weight(event, end))
}

fn positive(name: &str, value: f64) -> Result<()> {
    let is_within = value > 0.0 && value.is_finite();
    if is_within { Ok(()) } else { Err(Error::setting(name, "a number above 0", value)) }
}

fn not_negative(name: &str, value: f64) -> Result<()> {
    let is_within = value >= 0.0 && value.is_finite();
    if is_within { Ok(()) } else { Err(Error::setting(name, "a number from 0 up", value)) }
}

fn sizes(neighbours: usize, max_items: usize) -> Result<()> {
    if neighbours == 0 {
        return Err(Error::setting("neighbours", "1 or more", neighbours));
    }
    if !(1..=30_000).contains(&max_items) {
        return Err(Error::setting("max_items", "1 to 30000", max_items));
    }
    Ok(())
}
