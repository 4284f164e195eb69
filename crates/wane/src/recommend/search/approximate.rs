//! The best items of `q . e_j + offset_j` in a large catalogue, nearly always: only promising cells are searched.
//!
//! Vectors are cut into `2 sqrt(n)` cells by k-means. The scores of a cell's items are expected about
//! `mean = q . centre + mean offset`, with `deviation^2 = |q'|^2 * along^2 + |q''|^2 * across^2 + offset spread^2`:
//! `q'` is the part of `q` in the direction of the centre, in which items that differ by length are spread by `along`,
//! `q''` the rest, where they are spread by `across` in each direction. So a cell promises `mean + optimism * deviation`.
//! Cells are searched from the most promising on, each as `exact` does it with the offsets of the moment, until the
//! `k`-th best score so far is above what the next one promises. A question that has its answers together sees few
//! cells; one whose filter keeps little has a low bar and sees more. One that would see more than a tenth of all items
//! goes to the exact index, which reads memory in order and is quicker from there.
//!
//! `optimism` is measured when the index is built. An item of score `s` in an exact list that ends at `bar` is found
//! if its cell promises `bar`, thus from `(bar - mean) / deviation` on; `optimism` is what 98 % of the items in the lists
//! of sampled questions need. Questions are items, and means of five items: users with one interest, and with many.
//!
//! Why no graph: with one million items of 64 numbers in 500 groups, `hnsw_rs` 0.3.5 (16 links, 200 candidates, the
//! usual reduction to distances) took sixteen minutes to build in sequence, and gives another index each time when it
//! builds in parallel; it found 70 % of the best twenty in 2.4 ms and 89 % in 4.7 ms. These cells take twelve seconds on
//! one core, are the same on any number of threads, and find 99 % in 0.1 ms (`cargo bench -p wane --bench search`).
//! Herve Jegou, Matthijs Douze and Cordelia Schmid, "Product quantization for nearest neighbor search", TPAMI 2011
//! (the inverted file).

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use super::cells::{assign_cells, means};
use super::codes::{CodedQuery, LANES};
use super::dot::dot;
use super::exact::{ExactIndex, Usual, axes};
use super::offsets::ItemOffsets;
use super::order::Order;
use super::rows::Rows;
use super::shortlist::Shortlist;
use crate::error::Result;
use crate::events::ItemId;
use crate::recommend::Scored;

/// Cells for each unit of the square root of the number of items.
const CELLS_PER_ROOT: f64 = 2.0;

/// Searched cells may hold one item of so many; a search that needs more is quicker exactly.
const SHARE: usize = 10;

const QUESTIONS: usize = 200;
const QUESTION_ITEMS: usize = 5;
const QUESTION_BEST: usize = 20;
/// Of the items in the lists of sampled questions, how many a search has to find.
const FOUND: f64 = 0.98;

/// Vectors of items in cells, searched where the best may be.
#[derive(Debug, Clone)]
pub struct ApproximateIndex {
    /// All items, by their cells.
    exact: ExactIndex,
    cells: Vec<Cell>,
    /// One row per cell.
    centres: Vec<f32>,
    /// How many deviations above its mean a cell's best is expected.
    optimism: f32,
}

#[derive(Debug, Clone)]
struct Cell {
    blocks: Range<usize>,
    /// The length of the centre.
    length: f32,
    /// The deviation of vectors from the centre in its direction.
    along: f32,
    /// The deviation in each other direction.
    across: f32,
    offset: f32,
    offset_spread: f32,
}

impl ApproximateIndex {
    /// An index of vectors of `dim` numbers, one after another in the order of items.
    ///
    /// `usual` is what is asked and added at a usual search; of what is found only which cells are searched depends on the offsets. The
    /// same of all and the same seed give the same index on any number of threads.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) when `dim` is not 1 to 65,536, or does not divide the numbers.
    pub fn build(vectors: impl Into<Arc<[f32]>>, dim: usize, usual: Usual<'_>, seed: u64) -> Result<Self> {
        let rows = Rows::new(vectors.into(), dim)?;
        let n_cells = (CELLS_PER_ROOT * (rows.len() as f64).sqrt()).ceil() as usize;
        let cell_of = assign_cells(&rows, n_cells, seed)?;
        let centres = means(rows.iter(), &cell_of, n_cells, dim);
        let mut members = vec![Vec::new(); n_cells];
        cell_of.iter().enumerate().for_each(|(item, &cell)| members[cell].push(item as u32));
        let mut cells = Vec::with_capacity(n_cells);
        let mut first = 0;
        for (members, centre) in members.iter().zip(centres.chunks_exact(dim)) {
            let blocks = first..first + members.len().div_ceil(LANES);
            first = blocks.end;
            let rows = members.iter().map(|&item| rows.row(ItemId(item)));
            let offsets = members.iter().filter_map(|&item| usual.offsets.get(item as usize).copied());
            cells.push(Cell::new(blocks, rows, centre, offsets));
        }
        let axes = axes(&rows, usual.questions);
        let exact = ExactIndex::in_order(rows, &axes, Order::of_cells(&members));
        let mut index = Self { exact, cells, centres, optimism: 0.0 };
        index.optimism = index.needed_optimism(&cell_of, &index.offsets(usual.offsets), seed);
        Ok(index)
    }

