//! The best `k` of a score table, exactly as a full sort would give them.
//!
//! A bar rises as better items are found, and an item is only looked at closer (is it allowed? is it kept?) when
//! it clears the bar; so the cost is one comparison per touched item, and a costly filter is asked about few.
//! Order: score descending by `total_cmp`, then item id ascending. Untouched items score 0 and take part: they
//! come after every item with something in its favour, and before items with something against them.

use std::cmp::Ordering;

use serde::Serialize;

use super::Scores;
use crate::events::ItemId;

/// An item with its score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scored {
    /// The item.
    pub item: ItemId,
    /// Its score: higher is better, comparable within one list only.
    pub score: f32,
}

impl Scored {
    /// The order of every list of results, best first: score descending, then item id ascending.
    pub fn best_first(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.item.cmp(&other.item))
    }
}

/// The `k` best items for which `allow` holds, best first; fewer when fewer are allowed.
pub fn top_k(scores: &Scores, k: usize, allow: impl Fn(ItemId) -> bool) -> Vec<Scored> {
    if k == 0 {
        return Vec::new();
    }
    let mut best = Best::of_touched(scores, k, &allow);
    if !best.is_full_above_zero() {
        (0..scores.len())
            .map(|place| ItemId(place as u32))
            .filter(|&item| !scores.is_touched(item) && allow(item))
            .take(k)
            .for_each(|item| best.offer(Scored { item, score: 0.0 }, &|_| true));
    }
    best.finish()
}

/// The same of touched items only.
pub(super) fn top_touched(scores: &Scores, k: usize, allow: impl Fn(ItemId) -> bool) -> Vec<Scored> {
    if k == 0 { Vec::new() } else { Best::of_touched(scores, k, &allow).finish() }
}

/// Keeps the `k` best of what it is offered, in a buffer of at most `2 k`.
struct Best {
    k: usize,
    kept: Vec<Scored>,
    /// The `k`-th best when the buffer was last cut; nothing behind it can be in the result.
    bar: Option<Scored>,
}

impl Best {
    fn new(k: usize) -> Self {
        Self { k, kept: Vec::new(), bar: None }
    }

    fn of_touched(scores: &Scores, k: usize, allow: &impl Fn(ItemId) -> bool) -> Self {
        let mut best = Self::new(k);
        for &item in scores.touched() {
            best.offer(Scored { item, score: scores.get(item) }, allow);
        }
        best
    }

    fn offer(&mut self, scored: Scored, allow: &impl Fn(ItemId) -> bool) {
        let clears = self.bar.is_none_or(|bar| scored.best_first(&bar).is_lt());
        if clears && allow(scored.item) {
            self.kept.push(scored);
            if self.kept.len() >= self.k.saturating_mul(2) {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if self.kept.len() > self.k {
            self.kept.select_nth_unstable_by(self.k - 1, Scored::best_first);
            self.kept.truncate(self.k);
        }
        if self.kept.len() == self.k {
            self.bar = self.kept.last().copied();
        }
    }

    fn is_full_above_zero(&mut self) -> bool {
        self.kept.iter().filter(|scored| scored.score > 0.0).count() >= self.k
    }

    fn finish(mut self) -> Vec<Scored> {
        self.kept.sort_unstable_by(Scored::best_first);
        self.kept.truncate(self.k);
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full_sort(scores: &Scores, k: usize, allow: impl Fn(ItemId) -> bool) -> Vec<Scored> {
        let mut all: Vec<_> = (0..scores.len() as u32)
            .map(|item| Scored { item: ItemId(item), score: scores.get(ItemId(item)) })
            .filter(|scored| allow(scored.item))
            .collect();
        all.sort_by(Scored::best_first);
        all.truncate(k);
        all
    }

    proptest! {
        #[test]
        fn equals_a_full_sort(
            n in 1usize..60,
            k in 0usize..70,
            shares in proptest::collection::vec((0u32..60, -3i8..4), 0..90),
            denied in 1u32..7,
        ) {
            let mut scores = Scores::new(n);
            for (item, share) in shares {
                scores.add(ItemId(item % n as u32), f32::from(share));
            }
            let allow = |item: ItemId| item.0 % denied != 1;
            prop_assert_eq!(top_k(&scores, k, allow), full_sort(&scores, k, allow));
            let is_touched = |item| scores.is_touched(item) && allow(item);
            prop_assert_eq!(top_touched(&scores, k, allow), full_sort(&scores, k, is_touched));
        }
    }

    #[test]
    fn asks_the_filter_about_few_items() {
        let mut scores = Scores::new(10_000);
        scores.dense_mut().iter_mut().enumerate().for_each(|(item, score)| *score = 10_000.0 - item as f32);
        let asked = std::cell::Cell::new(0);
        let best = top_k(&scores, 10, |_| {
            asked.set(asked.get() + 1);
            true
        });
        assert_eq!(best[9].item, ItemId(9));
        assert!(asked.get() <= 20, "asked {} times", asked.get());
    }
}
