//! The best items of `q . e_j + offset_j`, exactly as scoring all of them and sorting would give.
//!
//! Vectors are also kept rounded to a byte per place, along a few axes if these say most and along all places. A pass over the
//! few, a sixteenth of the memory, then over what is left along all, gives each item a bound that its score cannot exceed
//! (`codes` says why). The item is rescored from the vector itself only if its bound reaches the `k`-th best score so far, and
//! what was not rescored is worse than `k` items for certain. So the result is exact: same items, same bits, same order
//! among ties.
//!
//! The cost: one byte per axis and item, and about two hundred rescored items. Where bounds say nothing (vectors longer
//! than 1e18) every item is rescored, which is slow and still right.

use std::sync::Arc;

use super::axes::Axes;
use super::codes::{Codes, LANES, MAX_DIM};
use super::dot::dot;
use super::shortlist::Shortlist;
use crate::error::{Error, Result};
use crate::events::ItemId;
use crate::recommend::Scored;

/// Vectors of items, searched exactly.
#[derive(Debug, Clone)]
pub struct ExactIndex {
    vectors: Arc<[f32]>,
    dim: usize,
    codes: Codes,
}

impl ExactIndex {
    /// An index of vectors of `dim` numbers, one after another in the order of items.
    ///
    /// # Errors
    /// [`Error::Setting`] when `dim` is not 1 to 65,536, or does not divide the numbers.
    pub fn new(vectors: impl Into<Arc<[f32]>>, dim: usize) -> Result<Self> {
        let vectors = vectors.into();
        if !(1..=MAX_DIM).contains(&dim) || !vectors.len().is_multiple_of(dim) {
            let expected = format!("1 to {MAX_DIM}, a divisor of the {} numbers", vectors.len());
            return Err(Error::setting("dim", expected, dim));
        }
        let few = Axes::principal(dim, vectors.chunks_exact(dim));
        let axes: Vec<_> = few.into_iter().chain([Axes::places(dim)]).map(Arc::new).collect();
        let codes = Codes::new(&axes, vectors.len() / dim, |item| &vectors[item * dim..][..dim]);
        Ok(Self { vectors, dim, codes })
    }

    /// Items in the index.
    pub fn n_items(&self) -> usize {
        self.vectors.len() / self.dim
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Along which the vectors are rounded.
    pub(super) fn axes(&self) -> Vec<Arc<Axes>> {
        self.codes.axes()
    }

    /// The vector of an item.
    pub(super) fn row(&self, item: usize) -> &[f32] {
        &self.vectors[item * self.dim..][..self.dim]
    }

    /// The `k` best of the items that `keep` lets through, best first; fewer when fewer are.
    ///
    /// `offsets` is added to the scores, one per item. An item is never returned if it has no offset or if its score
    /// is no number. A query shorter than the vectors counts as followed by zeros. `keep` is asked about few items,
    /// those that may be among the best so far.
    pub fn best(
        &self,
        query: &[f32],
        offsets: &[f32],
        k: usize,
        keep: impl Fn(ItemId) -> bool,
    ) -> Vec<Scored> {
        if k == 0 {
            return Vec::new();
        }
        let coded = self.codes.query(query);
        let mut best = Shortlist::new(k, keep);
        let (whole, rest) = offsets[..offsets.len().min(self.n_items())].as_chunks::<LANES>();
        let mut last = [f32::NEG_INFINITY; LANES];
        last[..rest.len()].copy_from_slice(rest);
        self.codes.scan(
            &coded,
            0..self.codes.n_blocks(),
            |block| whole.get(block).unwrap_or(&last),
            best.bar(),
            |item| {
                if let Some(&offset) =
                    offsets.get(item).filter(|offset| item < self.n_items() && !offset.is_nan())
                {
                    best.offer(ItemId(item as u32), || dot(query, self.row(item)) + offset);
                }
                best.bar()
            },
        );
        best.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few different values, so that scores tie; and what floats may do at worst.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            8 => (-3i8..4).prop_map(f32::from),
            8 => -1.0f32..1.0,
            1 => proptest::sample::select(vec![0.0, -0.0, 1e-45, -1e-38, 1e-20, 3e17, -1e25, f32::MAX]),
        ]
    }

