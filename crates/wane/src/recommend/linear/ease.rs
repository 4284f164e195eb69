//! EASE: the item-to-item regression with a closed form.
//!
//! - Every item is predicted from the user's other items: minimise `|X - X B|^2 + lambda |B|^2` with `diag(B) = 0`,
//!   X being users x items. With `P = (X^T X + lambda I)^-1` the answer is `B[i, j] = -P[i, j] / P[j, j]`.
//! - `lambda = ridge * (mean diagonal of X^T X)`: the diagonal is the weight that an item's users carry, so the same
//!   `ridge` means the same trust in a count, on a log of thousands of users or of millions.
//! - Of each row only the `neighbours` greatest entries by magnitude are kept: a dense B of 12,000 items would be
//!   0.6 GB to save, load and read.
//! - Work: n^3 for n items, in `f32`; memory: two n x n matrices. Items beyond the `max_items` with the most users
//!   are neither predicted nor predicted from: they score 0.
//!
//! Harald Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.

use rayon::prelude::*;

use super::inverse::invert;
use crate::error::Result;
use crate::recommend::sparse_rows::SparseRows;

/// The regression's weights among the items of a Gram matrix, which is used up.
pub(super) fn ease(mut gram: Vec<f32>, n: usize, ridge: f64, neighbours: usize) -> Result<SparseRows> {
    let ridge = (ridge * mean_diagonal(&gram, n)) as f32;
    gram.iter_mut().step_by(n + 1).for_each(|diagonal| *diagonal += ridge);
    invert(&mut gram, n)?;
    let diagonal: Vec<f32> = gram.iter().step_by(n + 1).copied().collect();
    let rows: Vec<_> = gram
        .par_chunks(n.max(1))
        .enumerate()
        .map(|(row, precision)| {
            let weights = precision.iter().zip(&diagonal).map(|(entry, diagonal)| -entry / diagonal);
            greatest(row, weights, neighbours)
        })
        .collect();
    Ok(SparseRows::from_rows(rows))
}

/// Mean of the diagonal of a dense square matrix; 1 for an empty one.
pub(super) fn mean_diagonal(matrix: &[f32], n: usize) -> f64 {
    let sum: f64 = matrix.iter().step_by(n + 1).map(|&entry| f64::from(entry)).sum();
    if n == 0 { 1.0 } else { sum / n as f64 }
}

/// The `keep` entries of a row with the greatest magnitude, without the diagonal, columns ascending.
pub(super) fn greatest(row: usize, weights: impl Iterator<Item = f32>, keep: usize) -> Vec<(u32, f32)> {
    let mut cells: Vec<_> =
        (0u32..).zip(weights).filter(|&(column, weight)| column as usize != row && weight != 0.0).collect();
    if keep < cells.len() {
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0));
        cells.select_nth_unstable_by(keep, order);
        cells.truncate(keep);
        cells.sort_unstable_by_key(|cell| cell.0);
    }
    cells
}
