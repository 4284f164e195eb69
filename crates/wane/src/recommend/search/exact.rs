//! The best items of `q . e_j + o_j`, exactly as scoring all of them and sorting would give, without scoring most of them.
//!
//! Vectors are also kept rounded to a byte per place, by a few coordinates if these say most and by all places. A pass over the few,
//! then over what is left by all, gives each item a bound that its score cannot exceed (`codes` says why). The item is rescored
//! from the vector itself only if its bound reaches the `k`-th best score so far, and what was not rescored is worse than `k` items for
//! certain. So the result is exact: same items, same bits, same order among ties.
//!
//! Where few coordinates say most, items that are alike stand side by side (`order`), and no score of a block of sixteen exceeds a bound by
//! the box in which their vectors lie and their greatest offset. So most blocks are passed over. Which coordinates say most depends on
//! what is asked (`axes`): with a fitted model of 92,346 items, eight coordinates for questions of made-up users leave 60 to 240 of the 5,772
//! blocks, sixteen principal axes of the items alone 600 to 800. Boxes of many coordinates exclude next to nothing.
//!
//! What the boxes leave is looked into by three times as many coordinates, and then by all places: by those of the boxes alone half of it
//! was left for all.
//!
//! The cost: two bytes per coordinate for each sixteen items, one for each item of the blocks that remain, and about two hundred rescored
//! items. Where bounds say nothing (vectors longer than 1e18) every item is rescored, which is slow and still right.

use std::cell::LazyCell;
use std::sync::Arc;

use rayon::prelude::*;

use super::axes::Axes;
use super::codes::Codes;
use super::dot::dot;
use super::offsets::ItemOffsets;
use super::order::Order;
use super::rows::Rows;
use super::shortlist::Shortlist;
use crate::error::Result;
use crate::events::ItemId;
use crate::recommend::Scored;

/// Boxes of so many coordinates are worth looking at: those of many exclude next to nothing.
const MOST_OF_BOXES: usize = 16;
/// Vectors are kept by so many times as many coordinates as their boxes: by those of the boxes what is left is hardly told apart.
const TIMES: usize = 3;
/// Questions of which is taken what is usual, at most.
const QUESTIONS: usize = 1_000;

/// What a usual search has; an index is made for it. Nothing that is found depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usual<'a> {
    /// What is added to the scores, one per item; missing ones are 0.
    pub offsets: &'a [f32],
    /// Some questions, one after another, each as long as a vector. Without any the items' vectors stand for them.
    pub questions: &'a [f32],
}

/// Vectors of items, searched exactly.
#[derive(Debug, Clone)]
pub struct ExactIndex {
    pub(super) rows: Rows,
    pub(super) order: Arc<Order>,
    /// One row per place of the order.
    pub(super) codes: Codes,
}

impl ExactIndex {
    /// An index of vectors of `dim` numbers, one after another in the order of items.
    ///
    /// `usual` is what is asked and added at a usual search: items stand together that it tells little apart. What is found does not
    /// depend on it, only how quickly. The same of all gives the same index on any number of threads.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) when `dim` is not 1 to 65,536, or does not divide the numbers.
    pub fn new(vectors: impl Into<Arc<[f32]>>, dim: usize, usual: Usual<'_>) -> Result<Self> {
        let rows = Rows::new(vectors.into(), dim)?;
        let axes = axes(&rows, usual.questions);
        if axes[0].n_few() > MOST_OF_BOXES {
            let order = Order::given(rows.len());
            return Ok(Self::in_order(rows, &axes, order));
        }
        let order = Order::of_alike(&coordinates(&axes[0], &rows, usual), axes[0].n_few() + 1);
        let row = |place| at_place(&rows, &order, place);
        let n_few = axes[0].n_few();
        let more = (TIMES * n_few).min(dim / 2).max(n_few);
        let codes = Codes::new(&kept(&axes, more), order.n_places(), row).with_boxes(row);
        Ok(Self { codes, rows, order: Arc::new(order) })
    }

    /// The same in a given order, without boxes.
    pub(super) fn in_order(rows: Rows, axes: &[Arc<Axes>], order: Order) -> Self {
        let kept = kept(axes, axes[0].n_few());
        let codes = Codes::new(&kept, order.n_places(), |place| at_place(&rows, &order, place));
        Self { rows, order: Arc::new(order), codes }
    }

    /// Items in the index.
    pub fn n_items(&self) -> usize {
        self.order.n_items()
    }

