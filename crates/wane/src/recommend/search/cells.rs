//! Vectors cut into cells by seeded k-means: who is near whom.
//!
//! Lloyd's rounds on a sample: each vector goes to its nearest centre, each centre to the mean of its vectors. The
//! nearest centre is the one with the greatest `v . c - |c|^2 / 2`, which is what [`ExactIndex`] finds, so a round
//! costs little and gives the same bits whatever the number of threads: assignments are independent of each other, and
//! sums are taken in the order of items.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;
use rayon::prelude::*;

use super::dot::dot;
use super::exact::{ExactIndex, Usual};
use super::offsets::ItemOffsets;
use super::rows::Rows;
use crate::error::Result;
use crate::events::ItemId;

const ROUNDS: usize = 8;
/// Vectors of the sample for each cell.
const SAMPLE_PER_CELL: usize = 50;

/// The cell of each item, below `n_cells`.
///
/// # Errors
/// None for vectors that are indexed.
pub(super) fn assign_cells(items: &Rows, n_cells: usize, seed: u64) -> Result<Vec<usize>> {
    let n_items = items.len();
    let mut random = StdRng::seed_from_u64(seed);
    let sample: Vec<&[f32]> = index::sample(&mut random, n_items, n_items.min(n_cells * SAMPLE_PER_CELL))
        .into_iter()
        .map(|item| items.row(ItemId(item as u32)))
        .filter(|vector| dot(vector, vector).is_finite())
        .collect();
    let start = sample.iter().take(n_cells).copied().flatten().copied().collect();
    let mut centres = Centres::new(start, items.dim)?;
    for _ in 0..ROUNDS {
        centres = centres.moved(&sample, items.dim)?;
    }
    Ok(items.vectors.par_chunks_exact(items.dim).map(|row| centres.nearest(row)).collect())
}

/// The mean of each cell's rows; zeros for an empty cell.
pub(super) fn means<'a>(
    rows: impl Iterator<Item = &'a [f32]>,
    cells: &[usize],
    n_cells: usize,
    dim: usize,
) -> Vec<f32> {
    let mut sums = vec![0.0f64; n_cells * dim];
    let mut counts = vec![0u32; n_cells];
    for (vector, &cell) in rows.zip(cells) {
        counts[cell] += 1;
        for (sum, &value) in sums[cell * dim..][..dim].iter_mut().zip(vector) {
            *sum += f64::from(value);
        }
    }
    let mean = |(place, sum): (usize, f64)| (sum / f64::from(counts[place / dim].max(1))) as f32;
    sums.into_iter().enumerate().map(mean).collect()
}

struct Centres {
    index: ExactIndex,
    /// `-|c|^2 / 2`.
    offsets: ItemOffsets,
}

impl Centres {
    fn new(centres: Vec<f32>, dim: usize) -> Result<Self> {
        let offsets: Vec<f32> = centres.chunks_exact(dim).map(|centre| -0.5 * dot(centre, centre)).collect();
        let index = ExactIndex::new(centres, dim, Usual { offsets: &offsets, ..Usual::default() })?;
        Ok(Self { offsets: index.offsets(&offsets), index })
    }

    /// The first cell for a vector that is no number, or when there are no centres.
    fn nearest(&self, vector: &[f32]) -> usize {
        self.index
            .best(vector, &self.offsets, 1, |_| true)
            .first()
            .map_or(0, |nearest| nearest.item.0 as usize)
    }

    /// Each centre at the mean of its vectors; one without any goes to the origin, and takes no more part unless the
    /// origin is somebody's nearest.
    fn moved(&self, sample: &[&[f32]], dim: usize) -> Result<Self> {
        let cells: Vec<usize> = sample.par_iter().map(|vector| self.nearest(vector)).collect();
        Self::new(means(sample.iter().copied(), &cells, self.index.n_items(), dim), dim)
    }
}
