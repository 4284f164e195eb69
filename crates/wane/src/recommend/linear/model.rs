//! The fitted form that all linear models share: what each event says for each other item.
//!
//! `score(j) = sum over events i of weight(i) * B[item of i, j]`, plus `repeat * weight(i)` for the event's own item:
//! the regressions fix B's diagonal at 0, since an item would predict itself best, and so cannot learn by themselves
//! that coffee is bought again.

use super::sparse::SparseRows;
use super::weights::Weights;
use crate::error::Result;
use crate::events::{Event, ItemId};
use crate::recommend::{Array, Explanation, Parameters, Query, Reason, Recommender, Scores};

/// A fitted linear item-to-item model.
#[derive(Debug, Clone)]
pub struct Linear {
    /// One row per item of the log, columns too.
    weights: SparseRows,
    events: Weights,
    repeat: f32,
    residuals: Vec<f32>,
}

impl Linear {
    /// Spreads weights among the items that took part over all items of the log.
    pub(super) fn new(
        among: &SparseRows,
        items: &[ItemId],
        n_items: usize,
        events: Weights,
        repeat: f32,
    ) -> Self {
        let mut rows = vec![Vec::new(); n_items];
        for (place, item) in items.iter().enumerate() {
            rows[item.index()] =
                among.cells(place).map(|(column, weight)| (items[column as usize].0, weight)).collect();
        }
        Self { weights: SparseRows::from_rows(rows), events, repeat, residuals: Vec::new() }
    }

    pub(super) fn with_residuals(self, residuals: Vec<f32>) -> Self {
        Self { residuals, ..self }
    }

    pub(super) fn from_parameters(
        mut parameters: Parameters,
        n_items: usize,
        events: Weights,
        repeat: f32,
    ) -> Result<Self> {
        let offsets = parameters.take_u64("offsets")?;
        let (columns, values) = (parameters.take_u32("columns")?, parameters.take_f32("values")?);
        let weights = SparseRows::from_arrays((n_items, n_items), &offsets, columns, values)?;
        let residuals = parameters.take_f32("residuals")?;
        Ok(Self { weights, events, repeat, residuals })
    }

    /// What an item says for another: the regression's weight.
    pub fn weight(&self, from: ItemId, to: ItemId) -> f32 {
        self.weights.get(from.index(), to.0)
    }

    /// Relative residual after each iteration of the fit; empty for a closed form. A last value above a few percent
    /// says that more iterations would have changed the model.
    pub fn residuals(&self) -> &[f32] {
        &self.residuals
    }

    /// What one event says for an item, by which relation.
    fn reason(&self, query: &Query<'_>, event: &Event, item: ItemId) -> (&'static str, f64) {
        let weight = f64::from(self.events.weight(event, query.as_of));
        if event.item == item {
            ("self", weight * f64::from(self.repeat))
        } else {
            ("covisit", weight * f64::from(self.weight(event.item, item)))
        }
    }
}

impl Recommender for Linear {
    fn n_items(&self) -> usize {
        self.weights.n_rows()
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        for event in query.history.iter() {
            let weight = self.events.weight(&event, query.as_of);
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
        let reasons: Vec<_> = query
            .history
            .iter()
            .enumerate()
            .map(|(place, event)| {
                let (relation, share) = self.reason(query, &event, item);
                let age_days = query.as_of.days_since(event.time);
                Reason {
                    event: place,
                    relation: relation.into(),
                    age_days,
                    decay: self.events.decay(&event, query.as_of),
                    share,
                }
            })
            .filter(|reason| reason.share != 0.0)
            .collect();
        let score = reasons.iter().map(|reason| reason.share).sum::<f64>() as f32;
        Explanation { score, reasons, remainders: Vec::new() }
    }

    fn parameters(&self) -> Parameters {
        let (offsets, columns, values) = self.weights.to_arrays();
        Parameters::default()
            .with("offsets", Array::U64(offsets))
            .with("columns", Array::U32(columns))
            .with("values", Array::F32(values))
            .with("residuals", Array::F32(self.residuals.clone()))
    }
}
