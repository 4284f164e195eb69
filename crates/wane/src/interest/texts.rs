//! Vectors of what is written of items, made short for a model that learns from them.
//!
//! - `f_j = A (x_j / |x_j| - m)`, with the mean m of the vectors of length 1 and A the first principal axes, each divided by its
//!   standard deviation and by the square root of their number. So every axis says as much as any other, and the mean of `|f_j|^2` is
//!   1 whichever the encoder. Encoders put much of every text into a few directions that tell items apart least: evened out, the
//!   nearest texts are more often what a user wants next.
//! - At most [`MOST`] axes, and one for every [`PER_AXIS`] items: as many axes as items would put all items equally far apart.
//! - A reduction belongs to what was learned on it: later items go through the same one ([`Reduction`]).
//! - An item without a vector has a row of zeros: nothing is written of it.

use std::mem::MaybeUninit;

use faer::diag::Diag;
use faer::dyn_stack::MemStack;
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::Vectors;

/// Axes at most.
const MOST: usize = 256;
/// Items for each axis at least.
const PER_AXIS: usize = 4;
/// Part of the greatest variance below which there is nothing but rounding.
const NOISE: f32 = 1e-5;
/// Vectors from which axes are found, at most.
const LOOKED_AT: usize = 20_000;
/// Rows that one thread reduces at once.
const TOGETHER: usize = 256;

/// How vectors are made short; see the module's documentation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reduction {
    /// `m`.
    pub mean: Vec<f32>,
    /// `A`, row by row.
    pub axes: Vec<f32>,
}

/// Short vectors of items.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Texts {
    /// Numbers of one item.
    pub dim: usize,
    /// How they came about.
    pub reduction: Reduction,
    rows: Vec<f32>,
}

impl Reduction {
    /// The axes of a table of vectors: as many as a model can learn from.
    pub fn of(vectors: &Vectors) -> Self {
        let items = vectors.data.chunks_exact(vectors.dim.max(1)).filter(|row| is_filled(row)).count();
        Self::to(vectors, MOST.min(items.min(LOOKED_AT) / PER_AXIS))
    }

    /// So many axes of a table of vectors, or fewer where it does not vary in as many ways.
    pub fn to(vectors: &Vectors, axes: usize) -> Self {
        let dim = vectors.dim.max(1);
        let filled: Vec<&[f32]> = vectors.data.chunks_exact(dim).filter(|row| is_filled(row)).collect();
        let step = filled.len().div_ceil(LOOKED_AT).max(1);
        let mut rows = Vec::new();
        filled.into_iter().step_by(step).for_each(|row| rows.extend(of_length_1(row)));
        let n = rows.len() / dim;
        let mut mean = vec![0.0; dim];
        for row in rows.chunks_exact(dim) {
            mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / n as f32);
        }
        rows.chunks_exact_mut(dim).for_each(|row| row.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean));
        let axes = principal_axes(&rows, dim, n, axes);
        Self { mean, axes }
    }

    /// Length of the vectors that it takes.
    pub fn length(&self) -> usize {
        self.mean.len()
    }

    /// Numbers that it leaves.
    pub fn dim(&self) -> usize {
        self.axes.len().checked_div(self.mean.len()).unwrap_or(0)
    }
}

/// `A` of centred rows, with so many axes at most.
fn principal_axes(rows: &[f32], dim: usize, n: usize, most: usize) -> Vec<f32> {
    let rows = MatRef::from_row_major_slice(rows, n, dim);
    let mut covariance = Mat::<f32>::zeros(dim, dim);
    matmul(covariance.as_mut(), Accum::Replace, rows.transpose(), rows, 1.0 / n.max(1) as f32, Par::Seq);
    let Some((variances, columns)) = eigen(&covariance) else { return Vec::new() };
    let noise = NOISE * variances.last().copied().unwrap_or_default();
    let last_first = (0..dim).rev().take(most);
    let kept: Vec<usize> = last_first.take_while(|&k| variances[k] > noise).collect();
    let mut axes = Vec::with_capacity(kept.len() * dim);
    for &k in &kept {
        let each = 1.0 / (variances[k] * kept.len() as f32).sqrt();
        axes.extend((0..dim).map(|place| each * columns[(place, k)]));
    }
    axes
}

/// Eigenvalues of a symmetric matrix, ascending, and its eigenvectors by columns. On one thread: sums are taken in one order on any
/// machine.
pub(crate) fn eigen(matrix: &Mat<f32>) -> Option<(Vec<f32>, Mat<f32>)> {
    let n = matrix.nrows();
    let (mut values, mut vectors) = (Diag::<f32>::zeros(n), Mat::<f32>::zeros(n, n));
    let need = self_adjoint_evd_scratch::<f32>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut scratch = vec![MaybeUninit::uninit(); need.unaligned_bytes_required()];
    let stack = MemStack::new(&mut scratch);
    let (into_values, into_vectors) = (values.as_mut(), Some(vectors.as_mut()));
    self_adjoint_evd(matrix.as_ref(), into_values, into_vectors, Par::Seq, stack, Default::default()).ok()?;
    Some((values.column_vector().iter().copied().collect(), vectors))
}

