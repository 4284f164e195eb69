//! The inverse of a dense symmetric positive definite matrix, in place, by Cholesky.
//!
//! `A = L L^T`, so `A^-1 = L^-T L^-1`. Two buffers of the matrix's size are all it takes.

use std::mem::MaybeUninit;

use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Accum, MatMut, Par};

use crate::error::{Error, Result};

/// Into how many tasks the matrix work is cut. A constant, not the number of threads: where the cuts fall decides
/// in which order floats are added, and the result must be the same on every machine.
pub(super) const TASKS: usize = 8;

/// Replaces the symmetric positive definite `n x n` matrix by its inverse.
///
/// # Errors
/// [`Error::Setting`] named `ridge` when the matrix is not positive definite at this precision.
pub(super) fn invert(matrix: &mut [f32], n: usize) -> Result<()> {
    if n == 0 {
        return Ok(());
    }
    let par = Par::rayon(TASKS);
    let mut factor = MatMut::from_column_major_slice_mut(matrix, n, n);
    let need = cholesky_in_place_scratch::<f32>(n, par, Default::default());
    let mut scratch = vec![MaybeUninit::uninit(); need.unaligned_bytes_required()];
    let stack = faer::dyn_stack::MemStack::new(&mut scratch);
    let none = LltRegularization::default();
    cholesky_in_place(factor.as_mut(), none, par, stack, Default::default()).map_err(|_| {
        Error::setting("ridge", "a greater ridge: the items' counts depend on each other", "too small a one")
    })?;
    let mut inverse = vec![0.0f32; n * n];
    let mut lower = MatMut::from_column_major_slice_mut(&mut inverse, n, n);
    invert_lower_triangular(lower.as_mut(), factor.as_ref(), par);
    matmul(
        factor.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        lower.as_ref().transpose(),
        BlockStructure::TriangularUpper,
        lower.as_ref(),
        BlockStructure::TriangularLower,
        1.0,
        par,
    );
    mirror(factor);
    Ok(())
}

/// Copies the lower triangle over the upper one, in blocks that fit the cache.
fn mirror(mut matrix: MatMut<'_, f32>) {
    const BLOCK: usize = 64;
    let n = matrix.nrows();
    for column in (0..n).step_by(BLOCK) {
        for row in (column..n).step_by(BLOCK) {
            for j in column..(column + BLOCK).min(n) {
                for i in row.max(j + 1)..(row + BLOCK).min(n) {
                    matrix[(j, i)] = matrix[(i, j)];
                }
            }
        }
    }
}