    /// Items in the index.
    pub fn n_items(&self) -> usize {
        self.exact.n_items()
    }

    /// What is added to the scores, one per item, in the order of this index.
    pub fn offsets(&self, by_item: &[f32]) -> ItemOffsets {
        self.exact.offsets(by_item)
    }

    /// The `k` best of the items that `keep` lets through, or nearly; else as [`ExactIndex::best`].
    pub fn best(
        &self,
        query: &[f32],
        offsets: &ItemOffsets,
        k: usize,
        keep: impl Fn(ItemId) -> bool,
    ) -> Vec<Scored> {
        if k == 0 {
            return Vec::new();
        }
        let coded = self.exact.codes.query(query);
        let mut best = Shortlist::new(k, &keep);
        let mut cells = self.promises(query);
        let mut left = self.exact.codes.n_blocks() / SHARE;
        while let Some(Promise { cell, .. }) = cells.pop().filter(|cell| cell.score >= best.bar()) {
            let blocks = &self.cells[cell].blocks;
            if blocks.len() > left {
                return self.exact.best(query, offsets, k, keep);
            }
            left -= blocks.len();
            self.search(blocks.clone(), (query, &coded), offsets, &mut best);
        }
        best.finish()
    }

    /// What each cell promises, the most promising on top.
    fn promises(&self, query: &[f32]) -> BinaryHeap<Promise> {
        let length = dot(query, query).sqrt();
        let promise = |cell| {
            let (mean, deviation) = self.outlook(cell, query, length);
            let score = mean + self.optimism * deviation;
            // A cell about which nothing can be said is searched.
            Promise { score: if score.is_nan() { f32::INFINITY } else { score }, cell }
        };
        (0..self.cells.len()).map(promise).collect()
    }

    /// Mean and deviation of a cell's scores for a query of a length.
    fn outlook(&self, cell: usize, query: &[f32], length: f32) -> (f32, f32) {
        let dim = self.exact.rows.dim;
        let of = &self.cells[cell];
        let product = dot(query, &self.centres[cell * dim..][..dim]);
        let part = if of.length > 0.0 { product / of.length } else { 0.0 };
        let rest = (length * length - part * part).max(0.0);
        let variance = (part * of.along).powi(2) + rest * of.across.powi(2) + of.offset_spread.powi(2);
        (product + of.offset, variance.sqrt())
    }

    fn search<F: Fn(ItemId) -> bool>(
        &self,
        blocks: Range<usize>,
        (query, coded): (&[f32], &CodedQuery),
        offsets: &ItemOffsets,
        best: &mut Shortlist<F>,
    ) {
        let ExactIndex { rows, order, codes } = &self.exact;
        codes.scan(coded, Some(blocks), offsets, best.bar(), |place| {
            if let Some(item) = order.item(place) {
                best.offer(item, || dot(query, rows.row(item)) + offsets.at(place));
            }
            best.bar()
        });
    }

    /// The optimism that finds most of what sampled questions should find.
    fn needed_optimism(&self, cell_of: &[usize], offsets: &ItemOffsets, seed: u64) -> f32 {
        let mut needs: Vec<f32> = self
            .questions(seed)
            .par_iter()
            .flat_map_iter(|query| {
                let found = self.exact.best(query, offsets, QUESTION_BEST, |_| true);
                let bar = found.last().map_or(f32::NAN, |last| last.score);
                let length = dot(query, query).sqrt();
                found.into_iter().map(move |scored| {
                    let (mean, deviation) = self.outlook(cell_of[scored.item.0 as usize], query, length);
                    (bar - mean) / deviation
                })
            })
            .filter(|need| need.is_finite())
            .collect();
        needs.sort_unstable_by(f32::total_cmp);
        needs.get((needs.len() as f64 * FOUND) as usize).copied().unwrap_or_default()
    }

    /// Half of them items, half of them means of several items.
    fn questions(&self, seed: u64) -> Vec<Vec<f32>> {
        let (n_items, dim) = (self.n_items(), self.exact.rows.dim);
        if n_items == 0 {
            return Vec::new();
        }
        let mut random = StdRng::seed_from_u64(seed);
        let mut mean_of = |count: usize| {
            let mut mean = vec![0.0; dim];
            for _ in 0..count {
                let row = self.exact.rows.row(ItemId(random.random_range(0..n_items) as u32));
                mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / count as f32);
            }
            mean
        };
        (0..QUESTIONS).map(|question| mean_of(if question % 2 == 0 { 1 } else { QUESTION_ITEMS })).collect()
    }
}

