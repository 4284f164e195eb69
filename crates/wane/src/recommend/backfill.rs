//! A list is never short: where a model is silent, popularity speaks, below everything that the model says for an item.
//!
//! Items without a score get `s * n_j / n`: the item's share `n_j / n` of the training events, times the least score
//! `s` above 0 that the model gave (1 if it gave none). A fixed small number would not do: a fast decay leaves
//! scores of 1e-20, which still order what a user wants. It is the remainder `popularity`.
//!
//! Only the [`REACH`] most popular items get it, or the candidates where a question names them: adding to all of a
//! million items would cost a hundred times what a neighbourhood model does.

use std::sync::Arc;

use super::{Explanation, Parameters, Query, Recommender, Remainder, Scored, Scores};
use crate::decay::Kernel;
use crate::events::{EventLog, ItemId};

/// Items that are backed when a question names no candidates: longer than any list, with room for filters.
const REACH: usize = 1_000;

/// A model whose lists are filled up by popularity.
pub struct Backfill {
    model: Box<dyn Recommender>,
    counted: Arc<Counted>,
}

/// What was counted of a training log.
struct Counted {
    /// Each item's share of the events.
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
        let shares = counts.into_iter().map(|count| count as f32 / n).collect();
        Self { model, counted: Arc::new(Counted { shares, reach, is_reached }) }
    }

    /// Another model of the same log, which may know later items too: popularity says nothing of those.
    #[must_use]
    pub fn with_model(&self, model: Box<dyn Recommender>) -> Self {
        Self { model, counted: Arc::clone(&self.counted) }
    }

    fn share(&self, item: ItemId) -> f32 {
        self.counted.shares.get(item.index()).copied().unwrap_or(0.0)
    }

    /// Whether popularity could change nothing about a model's list of the `k` best.
    fn cannot_enter(&self, found: &[Scored], k: usize) -> bool {
        // With a share of nearly 1, or a score near the least float, rounding could make the two equal.
        let is_less = self.counted.reach.first().is_none_or(|&item| self.share(item) < 0.999);
        let is_above = |last: &Scored| last.score >= f32::MIN_POSITIVE;
        found.len() == k && is_less && found.last().is_none_or(is_above)
    }

    /// Whether popularity may speak for an item that the model is silent on.
    fn reaches(&self, query: &Query<'_>, item: ItemId) -> bool {
        query.candidates.is_some() || self.counted.is_reached.get(item.index()) == Some(&true)
    }
}

/// The least score above 0, 1 where there is none; times a share below 1 it is below all of them.
fn least_positive(scores: &Scores) -> f32 {
    let positive = scores.touched().iter().map(|&item| scores.get(item)).filter(|&score| score > 0.0);
    let least = positive.fold(f32::INFINITY, f32::min);
    if least.is_finite() { least } else { 1.0 }
}

impl Recommender for Backfill {
    fn n_items(&self) -> usize {
        self.model.n_items()
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        self.model.score(query, scores);
        let scale = least_positive(scores);
        for &item in query.candidates.unwrap_or(&self.counted.reach) {
            if scores.get(item) == 0.0 {
                scores.set(item, scale * self.share(item));
            }
        }
    }

    /// The model's own list, where popularity cannot enter it: full, and above 0. What popularity gives is then below the
    /// last of it, being less than the least score above 0.
    fn search(
        &self,
        query: &Query<'_>,
        k: usize,
        keep: &dyn Fn(ItemId) -> bool,
        scores: &mut Scores,
    ) -> Option<Vec<Scored>> {
        self.model.search(query, k, keep, scores).filter(|found| self.cannot_enter(found, k))
    }

    fn search_and_explain(
        &self,
        query: &Query<'_>,
        k: usize,
        keep: &dyn Fn(ItemId) -> bool,
        most: usize,
        scores: &mut Scores,
    ) -> Option<(Vec<Scored>, Vec<Explanation>)> {
        let found = self.model.search_and_explain(query, k, keep, most, scores)?;
        self.cannot_enter(&found.0, k).then_some(found)
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        self.explain_best(query, &[item], usize::MAX).pop().unwrap_or_default()
    }

    fn explain_best(&self, query: &Query<'_>, items: &[ItemId], most: usize) -> Vec<Explanation> {
        let mut explanations = self.model.explain_best(query, items, most);
        // A silent model's score is 0, and to score all items takes long.
        let is_silent = |explanation: &Explanation| explanation.score.abs() <= f32::EPSILON;
        if !explanations.iter().any(is_silent) {
            return explanations;
        }
        let mut scores = Scores::new(self.n_items());
        self.model.score(query, &mut scores);
        let least = least_positive(&scores);
        for (explanation, &item) in explanations.iter_mut().zip(items) {
            if is_silent(explanation) && scores.get(item) == 0.0 && self.reaches(query, item) {
                let share = least * self.share(item);
                explanation.score = share;
                explanation.remainders.push(Remainder { name: "popularity", share: f64::from(share) });
            }
        }
        explanations
    }

    fn parameters(&self) -> Parameters {
        self.model.parameters()
    }

    fn kernel(&self) -> Option<&Kernel> {
        self.model.kernel()
    }
}
