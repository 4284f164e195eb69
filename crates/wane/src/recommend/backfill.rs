//! A list is never short: where a model has nothing to say, popularity speaks, very softly.
//!
//! `score(j) = model's score + EPSILON * n_j / n`, with the item's share `n_j / n` of the training events. The term is too
//! small to move an item that the model has an opinion of, and large enough to order those that it has none of. It is
//! the remainder `popularity`.

use super::{Explanation, Parameters, Query, Recommender, Remainder, Scores};
use crate::decay::Kernel;
use crate::events::{EventLog, ItemId};

/// The weight of popularity beside a model.
const EPSILON: f32 = 1e-6;

/// A model whose lists are filled up by popularity.
pub struct Backfill {
    model: Box<dyn Recommender>,
    popularity: Vec<f32>,
}

impl Backfill {
    /// Fills up a model's lists by the popularity of items in its training log.
    pub fn new(model: Box<dyn Recommender>, log: &EventLog) -> Self {
        let mut counts = vec![0u32; model.n_items()];
        for item in log.events().items() {
            if let Some(count) = counts.get_mut(item.index()) {
                *count += 1;
            }
        }
        let n = log.len().max(1) as f32;
        Self { model, popularity: counts.into_iter().map(|count| EPSILON * count as f32 / n).collect() }
    }
}

impl Recommender for Backfill {
    fn n_items(&self) -> usize {
        self.model.n_items()
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        self.model.score(query, scores);
        match query.candidates {
            Some(candidates) => {
                let share = |item: &ItemId| self.popularity.get(item.index()).copied().unwrap_or(0.0);
                // Set, not added: a candidate may be listed twice.
                let backed: Vec<_> =
                    candidates.iter().map(|item| (*item, scores.get(*item) + share(item))).collect();
                backed.into_iter().for_each(|(item, score)| scores.set(item, score));
            }
            None => {
                scores.dense_mut().iter_mut().zip(&self.popularity).for_each(|(score, share)| *score += share)
            }
        }
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        let mut explanation = self.model.explain(query, item);
        let share = self.popularity.get(item.index()).copied().unwrap_or(0.0);
        if share > 0.0 {
            explanation.score += share;
            explanation.remainders.push(Remainder { name: "popularity", share: f64::from(share) });
        }
        explanation
    }

    fn parameters(&self) -> Parameters {
        self.model.parameters()
    }

    fn kernel(&self) -> Option<&Kernel> {
        self.model.kernel()
    }
}
