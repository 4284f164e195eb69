//! The `k` best of what is offered, with the bar that the next one must clear.
//!
//! A heap and not the buffer of `top_k`: here the bar decides which vectors are read at all, so it must rise with
//! every item that is kept.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::events::ItemId;
use crate::recommend::Scored;

/// At most `k` items, of those that `keep` lets through.
pub(super) struct Shortlist<F> {
    k: usize,
    keep: F,
    /// The worst on top.
    kept: BinaryHeap<WorstFirst>,
}

impl<F: Fn(ItemId) -> bool> Shortlist<F> {
    pub(super) fn new(k: usize, keep: F) -> Self {
        Self { k, keep, kept: BinaryHeap::new() }
    }

    /// A score below this is not among the best; infinitely low while there is room.
    pub(super) fn bar(&self) -> f32 {
        match self.kept.peek() {
            Some(worst) if self.kept.len() >= self.k => worst.0.score,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Takes the item if it belongs. The filter is asked first: it reads less than a score does, and where it lets
    /// few through, the bar is low. A score that is no number is never taken.
    pub(super) fn offer(&mut self, item: ItemId, score: impl FnOnce() -> f32) {
        if !(self.keep)(item) {
            return;
        }
        let scored = Scored { item, score: score() };
        let is_full = self.kept.len() >= self.k;
        let clears = !is_full || self.kept.peek().is_some_and(|worst| scored.best_first(&worst.0).is_lt());
        if !clears || scored.score.is_nan() {
            return;
        }
        if is_full {
            self.kept.pop();
        }
        self.kept.push(WorstFirst(scored));
    }

    /// What was kept, best first.
    pub(super) fn finish(self) -> Vec<Scored> {
        self.kept.into_sorted_vec().into_iter().map(|kept| kept.0).collect()
    }
}

/// Greater is worse.
struct WorstFirst(Scored);

impl Ord for WorstFirst {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.best_first(&other.0)
    }
}

impl PartialOrd for WorstFirst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for WorstFirst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for WorstFirst {}
