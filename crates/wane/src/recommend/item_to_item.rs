//! The fitted form of every model in which one item speaks for another: sparse weights under a decay kernel.
//!
//! `score(j) = sum over events i of k(a_i, age of i) * B[x_i, j]`, plus `repeat * k(a_i, age of i)` for the event's own
//! item: neither similarities nor regressions say of themselves that coffee is bought again.
//!
//! Where the half-life is `auto`, it is the one under which the last event of sampled training users is ranked best by
//! their earlier events (mean reciprocal rank); of equals the longest, which forgets least.

use std::borrow::Cow;

use rayon::prelude::*;

use super::sparse_rows::SparseRows;
use super::{Array, Explanation, Parameters, Query, Reason, Recommender, Scores, Training};
use crate::decay::{DecaySettings, HalfLife, Kernel};
use crate::error::{Error, Result};
use crate::events::{Event, History, ItemId, UserId};

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

/// Settings that all item-to-item models share, by what they are used for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    /// How the events of a history lose weight.
    pub(crate) decay: &'a DecaySettings,
    /// What an event says for its own item, 0 and up.
    pub(crate) repeat: f32,
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
        let kernel = asking.decay.resolve(event_types, HalfLife::DAY)?;
        let mut model = Self::new(weights, asking, kernel)?;
        if asking.decay.is_auto() {
            let questions = last_events(training);
            let mut best = f64::NEG_INFINITY;
            let mut found = model.kernel.clone();
            for half_life in HalfLife::grid(training.log.span(), GRID) {
                model.kernel = asking.decay.resolve(event_types, half_life)?;
                let quality = model.reciprocal_ranks(&questions);
                if quality >= best {
                    (best, found) = (quality, model.kernel.clone());
                }
            }
            model.kernel = found;
        }
        Ok(model)
    }

    fn new(weights: SparseRows, asking: Asking<'_>, kernel: Kernel) -> Result<Self> {
        let Asking { repeat, relation, .. } = asking;
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
        Ok(Self::new(weights, asking, kernel)?.with_residuals(residuals))
    }

    pub(crate) fn with_residuals(self, residuals: Vec<f32>) -> Self {
        Self { residuals, ..self }
    }

    /// What an item says for another.
    pub fn weight(&self, from: ItemId, to: ItemId) -> f32 {
        self.weights.get(from.index(), to.0)
    }

    /// How the events of a history lose weight.
    pub const fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Relative residual after each iteration of an iterative fit; empty for others. A last value above a few percent
    /// says that more iterations would have changed the model.
    pub fn residuals(&self) -> &[f32] {
        &self.residuals
    }

    /// Sum of the reciprocal ranks of the items that came, in the order of the questions.
    fn reciprocal_ranks(&self, questions: &[(History<'_>, Event)]) -> f64 {
        let rank = |scores: &mut Scores, (history, next): &(History<'_>, Event)| {
            scores.clear();
            self.score(&Query { history: *history, as_of: next.time, candidates: None }, scores);
            let score = scores.get(next.item);
            let ahead = scores.touched().iter().filter(|&&item| scores.get(item) >= score).count();
            if score > 0.0 { 1.0 / ahead as f64 } else { 0.0 }
        };
        let scratch = || Scores::new(self.n_items());
        let ranks: Vec<f64> = questions.par_iter().map_init(scratch, rank).collect();
        ranks.iter().sum()
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

/// Users that are asked about, and half-lives that are tried.
const QUESTIONS: usize = 400;
const GRID: usize = 16;

/// Of evenly spaced users, the history before the last event and that event.
fn last_events<'a>(training: &Training<'a>) -> Vec<(History<'a>, Event)> {
    let log = training.log;
    let users: Vec<UserId> =
        log.histories().filter(|(_, history)| history.len() > 1).map(|(user, _)| user).collect();
    let question = |user: &UserId| {
        let history = log.history(*user);
        let next = history.get(history.len() - 1)?;
        Some((history.first(history.len() - 1), next))
    };
    users.iter().step_by(users.len().div_ceil(QUESTIONS).max(1)).filter_map(question).collect()
}

impl Recommender for ItemToItem {
    fn n_items(&self) -> usize {
        self.weights.n_rows()
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        for event in query.history.iter() {
            let weight = self.kernel.weight(event.event_type, query.as_of.days_since(event.time));
            if weight == 0.0 {
                continue;
            }
            if self.repeat > 0.0 && event.item.index() < self.n_items() {
                scores.add(event.item, weight * self.repeat);
            }
            for (item, says) in self.weights.cells(event.item.index()) {
                scores.add(ItemId(item), weight * says);
            }
        }
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
            .with("residuals", Array::F32(self.residuals.clone()))
    }
}
