//! What is added to the scores of an index's items, in the order in which they stand there.
//!
//! A table is made once and copied for a question that changes some of it: the copy remembers what it changed, and is taken back to
//! what it was for the next question, which is much quicker than another copy. The greatest offset of each block is kept beside; it
//! rises once all changes are made and does not fall, for it has to be a bound only.

use std::sync::Arc;

use super::codes::{LANES, Lanes};
use super::order::Order;
use crate::events::ItemId;

/// An offset for each item of an index, and for items that it does not hold.
#[derive(Debug, Clone)]
pub struct ItemOffsets {
    order: Arc<Order>,
    blocks: Vec<Lanes<f32>>,
    /// Of each block; blocks are grouped as items are.
    greatest: Vec<Lanes<f32>>,
    /// Places that were changed, with what stood there before.
    changes: Vec<(u32, f32)>,
    /// How many changes the greatest offsets know of.
    settled: usize,
}

impl ItemOffsets {
    /// Puts offsets, one per item, in an order; an item without one has none that is a number.
    pub(super) fn new(order: Arc<Order>, by_item: &[f32]) -> Self {
        let n_items = by_item.len().max(order.n_items());
        let n_places = order.place(n_items).next_multiple_of(LANES);
        let mut blocks = vec![[f32::NAN; LANES]; n_places / LANES];
        let table = blocks.as_flattened_mut();
        by_item.iter().enumerate().for_each(|(item, &offset)| table[order.place(item)] = offset);
        let mut greatest = vec![[f32::NEG_INFINITY; LANES]; blocks.len().div_ceil(LANES)];
        // What is no number is passed over: such an item is never found.
        let of_blocks = greatest.as_flattened_mut().iter_mut().zip(&blocks);
        of_blocks.for_each(|(greatest, block)| *greatest = block.iter().copied().fold(*greatest, f32::max));
        Self { order, blocks, greatest, changes: Vec::new(), settled: 0 }
    }

    /// The offset of an item; no number if it has none.
    pub fn get(&self, item: ItemId) -> f32 {
        self.at(self.order.place(item.index()))
    }

    /// The offset at a place.
    pub(super) fn at(&self, place: usize) -> f32 {
        self.blocks.as_flattened().get(place).copied().unwrap_or(f32::NAN)
    }

    /// Adds to the offsets of items. A search panics until the changes are [settled](Self::settle).
    ///
    /// # Panics
    /// For an item that has no offset.
    pub fn add(&mut self, shares: &[(ItemId, f32)]) {
        let offsets = self.blocks.as_flattened_mut();
        let start = self.changes.len();
        // They lie far apart in memory: one thing is read for all items after another, and many are on their way at once.
        self.changes.extend(shares.iter().map(|(item, _)| (self.order.place(item.index()) as u32, 0.0)));
        let changes = &mut self.changes[start..];
        changes.iter_mut().for_each(|(place, former)| *former = offsets[*place as usize]);
        changes.iter().zip(shares).for_each(|((place, _), (_, share))| offsets[*place as usize] += share);
    }

    /// The offset of an item, which is infinitely low from now on.
    ///
    /// # Panics
    /// For an item that has no offset.
    pub fn take(&mut self, item: ItemId) -> f32 {
        let place = self.order.place(item.index());
        let offset = &mut self.blocks.as_flattened_mut()[place];
        self.changes.push((place as u32, *offset));
        std::mem::replace(offset, f32::NEG_INFINITY)
    }

    /// Lets the bounds of blocks know of all changes: else a search would not find what was raised.
    pub fn settle(&mut self) {
        let (offsets, greatest) = (self.blocks.as_flattened(), self.greatest.as_flattened_mut());
        for &(place, _) in &self.changes[self.settled..] {
            let greatest = &mut greatest[place as usize / LANES];
            *greatest = greatest.max(offsets[place as usize]);
        }
        self.settled = self.changes.len();
    }

    /// Whether the bounds of blocks know of all changes.
    pub(super) fn is_settled(&self) -> bool {
        self.settled == self.changes.len()
    }

    /// Takes back every change; `start` is what this is a copy of.
    pub(in crate::recommend) fn take_back(&mut self, start: &Self) {
        let (offsets, greatest) = (self.blocks.as_flattened_mut(), self.greatest.as_flattened_mut());
        let former = start.greatest.as_flattened();
        // What was changed first is taken back last.
        for (place, offset) in self.changes.drain(..).rev() {
            let (place, block) = (place as usize, place as usize / LANES);
            (offsets[place], greatest[block]) = (offset, former[block]);
        }
        self.settled = 0;
    }

    /// The offsets of a block's items.
    pub(super) fn block(&self, block: usize) -> &Lanes<f32> {
        &self.blocks[block]
    }

    /// Bounds of the offsets of a group of blocks; infinitely low where there is no block.
    pub(super) fn greatest(&self, group: usize) -> &Lanes<f32> {
        &self.greatest[group]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_bounded_and_taken_back() {
        let order =
            Arc::new(Order::of_alike(&(0..40).map(|item| (item * 7 % 40) as f32).collect::<Vec<_>>(), 1));
        // Two items that the order does not know.
        let by_item: Vec<f32> = (0..42).map(|item| item as f32).collect();
        let start = ItemOffsets::new(Arc::clone(&order), &by_item);
        let mut offsets = start.clone();
        offsets.add(&[(ItemId(3), 1.5), (ItemId(41), -2.0), (ItemId(3), 100.0)]);
        offsets.add(&[(ItemId(3), -200.0), (ItemId(0), 0.25), (ItemId(39), 1_000.0)]);
        assert_eq!((offsets.take(ItemId(39)), offsets.get(ItemId(39))), (1_039.0, f32::NEG_INFINITY));
        assert!(!offsets.is_settled());
        offsets.settle();
        assert_eq!(offsets.get(ItemId(3)), 3.0 + 1.5 + 100.0 - 200.0);
        assert_eq!((offsets.get(ItemId(41)), offsets.get(ItemId(40))), (39.0, 40.0));
        assert!(offsets.get(ItemId(9_999)).is_nan());
        assert!(offsets.is_settled() && offsets.greatest.as_flattened().iter().all(|bound| *bound < 1_000.0));
        for block in 0..order.n_items().div_ceil(LANES) {
            let bound = offsets.greatest(0)[block];
            assert!(offsets.block(block).iter().all(|offset| offset.is_nan() || *offset <= bound));
        }
        offsets.take_back(&start);
        assert!((0..42).all(|item| offsets.get(ItemId(item)) == by_item[item as usize]));
        assert_eq!(offsets.greatest, start.greatest);
    }

    #[test]
    fn items_without_an_offset_have_none_that_is_a_number() {
        let order = Arc::new(Order::of_alike(&[1.0, 2.0, 3.0], 1));
        let offsets = ItemOffsets::new(order, &[5.0]);
        assert_eq!(offsets.get(ItemId(0)), 5.0);
        assert!(offsets.get(ItemId(2)).is_nan());
        assert_eq!(offsets.greatest(0)[0], 5.0);
        assert!(ItemOffsets::new(Arc::new(Order::of_alike(&[], 1)), &[]).get(ItemId(0)).is_nan());
    }
}
