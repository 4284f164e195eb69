//! Settings of the linear models, and fitting them.

use serde::{Deserialize, Serialize};

use super::ease::ease;
use super::interactions::Interactions;
use super::slim::{Admm, slim};
use crate::decay::DecaySettings;
use crate::error::{Error, Result};
use crate::events::ItemId;
use crate::recommend::item_knn::{training_kernel, training_weight};
use crate::recommend::item_to_item::Asking;
use crate::recommend::sparse_rows::SparseRows;
use crate::recommend::{ItemToItem, Parameters, Range, Training, Values};

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
    /// How the events of a history lose weight when the model is asked.
    pub decay: DecaySettings,
    /// How events lose weight with age before the end of the log when users are counted; `auto`: half the span.
    pub training_decay: DecaySettings,
    /// What an event says for its own item, 0 and up; unset: found from the training log.
    pub repeat: Option<f32>,
}

impl Default for EaseSettings {
    fn default() -> Self {
        Self {
            ridge: 3.0,
            neighbours: 500,
            max_items: 12_000,
            decay: DecaySettings::default(),
            training_decay: DecaySettings::without_decay(),
            repeat: None,
        }
    }
}

impl EaseSettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "ridge", values: Values::Log(0.1, 100.0) },
        Range { name: "decay.half_life", values: Values::Log(0.05, 1_000.0) },
        Range { name: "repeat", values: Values::Linear(0.0, 2.0) },
    ];

    fn asking(&self) -> Asking<'_> {
        Asking { decay: &self.decay, repeat: self.repeat, relation: "covisit" }
    }

    fn check(&self) -> Result<()> {
        positive("ridge", self.ridge)?;
        sizes(self.neighbours, self.max_items)
    }

    /// Solves the regression.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range.
    pub fn fit(&self, training: &Training<'_>) -> Result<ItemToItem> {
        self.check()?;
        let (items, gram) = gram(training, self.max_items, &self.training_decay)?;
        let among = ease(gram, items.len(), self.ridge, self.neighbours)?;
        ItemToItem::fit(spread(&among, &items, training.log.n_items()), self.asking(), training)
    }

    /// The fitted model from its saved parameters.
    ///
    /// # Errors
    /// When the parameters are not those of this model with so many items.
    pub fn load(&self, parameters: Parameters, n_items: usize, event_types: &[String]) -> Result<ItemToItem> {
        self.check()?;
        ItemToItem::load(parameters, self.asking(), n_items, event_types)
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
    /// How the events of a history lose weight when the model is asked.
    pub decay: DecaySettings,
    /// How events lose weight with age before the end of the log when users are counted; `auto`: half the span.
    pub training_decay: DecaySettings,
    /// What an event says for its own item, 0 and up; unset: found from the training log.
    pub repeat: Option<f32>,
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
            decay: DecaySettings::default(),
            training_decay: DecaySettings::without_decay(),
            repeat: None,
        }
    }
}

impl SlimSettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "l1", values: Values::Log(0.001, 0.3) },
        Range { name: "l2", values: Values::Log(0.05, 20.0) },
        Range { name: "decay.half_life", values: Values::Log(0.05, 1_000.0) },
        Range { name: "repeat", values: Values::Linear(0.0, 2.0) },
    ];

    fn asking(&self) -> Asking<'_> {
        Asking { decay: &self.decay, repeat: self.repeat, relation: "covisit" }
    }

    fn check(&self) -> Result<()> {
        not_negative("l1", self.l1)?;
        not_negative("l2", self.l2)?;
        positive("rho", self.rho)?;
        not_negative("tolerance", f64::from(self.tolerance))?;
        if !(1..=1000).contains(&self.iterations) {
            return Err(Error::setting("iterations", "1 to 1000", self.iterations));
        }
        sizes(self.neighbours, self.max_items)
    }

    /// Iterates to the sparse regression.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range.
    pub fn fit(&self, training: &Training<'_>) -> Result<ItemToItem> {
        self.check()?;
        let (items, gram) = gram(training, self.max_items, &self.training_decay)?;
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
        let weights = spread(&among, &items, training.log.n_items());
        Ok(ItemToItem::fit(weights, self.asking(), training)?.with_residuals(residuals))
    }

    /// The fitted model from its saved parameters.
    ///
    /// # Errors
    /// When the parameters are not those of this model with so many items.
    pub fn load(&self, parameters: Parameters, n_items: usize, event_types: &[String]) -> Result<ItemToItem> {
        self.check()?;
        ItemToItem::load(parameters, self.asking(), n_items, event_types)
    }
}

/// The items that take part, and their Gram matrix.
fn gram(training: &Training<'_>, max_items: usize, decay: &DecaySettings) -> Result<(Vec<ItemId>, Vec<f32>)> {
    let kernel = training_kernel(decay, training.log)?;
    let counts = Interactions::count(training.log, max_items, training_weight(&kernel, training.log));
    Ok((counts.items().to_vec(), counts.gram()))
}

/// Weights among the items that took part, in rows and columns of all items.
fn spread(among: &SparseRows, items: &[ItemId], n_items: usize) -> SparseRows {
    let mut rows = vec![Vec::new(); n_items];
    for (place, item) in items.iter().enumerate() {
        rows[item.index()] =
            among.cells(place).map(|(column, weight)| (items[column as usize].0, weight)).collect();
    }
    SparseRows::from_rows(rows)
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
