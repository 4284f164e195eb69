//! A reusable table of scores, dense and sparse at once.
//!
//! A neighbourhood model touches some hundred of a million items; clearing and sorting the whole table would cost
//! a hundred times the model. So the table remembers what was touched, and is cleared by walking that list.

use std::sync::Arc;

use super::sums::Sums;
use crate::events::ItemId;

/// Scores by item, with the list of items that were touched.
#[derive(Debug, Clone, Default)]
pub struct Scores {
    values: Vec<f32>,
    is_touched: Vec<bool>,
    touched: Vec<ItemId>,
    sums: Sums,
    copy: Option<TableCopy>,
}

/// A copy of a table, to write on.
#[derive(Debug, Clone)]
struct TableCopy {
    of: Arc<[f32]>,
    values: Vec<f32>,
}

impl Scores {
    /// A cleared table for so many items.
    pub fn new(n_items: usize) -> Self {
        Self {
            values: vec![0.0; n_items],
            is_touched: vec![false; n_items],
            touched: Vec::new(),
            sums: Sums::default(),
            copy: None,
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

    /// A copy of a table. Given back as it was, it serves the next question: to copy a table of all items takes longer than to mend what a
    /// question wrote on it.
    pub(super) fn take_copy(&mut self, of: &Arc<[f32]>) -> Vec<f32> {
        let kept = self.copy.take().filter(|copy| Arc::ptr_eq(&copy.of, of));
        kept.map_or_else(|| of.to_vec(), |copy| copy.values)
    }

    /// Gives back what [`Self::take_copy`] took, and what stood there before each change, in the order of the changes.
    pub(super) fn give_back_copy(&mut self, of: &Arc<[f32]>, mut values: Vec<f32>, former: &[(ItemId, f32)]) {
        // The first change of an item is taken back last.
        former.iter().rev().for_each(|(item, value)| values[item.index()] = *value);
        self.copy = Some(TableCopy { of: Arc::clone(of), values });
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
    fn a_copy_comes_back_mended() {
        let (table, mut scores): (Arc<[f32]>, _) = ([1.0, 2.0].into(), Scores::new(2));
        let mut copy = scores.take_copy(&table);
        copy[1] += 5.0;
        copy[1] += 1.0;
        scores.give_back_copy(&table, copy, &[(ItemId(1), 2.0), (ItemId(1), 7.0)]);
        assert_eq!(scores.take_copy(&table), [1.0, 2.0]);
        let other: Arc<[f32]> = [3.0].into();
        assert_eq!(scores.take_copy(&other), [3.0]);
    }
}
