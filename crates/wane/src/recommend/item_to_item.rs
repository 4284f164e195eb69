//! The fitted form of every model in which one item speaks for another: sparse weights under a decay kernel.
//!
//! `score(j) = sum over events i of k(a_i, age of i) * B[x_i, j]`, plus `repeat * k(a_i, age of i)` for the event's own
//! item: neither similarities nor regressions say of themselves that coffee is bought again.
//!
//! Where the half-life is `auto` or `repeat` is not given, they are those under which the last baskets of training users
//! are ranked best.

use std::borrow::Cow;

use super::hold_out::HoldOut;
use super::sparse_rows::SparseRows;
use super::{Array, Explanation, Parameters, Query, Reason, Recommender, Scores, Training};
use crate::decay::{DecaySettings, HalfLife, Kernel};
use crate::error::{Error, Result};
use crate::events::{Event, ItemId};

/// A fitted item-to-item model.
#[derive(Debug, Clone)]
pub struct ItemToItem {
    /// One row per item of the log, columns too.
    weights: SparseRows,
    /// What a weight is called in reasons.
    relation: Cow<'static, str>,
    kernel: Kernel,
    repeat: f32,
    residuals: Vec<f32>,
}

/// Weights that an event may have for its own item, to choose from.
const REPEATS: &[f32] = &[0.0, 0.1, 0.3, 1.0, 3.0];

/// Settings that all item-to-item models share, by what they are used for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    /// How the events of a history lose weight.
    pub(crate) decay: &'a DecaySettings,
    /// What an event says for its own item, 0 and up; unset: found from the log.
    pub(crate) repeat: Option<f32>,
    /// What a weight is called in reasons.
    pub(crate) relation: &'static str,
}

impl ItemToItem {
    /// A model from its weights, one row per item of the log; finds the half-life if that is wanted.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range.
    pub(crate) fn fit(weights: SparseRows, asking: Asking<'_>, training: &Training<'_>) -> Result<Self> {
        let event_types = training.log.event_types();
        let kernel = |half_life| asking.decay.resolve(event_types, half_life);
        let mut model = Self::new(weights, asking, kernel(HalfLife::DAY)?)?;
        let hold_out = HoldOut::last_baskets(training.log);
        if asking.repeat.is_none() {
            let middle = kernel(hold_out.median_age()?)?;
            let score = |repeat, query: &Query<'_>, scores: &mut Scores| {
                model.score_with(&middle, repeat, query, scores)
            };
            model.repeat = hold_out.best_of(0.0, REPEATS, score);
        }
        if asking.decay.is_auto() {
            let found = hold_out.best_half_life(|half_life, query, scores| {
                if let Ok(kernel) = kernel(half_life) {
                    model.score_with(&kernel, model.repeat, query, scores);
                }
            })?;
            model.kernel = kernel(found)?;
        }
        Ok(model)
    }

    fn new(weights: SparseRows, asking: Asking<'_>, kernel: Kernel) -> Result<Self> {
        let Asking { repeat, relation, .. } = asking;
        let repeat = repeat.unwrap_or(0.0);
        if !(repeat >= 0.0 && repeat.is_finite()) {
            return Err(Error::setting("repeat", "a number from 0 up", repeat));
        }
        Ok(Self { weights, relation: Cow::Borrowed(relation), kernel, repeat, residuals: Vec::new() })
    }

    /// Restores a saved model.
    ///
    /// # Errors
    /// When the parameters are not those of an item-to-item model with so many items.
    pub(crate) fn load(
        mut parameters: Parameters,
        asking: Asking<'_>,
        n_items: usize,
        event_types: &[String],
    ) -> Result<Self> {
        let kernel = parameters.take_kernel(asking.decay, event_types)?;
        let offsets = parameters.take_u64("offsets")?;
        let (columns, values) = (parameters.take_u32("columns")?, parameters.take_f32("values")?);
        let weights = SparseRows::from_arrays((n_items, n_items), &offsets, columns, values)?;
        let residuals = parameters.take_f32("residuals")?;
        let repeat = parameters.take_f32("repeat")?.first().copied();
        Ok(Self::new(weights, Asking { repeat, ..asking }, kernel)?.with_residuals(residuals))
    }

    pub(crate) fn with_residuals(self, residuals: Vec<f32>) -> Self {
        Self { residuals, ..self }
    }

    /// What an item says for another.
    pub fn weight(&self, from: ItemId, to: ItemId) -> f32 {
        self.weights.get(from.index(), to.0)
    }

    /// Relative residual after each iteration of an iterative fit; empty for others. A last value above a few percent
    /// says that more iterations would have changed the model.
    pub fn residuals(&self) -> &[f32] {
        &self.residuals
    }

    fn score_with(&self, kernel: &Kernel, repeat: f32, query: &Query<'_>, scores: &mut Scores) {
        for event in query.history.iter() {
            let weight = kernel.weight(event.event_type, query.as_of.days_since(event.time));
            if weight == 0.0 {
                continue;
            }
            if repeat > 0.0 && event.item.index() < self.n_items() {
                scores.add(event.item, weight * repeat);
            }
            for (item, says) in self.weights.cells(event.item.index()) {
                scores.add(ItemId(item), weight * says);
            }
        }
    }

    /// What one event says for an item, by which relation.
    fn share(&self, event: &Event, age_days: f64, item: ItemId) -> (Cow<'static, str>, f64) {
        let weight = f64::from(self.kernel.weight(event.event_type, age_days));
        if event.item == item {
            (Cow::Borrowed("self"), weight * f64::from(self.repeat))
        } else {
            (self.relation.clone(), weight * f64::from(self.weight(event.item, item)))
        }
    }
}

impl Recommender for ItemToItem {
    fn n_items(&self) -> usize {
        self.weights.n_rows()
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        self.score_with(&self.kernel, self.repeat, query, scores);
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        let reasons: Vec<_> = (0..)
            .zip(query.history.iter())
            .map(|(place, event)| {
                let age_days = query.as_of.days_since(event.time);
                let (relation, share) = self.share(&event, age_days, item);
                let decay = self.kernel.decay(event.event_type, age_days);
                Reason { event: place, relation, age_days, decay, share }
            })
            .filter(|reason| reason.share != 0.0)
            .collect();
        let score = reasons.iter().map(|reason| reason.share).sum::<f64>() as f32;
        Explanation { score, reasons, remainders: Vec::new() }
    }

    fn parameters(&self) -> Parameters {
        let (offsets, columns, values) = self.weights.to_arrays();
        Parameters::default()
            .with_kernel(&self.kernel)
            .with("offsets", Array::U64(offsets))
            .with("columns", Array::U32(columns))
            .with("values", Array::F32(values))
            .with("repeat", Array::F32(vec![self.repeat]))
            .with("residuals", Array::F32(self.residuals.clone()))
    }

    fn kernel(&self) -> Option<&Kernel> {
        Some(&self.kernel)
    }
}
