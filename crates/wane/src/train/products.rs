//! Products of tables of numbers, by faer, on one thread each: what runs side by side is cut by the caller, so that sums are taken
//! in one order on any machine.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// A table, row by row.
pub(crate) fn table(values: &[f32], rows: usize, columns: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(values, rows, columns)
}

/// A table that is written, row by row.
pub(crate) fn table_mut(values: &mut [f32], rows: usize, columns: usize) -> MatMut<'_, f32> {
    MatMut::from_row_major_slice_mut(values, rows, columns)
}

/// `a b`.
pub(crate) fn product(out: MatMut<'_, f32>, a: MatRef<'_, f32>, b: MatRef<'_, f32>, accum: Accum) {
    if out.nrows() > 0 {
        matmul(out, accum, a, b, 1.0, Par::Seq);
    }
}

/// `out += factor a b`.
pub(super) fn add_product(out: MatMut<'_, f32>, a: MatRef<'_, f32>, b: MatRef<'_, f32>, factor: f32) {
    if out.nrows() > 0 {
        matmul(out, Accum::Add, a, b, factor, Par::Seq);
    }
}