impl Cell {
    fn new<'a>(
        blocks: Range<usize>,
        rows: impl ExactSizeIterator<Item = &'a [f32]>,
        centre: &[f32],
        offsets: impl Iterator<Item = f32>,
    ) -> Self {
        let length = dot(centre, centre).sqrt();
        let count = rows.len().max(1) as f64;
        let (mut along, mut all) = (0.0, 0.0);
        for row in rows {
            let part = if length > 0.0 { dot(row, centre) / length } else { 0.0 };
            along += f64::from(part - length).powi(2) / count;
            let square = |(&value, &mean): (&f32, &f32)| (f64::from(value) - f64::from(mean)).powi(2);
            all += row.iter().zip(centre).map(square).sum::<f64>() / count;
        }
        let across = (all - along).max(0.0) / (centre.len() - 1).max(1) as f64;
        let (offset, variance) = mean_and_variance(offsets.filter(|offset| offset.is_finite()).collect());
        Self {
            blocks,
            length,
            along: along.sqrt() as f32,
            across: across.sqrt() as f32,
            offset: offset as f32,
            offset_spread: variance.sqrt() as f32,
        }
    }
}

fn mean_and_variance(values: Vec<f32>) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().copied().map(f64::from).sum::<f64>() / count;
    (mean, values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count)
}

/// The best score that a cell may be expected to hold.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Promise {
    score: f32,
    cell: usize,
}

impl Eq for Promise {}

impl Ord for Promise {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.cell.cmp(&self.cell))
    }
}

impl PartialOrd for Promise {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::StandardNormal;

    const DIM: usize = 16;

    /// Items about 40 centres, with offsets.
    fn shop(items: usize) -> (Vec<f32>, Vec<f32>) {
        let mut random = StdRng::seed_from_u64(3);
        let mut normal =
            |count: usize| -> Vec<f32> { (0..count).map(|_| random.sample(StandardNormal)).collect() };
        let (centres, mut vectors, offsets) = (normal(40 * DIM), normal(items * DIM), normal(items));
        for (item, vector) in vectors.chunks_exact_mut(DIM).enumerate() {
            let centre = &centres[item % 40 * DIM..][..DIM];
            vector.iter_mut().zip(centre).for_each(|(value, mean)| *value = mean + 0.6 * *value);
        }
        (vectors, offsets)
    }

    fn usual(offsets: &[f32]) -> Usual<'_> {
        Usual { offsets, ..Usual::default() }
    }

    #[test]
    fn finds_nearly_all_with_the_scores_of_an_exact_search() {
        let (vectors, offsets) = shop(20_000);
        let exact = ExactIndex::new(vectors.clone(), DIM, usual(&offsets)).unwrap();
        let index = ApproximateIndex::build(vectors.clone(), DIM, usual(&offsets), 7).unwrap();
        let (mut hits, seen) = (0, std::cell::Cell::new(0));
        let queries: Vec<_> = vectors.chunks_exact(DIM).step_by(199).collect();
        for query in &queries {
            let all = exact.best(query, &exact.offsets(&offsets), 20, |_| true);
            let found = index.best(query, &index.offsets(&offsets), 20, |_| {
                seen.set(seen.get() + 1);
                true
            });
            hits += all.iter().filter(|scored| found.contains(scored)).count();
        }
        assert!(hits as f64 >= 0.95 * 20.0 * queries.len() as f64, "{hits} of {}", 20 * queries.len());
        assert!(seen.get() < 2_000 * queries.len(), "looked at {}", seen.get());
    }

    #[test]
    fn a_filter_that_keeps_little_makes_the_search_exact() {
        let (vectors, offsets) = shop(5_000);
        let exact = ExactIndex::new(vectors.clone(), DIM, usual(&offsets)).unwrap();
        let index = ApproximateIndex::build(vectors.clone(), DIM, usual(&offsets), 7).unwrap();
        for kept in [0, 5, 30] {
            let keep = |item: ItemId| item.0 % 167 == 1 && item.0 / 167 < kept;
            let query = &vectors[..DIM];
            assert_eq!(
                index.best(query, &index.offsets(&offsets), 20, keep),
                exact.best(query, &exact.offsets(&offsets), 20, keep)
            );
        }
    }

    #[test]
    fn is_the_same_on_any_number_of_threads() {
        let (vectors, offsets) = shop(3_000);
        let build = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| ApproximateIndex::build(vectors.clone(), DIM, usual(&offsets), 7).unwrap())
        };
        assert_eq!(format!("{:?}", build(1)), format!("{:?}", build(3)));
    }

    #[test]
    fn odd_catalogues_are_searched() {
        let none = ApproximateIndex::build(Vec::new(), DIM, Usual::default(), 1).unwrap();
        assert_eq!(none.best(&[1.0; DIM], &none.offsets(&[]), 5, |_| true), []);
        for value in [0.0, 1.0, 1e30, f32::NAN, f32::INFINITY] {
            let vectors = vec![value; 50 * DIM];
            let (query, offsets) = ([1.0; DIM], [0.25; 50]);
            let exact = ExactIndex::new(vectors.clone(), DIM, usual(&offsets)).unwrap();
            let index = ApproximateIndex::build(vectors, DIM, usual(&[0.5; 50]), 1).unwrap();
            let found = index.best(&query, &index.offsets(&offsets), 60, |_| true);
            assert_eq!(found, exact.best(&query, &exact.offsets(&offsets), 60, |_| true), "{value}");
        }
    }
}
