//! A reusable table of scores, dense and sparse at once.
//!
//! A neighbourhood model touches some hundred of a million items; clearing and sorting the whole table would cost
//! a hundred times the model. So the table remembers what was touched, and is cleared by walking that list.

use std::sync::Arc;

use super::search::ItemOffsets;
use super::sums::Sums;
use crate::events::ItemId;

/// Scores by item, with the list of items that were touched.
#[derive(Debug, Clone, Default)]
pub struct Scores {
    values: Vec<f32>,
    is_touched: Vec<bool>,
    touched: Vec<ItemId>,
    sums: Sums,
    /// Offsets, and a copy of them to write on.
    offsets: Option<(Arc<ItemOffsets>, ItemOffsets)>,
}

impl Scores {
    /// A cleared table for so many items.
    pub fn new(n_items: usize) -> Self {
        Self {
            values: vec![0.0; n_items],
            is_touched: vec![false; n_items],
            touched: Vec::new(),
            sums: Sums::default(),
            offsets: None,
        }
    }

    /// No sums yet, for those on the way to scores. Given back, their memory serves the next question.
    pub(super) fn take_sums(&mut self) -> Sums {
        std::mem::take(&mut self.sums)
    }

    /// Gives back what [`Self::take_sums`] took.
    pub(super) fn give_back_sums(&mut self, mut sums: Sums) {
        sums.clear();
        self.sums = sums;
    }

    /// A copy of offsets. Given back, it serves the next question: to copy those of all items takes longer than to take back what a
    /// question changed.
    pub(super) fn take_offsets(&mut self, of: &Arc<ItemOffsets>) -> ItemOffsets {
        let kept = self.offsets.take().filter(|(kept, _)| Arc::ptr_eq(kept, of));
        kept.map_or_else(|| ItemOffsets::clone(of), |(_, copy)| copy)
    }

    /// Gives back what [`Self::take_offsets`] took.
    pub(super) fn give_back_offsets(&mut self, of: Arc<ItemOffsets>, mut copy: ItemOffsets) {
        copy.take_back(&of);
        self.offsets = Some((of, copy));
    }

    /// Clears the table in time proportional to what was touched.
    pub fn clear(&mut self) {
        for item in self.touched.drain(..) {
            self.values[item.index()] = 0.0;
            self.is_touched[item.index()] = false;
        }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether the table has no items at all.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds to the score of an item.
    pub fn add(&mut self, item: ItemId, share: f32) {
        self.touch(item);
        self.values[item.index()] += share;
    }

    /// Sets the score of an item.
    pub fn set(&mut self, item: ItemId, score: f32) {
        self.touch(item);
        self.values[item.index()] = score;
    }

    /// Replaces each score by what `change` makes of it.
    #[inline(always)]
    pub(super) fn change_touched(&mut self, change: impl Fn(ItemId, f32) -> f32) {
        for &item in &self.touched {
            let score = &mut self.values[item.index()];
            *score = change(item, *score);
        }
    }

    fn touch(&mut self, item: ItemId) {
        if !self.is_touched[item.index()] {
            self.is_touched[item.index()] = true;
            self.touched.push(item);
        }
    }

    /// The whole table for models that score every item; marks all items as touched.
    pub fn dense_mut(&mut self) -> &mut [f32] {
        if self.touched.len() < self.values.len() {
            self.touched.clear();
            self.touched.extend((0..self.values.len()).map(|place| ItemId(place as u32)));
            self.is_touched.fill(true);
        }
        &mut self.values
    }

    /// The score of an item; 0 where none was given.
    pub fn get(&self, item: ItemId) -> f32 {
        self.values.get(item.index()).copied().unwrap_or(0.0)
    }

    /// Whether an item has a score, even if that is 0.
    pub fn is_touched(&self, item: ItemId) -> bool {
        self.is_touched.get(item.index()).copied().unwrap_or(false)
    }

    /// Items that have a score, in the order in which they were touched.
    pub fn touched(&self) -> &[ItemId] {
        &self.touched
    }

    /// All scores by item number.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::{ExactIndex, Usual};

    #[test]
    fn clearing_forgets_sparse_and_dense_scores() {
        let mut scores = Scores::new(3);
        scores.add(ItemId(2), 1.5);
        scores.add(ItemId(2), -1.5);
        assert_eq!(scores.touched(), [ItemId(2)]);
        scores.dense_mut()[0] = 4.0;
        assert_eq!(scores.touched().len(), 3);
        scores.clear();
        assert_eq!(scores.values(), [0.0; 3]);
        assert!(scores.touched().is_empty());
    }

    #[test]
    fn offsets_come_back_as_they_were() {
        let index = ExactIndex::new(vec![1.0, 2.0], 1, Usual::default()).unwrap();
        let [one, other] = [[1.0, 2.0], [3.0, 4.0]].map(|table| Arc::new(index.offsets(&table)));
        let mut scores = Scores::new(2);
        let mut copy = scores.take_offsets(&one);
        copy.add(&[(ItemId(1), 5.0)]);
        scores.give_back_offsets(Arc::clone(&one), copy);
        assert_eq!(scores.take_offsets(&one).get(ItemId(1)), 2.0);
        assert_eq!(scores.take_offsets(&other).get(ItemId(1)), 4.0);
    }
}