    /// What is added to the scores, one per item, in the order of this index.
    pub fn offsets(&self, by_item: &[f32]) -> ItemOffsets {
        ItemOffsets::new(Arc::clone(&self.order), by_item)
    }

    /// The `k` best of the items that `keep` lets through, best first; fewer when fewer are.
    ///
    /// `offsets` are of this index. An item is never returned if it has no offset or if its score
    /// is no number. A query shorter than the vectors counts as followed by zeros. `keep` is asked about few items,
    /// those that may be among the best so far.
    pub fn best(
        &self,
        query: &[f32],
        offsets: &ItemOffsets,
        k: usize,
        keep: impl Fn(ItemId) -> bool,
    ) -> Vec<Scored> {
        self.best_beside(query, offsets, &[], k, keep)
    }

    /// As [`Self::best`], of these and of items that have their scores already, each once; of all those `keep` is asked. They are not
    /// looked for: their offsets are to be [taken](ItemOffsets::take) beforehand, or they are found twice.
    pub(in crate::recommend) fn best_beside(
        &self,
        query: &[f32],
        offsets: &ItemOffsets,
        scored: &[Scored],
        k: usize,
        keep: impl Fn(ItemId) -> bool,
    ) -> Vec<Scored> {
        debug_assert!(scored.iter().all(|own| offsets.get(own.item) == f32::NEG_INFINITY));
        if k == 0 {
            return Vec::new();
        }
        let coded = self.codes.query(query);
        let mut best = Shortlist::new(k, keep);
        scored.iter().for_each(|own| best.offer(own.item, || own.score));
        let in_order = LazyCell::new(|| {
            let mut items: Vec<ItemId> = scored.iter().map(|own| own.item).collect();
            items.sort_unstable();
            items
        });
        self.codes.scan(&coded, None, offsets, best.bar(), |place| {
            if let Some(item) = self.order.item(place) {
                let offset = offsets.at(place);
                // Only where there is room for all one is reached whose offset was taken.
                let is_scored = offset == f32::NEG_INFINITY && in_order.binary_search(&item).is_ok();
                if !is_scored {
                    best.offer(item, || dot(query, self.rows.row(item)) + offset);
                }
            }
            best.bar()
        });
        best.finish()
    }
}

/// By which vectors are rounded, the fewest first.
pub(super) fn axes(rows: &Rows, questions: &[f32]) -> Vec<Arc<Axes>> {
    let few = Axes::telling(rows.dim, rows.iter(), questions);
    few.into_iter().chain([Axes::places(rows.dim)]).map(Arc::new).collect()
}

/// So many of the first coordinates, and all of the others.
fn kept(axes: &[Arc<Axes>], of_first: usize) -> Vec<(Arc<Axes>, usize)> {
    let mut kept: Vec<_> = axes.iter().map(|axes| (Arc::clone(axes), axes.dim())).collect();
    kept[0].1 = of_first;
    kept
}

/// The vector at a place; nothing where no item stands.
fn at_place<'a>(rows: &'a Rows, order: &Order, place: usize) -> &'a [f32] {
    order.item(place).map_or(&[], |item| rows.row(item))
}

/// By which items are alike: what each coordinate usually says in a score, and their offsets.
fn coordinates(axes: &Axes, rows: &Rows, usual: Usual<'_>) -> Vec<f32> {
    let questions = if usual.questions.is_empty() { &rows.vectors } else { usual.questions };
    let sizes = usual_sizes(axes, questions);
    let own = |(item, row): (usize, &[f32])| {
        let coordinates = axes.of_vector(row);
        let said: Vec<f32> = coordinates.iter().zip(&sizes).map(|(y, z)| (y * z) as f32).collect();
        said.into_iter().chain([usual.offsets.get(item).copied().unwrap_or_default()])
    };
    rows.vectors.par_chunks_exact(rows.dim).enumerate().flat_map_iter(own).collect()
}