impl Texts {
    /// Short vectors of all items; nothing for vectors of another length than the reduction takes.
    pub fn of(vectors: &Vectors, reduction: Reduction) -> Self {
        let (length, dim) = (reduction.length(), reduction.dim());
        if length != vectors.dim || dim == 0 {
            return Self::default();
        }
        let axes = MatRef::from_row_major_slice(&reduction.axes, dim, length);
        let mut rows = vec![0.0; vectors.data.len() / length * dim];
        let blocks = rows.par_chunks_mut(TOGETHER * dim).zip(vectors.data.par_chunks(TOGETHER * length));
        blocks.for_each(|(short, long)| {
            let n = long.len() / length;
            let centred = |row: &[f32]| -> Vec<f32> {
                if !is_filled(row) {
                    return vec![0.0; length];
                }
                of_length_1(row).zip(&reduction.mean).map(|(x, mean)| x - mean).collect()
            };
            let long: Vec<f32> = long.chunks_exact(length).flat_map(centred).collect();
            let long = MatRef::from_row_major_slice(&long, n, length);
            let short = MatMut::from_row_major_slice_mut(short, n, dim);
            matmul(short, Accum::Replace, long, axes.transpose(), 1.0, Par::Seq);
        });
        Self { dim, reduction, rows }
    }

    /// The same for so many items: of those beyond the table nothing is written.
    #[must_use]
    pub fn over(mut self, n_items: usize) -> Self {
        self.rows.resize(n_items * self.dim, 0.0);
        self
    }

    /// The numbers of an item; empty where there are none of any item.
    pub fn of_item(&self, item: u32) -> &[f32] {
        self.rows.get(item as usize * self.dim..(item as usize + 1) * self.dim).unwrap_or_default()
    }

    /// Whether anything is written of an item.
    pub fn has(&self, item: u32) -> bool {
        is_filled(self.of_item(item))
    }

    /// All items, row by row.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }
}

fn is_filled(row: &[f32]) -> bool {
    row.iter().any(|x| *x != 0.0)
}

fn of_length_1(row: &[f32]) -> impl Iterator<Item = f32> + '_ {
    let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
    row.iter().map(move |x| x / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(place: usize) -> f32 {
        (place as f32 * 0.7).sin() + 0.5 * (place as f32 * place as f32 * 0.13).cos()
    }

    /// 400 vectors of 12 numbers, far from each other in the first few; the seventh item has none.
    fn vectors() -> Vectors {
        let number = |place: usize| (1.0 + wave(place)) / (1.0 + (place % 12) as f32).powi(2);
        let data = (0..400 * 12).map(|place| if place / 12 == 7 { 0.0 } else { number(place) });
        Vectors { dim: 12, data: data.collect() }
    }

    #[test]
    fn every_axis_says_as_much_and_lengths_are_1_in_the_mean() {
        let vectors = vectors();
        let texts = Texts::of(&vectors, Reduction::of(&vectors));
        assert_eq!((texts.dim, texts.has(6), texts.has(7), texts.has(400)), (12, true, false, false));
        let product = |a: usize, b: usize| {
            let rows = texts.rows.chunks_exact(12);
            rows.map(|row| f64::from(row[a] * row[b])).sum::<f64>() / 399.0
        };
        for a in 0..12 {
            for b in 0..12 {
                let expected = if a == b { 1.0 / 12.0 } else { 0.0 };
                assert!((product(a, b) - expected).abs() < 2e-3, "{a} {b}: {}", product(a, b));
            }
        }
    }

    #[test]
    fn few_items_have_few_axes_and_none_is_found_in_one_text() {
        let few = Vectors { dim: 12, data: vectors().data[..20 * 12].to_vec() };
        assert_eq!(Reduction::of(&few).dim(), 4);
        let same = Vectors { dim: 3, data: [1.0, 2.0, 2.0].repeat(40) };
        let nothing = Vectors { dim: 3, data: vec![0.0; 30] };
        for vectors in [same, nothing] {
            let texts = Texts::of(&vectors, Reduction::of(&vectors));
            assert_eq!((texts.dim, texts.has(0), texts.of_item(0)), (0, false, &[][..]));
        }
    }

    #[test]
    fn later_vectors_go_through_the_same_reduction_and_others_are_none() {
        let vectors = vectors();
        let reduction = Reduction::of(&vectors);
        let one = Vectors { dim: 12, data: vectors.data[36..48].to_vec() };
        let (all, alone) = (Texts::of(&vectors, reduction.clone()), Texts::of(&one, reduction.clone()));
        all.of_item(3).iter().zip(alone.of_item(0)).for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
        let more = all.clone().over(500);
        assert_eq!((more.of_item(3), more.has(450), more.rows.len()), (all.of_item(3), false, 500 * 12));
        let shorter = Vectors { dim: 11, data: vec![1.0; 22] };
        assert_eq!(Texts::of(&shorter, reduction), Texts::default());
    }
}