    fn any_value() -> impl Strategy<Value = f32> {
        prop_oneof![
            15 => value(),
            1 => proptest::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]),
        ]
    }

    fn rows(of: impl Strategy<Value = f32> + 'static) -> impl Strategy<Value = (usize, Vec<f32>, Vec<f32>)> {
        let of = of.boxed();
        (1usize..40, 0usize..70).prop_flat_map(move |(dim, items)| {
            (
                Just(dim),
                proptest::collection::vec(of.clone(), dim * items),
                proptest::collection::vec(of.clone(), dim),
            )
        })
    }

    fn full_scan(
        (dim, vectors, query): (usize, &[f32], &[f32]),
        offsets: &[f32],
        k: usize,
        keep: impl Fn(ItemId) -> bool,
    ) -> Vec<(ItemId, u32)> {
        let mut all: Vec<Scored> = vectors
            .chunks_exact(dim)
            .zip(offsets)
            .enumerate()
            .map(|(item, (row, offset))| Scored {
                item: ItemId(item as u32),
                score: dot(query, row) + offset,
            })
            .filter(|scored| keep(scored.item) && !scored.score.is_nan())
            .collect();
        all.sort_by(Scored::best_first);
        all.truncate(k);
        bits(&all)
    }

    fn bits(list: &[Scored]) -> Vec<(ItemId, u32)> {
        list.iter().map(|scored| (scored.item, scored.score.to_bits())).collect()
    }

    proptest! {
        #[test]
        fn equals_a_full_scan(
            (dim, vectors, query) in rows(value()),
            offsets in proptest::collection::vec(any_value(), 70),
            k in 0usize..75,
            kept in 0u32..5,
        ) {
            let index = ExactIndex::new(vectors.clone(), dim).unwrap();
            let keep = |item: ItemId| item.0 % 4 < kept;
            let found = bits(&index.best(&query, &offsets, k, keep));
            prop_assert_eq!(found, full_scan((dim, &vectors, &query), &offsets, k, keep));
        }

        #[test]
        fn equals_a_full_scan_of_what_is_no_number(
            (dim, vectors, query) in rows(any_value()),
            offsets in proptest::collection::vec(any_value(), 0..70),
            k in 0usize..75,
        ) {
            let index = ExactIndex::new(vectors.clone(), dim).unwrap();
            let found = bits(&index.best(&query, &offsets, k, |_| true));
            prop_assert_eq!(found, full_scan((dim, &vectors, &query), &offsets, k, |_| true));
        }

        #[test]
        fn equals_a_full_scan_at_any_length(
            (dim, vectors, query) in rows(value()),
            (of_items, of_query) in (-44i32..38, -44i32..38),
        ) {
            let scaled = |values: &[f32], power: i32| -> Vec<f32> {
                values.iter().map(|value| (f64::from(*value) * 10f64.powi(power)) as f32).collect()
            };
            let (vectors, query) = (scaled(&vectors, of_items), scaled(&query, of_query));
            let index = ExactIndex::new(vectors.clone(), dim).unwrap();
            let offsets = vec![0.0; 70];
            let found = bits(&index.best(&query, &offsets, 5, |_| true));
            prop_assert_eq!(found, full_scan((dim, &vectors, &query), &offsets, 5, |_| true));
        }
    }

    #[test]
    fn a_query_of_another_length_is_cut_or_followed_by_zeros() {
        let index = ExactIndex::new(vec![1.0, 2.0, 3.0, -4.0], 2).unwrap();
        let score = |query: &[f32]| index.best(query, &[0.0; 2], 1, |_| true)[0];
        assert_eq!(score(&[1.0]), Scored { item: ItemId(1), score: 3.0 });
        assert_eq!(score(&[0.0, 1.0, 9.0]), Scored { item: ItemId(0), score: 2.0 });
    }

    #[test]
    fn refuses_what_is_not_whole_rows() {
        assert!(ExactIndex::new(vec![1.0; 5], 2).is_err());
        assert!(ExactIndex::new(Vec::new(), 0).is_err());
        assert_eq!(ExactIndex::new(Vec::new(), 3).unwrap().best(&[1.0; 3], &[], 5, |_| true), []);
    }

    #[test]
    fn looks_closer_at_few_items() {
        let items = 20_000;
        let wave =
            |place: usize| ((place * 7_919 % 10_007) as f32 / 10_007.0 - 0.5) * (place as f32 * 0.7).sin();
        let index = ExactIndex::new((0..items * 32).map(wave).collect::<Vec<_>>(), 32).unwrap();
        let query: Vec<f32> = (0..32).map(|place| wave(place * 31 + 5)).collect();
        let asked = std::cell::Cell::new(0);
        let found = index.best(&query, &vec![0.0; items], 10, |_| {
            asked.set(asked.get() + 1);
            true
        });
        assert_eq!(found.len(), 10);
        assert!(asked.get() < items / 50, "asked {} times", asked.get());
    }
}
