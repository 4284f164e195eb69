//! The best items of a score `q . e_j + offset_j`: for models that are vectors of items.
//!
//! [`SearchIndex`] picks: [`ExactIndex`] while a pass over all items is quick, [`ApproximateIndex`] above. Both
//! take the offsets (an item's bias, its popularity at the moment) and the filter at the question, and score with the same
//! function, so a score does not depend on which was picked.

mod approximate;
mod axes;
mod cells;
mod codes;
mod dot;
mod exact;
mod offsets;
mod order;
mod rows;
mod shortlist;

use std::sync::Arc;

pub use approximate::ApproximateIndex;
pub(super) use dot::dot;
pub use exact::{ExactIndex, Usual};
pub use offsets::ItemOffsets;

use crate::error::Result;

/// Vectors of items, searched exactly or nearly so by their number.
#[derive(Debug, Clone)]
pub enum SearchIndex {
    /// Up to 200,000 items.
    Exact(ExactIndex),
    /// Above.
    Approximate(ApproximateIndex),
}

impl SearchIndex {
    /// Up to so many items the search is exact: that takes half a millisecond with 64 numbers per item.
    pub const EXACT_ITEMS: usize = 200_000;

    /// An index of vectors of `dim` numbers, one after another in the order of items; `usual` and `seed` as for
    /// [`ApproximateIndex::build`].
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) when `dim` is not 1 to 65,536, or does not divide the numbers.
    pub fn build(vectors: impl Into<Arc<[f32]>>, dim: usize, usual: Usual<'_>, seed: u64) -> Result<Self> {
        let vectors = vectors.into();
        if dim > 0 && vectors.len() / dim > Self::EXACT_ITEMS {
            return Ok(Self::Approximate(ApproximateIndex::build(vectors, dim, usual, seed)?));
        }
        Ok(Self::Exact(ExactIndex::new(vectors, dim, usual)?))
    }

    /// What is added to the scores, one per item, in the order of this index.
    pub fn offsets(&self, by_item: &[f32]) -> ItemOffsets {
        match self {
            Self::Exact(index) => index.offsets(by_item),
            Self::Approximate(index) => index.offsets(by_item),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::ItemId;
    use crate::recommend::Scored;

    const EXACT_ITEMS: usize = SearchIndex::EXACT_ITEMS;

    #[test]
    fn picks_by_the_number_of_items() {
        let build = |items: usize| SearchIndex::build(vec![1.0; items], 1, Usual::default(), 1).unwrap();
        assert!(matches!(build(EXACT_ITEMS), SearchIndex::Exact(_)));
        assert!(SearchIndex::build(vec![1.0; 3], 2, Usual::default(), 1).is_err());
        let SearchIndex::Approximate(index) = build(EXACT_ITEMS + 1) else { panic!("exact") };
        let mut offsets = vec![0.0; EXACT_ITEMS + 1];
        offsets[12_345] = 1.0;
        let best = index.best(&[2.0], &index.offsets(&offsets), 1, |_| true);
        assert_eq!(best, [Scored { item: ItemId(12_345), score: 3.0 }]);
    }
}