/// The root of the mean square of each of the few coordinates of questions.
fn usual_sizes(axes: &Axes, questions: &[f32]) -> Vec<f64> {
    let (mut squares, mut n) = (vec![0.0; axes.n_few()], 0);
    let step = (questions.len() / axes.dim()).div_ceil(QUESTIONS).max(1);
    let questions = questions.chunks_exact(axes.dim()).step_by(step);
    for question in questions.filter(|question| dot(question, question).is_normal()) {
        let coordinates = axes.of_question(question);
        squares.iter_mut().zip(coordinates).for_each(|(sum, z)| *sum += z * z);
        n += 1;
    }
    squares.into_iter().map(|sum| (sum / f64::from(n.max(1))).sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use rand_distr::StandardNormal;

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
        let mut all = scan((dim, vectors, query), offsets, keep);
        all.sort_by(Scored::best_first);
        all.truncate(k);
        bits(&all)
    }

    fn scan(
        (dim, vectors, query): (usize, &[f32], &[f32]),
        offsets: &[f32],
        keep: impl Fn(ItemId) -> bool,
    ) -> Vec<Scored> {
        vectors
            .chunks_exact(dim)
            .zip(offsets)
            .enumerate()
            .map(|(item, (row, offset))| Scored {
                item: ItemId(item as u32),
                score: dot(query, row) + offset,
            })
            .filter(|scored| keep(scored.item) && !scored.score.is_nan())
            .collect()
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
            let index = ExactIndex::new(vectors.clone(), dim, Usual { offsets: &offsets, questions: &query }).unwrap();
            let keep = |item: ItemId| item.0 % 4 < kept;
            let found = bits(&index.best(&query, &index.offsets(&offsets), k, keep));
            prop_assert_eq!(found, full_scan((dim, &vectors, &query), &offsets, k, keep));
        }

        #[test]
        fn equals_a_full_scan_with_offsets_that_a_question_changes(
            (dim, vectors, query) in rows(value()),
            mut offsets in proptest::collection::vec(any_value(), 70),
            changes in proptest::collection::vec((0u32..70, any_value()), 0..30),
            scored in proptest::collection::btree_map(0u32..70, value(), 0..20),
            k in 0usize..75,
        ) {
            let index = ExactIndex::new(vectors.clone(), dim, Usual { offsets: &offsets, ..Usual::default() }).unwrap();
            let mut changed = index.offsets(&offsets);
            for (item, share) in changes {
                changed.add(&[(ItemId(item), share)]);
                offsets[item as usize] += share;
            }
            for &item in scored.keys() {
                prop_assert_eq!(changed.take(ItemId(item)).to_bits(), offsets[item as usize].to_bits());
            }
            changed.settle();
            let scored: Vec<Scored> =
                scored.into_iter().map(|(item, score)| Scored { item: ItemId(item), score }).collect();
            let found = bits(&index.best_beside(&query, &changed, &scored, k, |_| true));
            let is_other = |item: ItemId| scored.iter().all(|own| own.item != item);
            let mut expected: Vec<Scored> = scan((dim, &vectors, &query), &offsets, is_other);
            expected.extend(&scored);
            expected.sort_by(Scored::best_first);
            expected.truncate(k);
            prop_assert_eq!(found, bits(&expected));
        }

        #[test]
        fn equals_a_full_scan_of_what_is_no_number(
            (dim, vectors, query) in rows(any_value()),
            offsets in proptest::collection::vec(any_value(), 0..70),
            k in 0usize..75,
        ) {
            let index = ExactIndex::new(vectors.clone(), dim, Usual { offsets: &offsets, questions: &query }).unwrap();
            let found = bits(&index.best(&query, &index.offsets(&offsets), k, |_| true));
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
            let offsets = vec![0.0; 70];
            let index = ExactIndex::new(vectors.clone(), dim, Usual { offsets: &offsets, ..Usual::default() }).unwrap();
            let found = bits(&index.best(&query, &index.offsets(&offsets), 5, |_| true));
            prop_assert_eq!(found, full_scan((dim, &vectors, &query), &offsets, 5, |_| true));
        }
    }

    #[test]
    fn a_query_of_another_length_is_cut_or_followed_by_zeros() {
        let index = ExactIndex::new(vec![1.0, 2.0, 3.0, -4.0], 2, Usual::default()).unwrap();
        let score = |query: &[f32]| index.best(query, &index.offsets(&[0.0; 2]), 1, |_| true)[0];
        assert_eq!(score(&[1.0]), Scored { item: ItemId(1), score: 3.0 });
        assert_eq!(score(&[0.0, 1.0, 9.0]), Scored { item: ItemId(0), score: 2.0 });
    }

    #[test]
    fn refuses_what_is_not_whole_rows() {
        assert!(ExactIndex::new(vec![1.0; 5], 2, Usual::default()).is_err());
        assert!(ExactIndex::new(Vec::new(), 0, Usual::default()).is_err());
        let empty = ExactIndex::new(Vec::new(), 3, Usual::default()).unwrap();
        assert_eq!(empty.best(&[1.0; 3], &empty.offsets(&[]), 5, |_| true), []);
    }

    /// Items of few directions in many places, as trained ones are, and questions like them.
    fn trained(n_items: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut normal = |n: usize| -> Vec<f32> { (0..n).map(|_| random.sample(StandardNormal)).collect() };
        let (directions, sizes, mut vectors) = (normal(6 * 48), normal(6 * n_items), normal(48 * n_items));
        for (vector, sizes) in vectors.chunks_exact_mut(48).zip(sizes.chunks_exact(6)) {
            vector.iter_mut().for_each(|value| *value *= 0.1);
            for (size, direction) in sizes.iter().zip(directions.chunks_exact(48)) {
                vector.iter_mut().zip(direction).for_each(|(value, along)| *value += 0.2 * size * along);
            }
        }
        (vectors, normal(n_items))
    }

    #[test]
    fn passes_over_most_items_and_misses_none() {
        let (n_items, dim) = (20_000, 48);
        let (vectors, offsets) = trained(n_items, 4);
        let index =
            ExactIndex::new(vectors.clone(), dim, Usual { offsets: &offsets, ..Usual::default() }).unwrap();
        let usual = index.offsets(&offsets);
        let mut changed = usual.clone();
        for (number, query) in vectors.chunks_exact(dim).step_by(997).enumerate() {
            let query: Vec<f32> = query.iter().map(|value| value * number as f32).collect();
            let mut offsets = offsets.clone();
            for item in (number..n_items).step_by(211) {
                let share = (item % 13) as f32 - 6.0;
                offsets[item] += share;
                changed.add(&[(ItemId(item as u32), share)]);
            }
            changed.settle();
            let asked = std::cell::Cell::new(0);
            let found = index.best(&query, &changed, 10, |_| {
                asked.set(asked.get() + 1);
                true
            });
            changed.take_back(&usual);
            assert_eq!(bits(&found), full_scan((dim, &vectors, &query), &offsets, 10, |_| true));
            assert!(asked.get() < n_items / 20, "asked {} times", asked.get());
        }
    }

    /// More groups of blocks than are searched first, with odd vectors and offsets in some, and filters that keep the bar low.
    #[test]
    fn blocks_of_what_is_no_number_are_not_passed_over() {
        let (n_items, dim) = (3_000, 48);
        let (mut vectors, mut offsets) = trained(n_items, 5);
        for (number, odd) in [f32::NAN, 1e25, f32::INFINITY, -1e19].into_iter().cycle().take(60).enumerate() {
            vectors[(number * 53 % n_items) * dim + number % dim] = odd;
            offsets[number * 31 % n_items] = [f32::NAN, f32::NEG_INFINITY, 3e38, -2.0][number % 4];
        }
        let index =
            ExactIndex::new(vectors.clone(), dim, Usual { offsets: &offsets, ..Usual::default() }).unwrap();
        assert!(index.codes.n_blocks() > 4 * 16 && axes(&index.rows, &[])[0].n_few() <= MOST_OF_BOXES);
        for (query, every, k) in [(1, 1, 20), (7, 1, 3_000), (90, 97, 50), (2_500, 997, 5)] {
            let query: Vec<f32> = vectors[query * dim..][..dim].to_vec();
            let keep = |item: ItemId| item.0.is_multiple_of(every);
            let found = bits(&index.best(&query, &index.offsets(&offsets), k, keep));
            assert_eq!(found, full_scan((dim, &vectors, &query), &offsets, k, keep));
        }
    }

    #[test]
    fn looks_closer_at_few_items() {
        let items = 20_000;
        let wave =
            |place: usize| ((place * 7_919 % 10_007) as f32 / 10_007.0 - 0.5) * (place as f32 * 0.7).sin();
        let index =
            ExactIndex::new((0..items * 32).map(wave).collect::<Vec<_>>(), 32, Usual::default()).unwrap();
        let query: Vec<f32> = (0..32).map(|place| wave(place * 31 + 5)).collect();
        let asked = std::cell::Cell::new(0);
        let found = index.best(&query, &index.offsets(&vec![0.0; items]), 10, |_| {
            asked.set(asked.get() + 1);
            true
        });
        assert_eq!(found.len(), 10);
        assert!(asked.get() < items / 50, "asked {} times", asked.get());
    }
}
