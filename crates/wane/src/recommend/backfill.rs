//! A list is never short: where a model has nothing to say, popularity speaks, very softly.
//!
//! `score(j) = model's score + EPSILON * n_j / n`, with the item's share `n_j / n` of the training events. The term is too
//! small to move an item that the model has an opinion of, and large enough to order those that it has none of. It is
//! the remainder `popularity`.
//!
//! Only the [`REACH`] most popular items get it, or the candidates where a question names them: adding to all of a
//! million items would cost a hundred times what a neighbourhood model does.

use super::{Explanation, Parameters, Query, Recommender, Remainder, Scores};
use crate::decay::Kernel;
use crate::events::{EventLog, ItemId};

/// The weight of popularity beside a model.
const EPSILON: f32 = 1e-6;

/// Items that are backed when a question names no candidates: longer than any list, with room for filters.
const REACH: usize = 1_000;

/// A model whose lists are filled up by popularity.
pub struct Backfill {
    model: Box<dyn Recommender>,
    /// What popularity adds to each item.
    shares: Vec<f32>,
    /// The most popular items.
    reach: Vec<ItemId>,
    is_reached: Vec<bool>,
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
        let mut reach: Vec<ItemId> = (0..counts.len() as u32).map(ItemId).collect();
        reach.sort_by_key(|item| std::cmp::Reverse(counts[item.index()]));
        reach.truncate(REACH);
        reach.retain(|item| counts[item.index()] > 0);
        let mut is_reached = vec![false; counts.len()];
        reach.iter().for_each(|item| is_reached[item.index()] = true);
        let n = log.len().max(1) as f32;
        let shares = counts.into_iter().map(|count| EPSILON * count as f32 / n).collect();
        Self { model, shares, reach, is_reached }
    }

    fn share(&self, item: ItemId) -> f32 {
        self.shares.get(item.index()).copied().unwrap_or(0.0)
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
                // Set, not added: a candidate may be listed twice.
                let backed: Vec<_> =
                    candidates.iter().map(|&item| (item, scores.get(item) + self.share(item))).collect();
                backed.into_iter().for_each(|(item, score)| scores.set(item, score));
            }
            None => self.reach.iter().for_each(|&item| scores.add(item, self.share(item))),
        }
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        let mut explanation = self.model.explain(query, item);
        let is_backed = query.candidates.is_some() || self.is_reached.get(item.index()) == Some(&true);
        let share = self.share(item);
        if is_backed && share > 0.0 {
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
