//! SLIM by ADMM: a sparse item-to-item regression, with weights that may be kept non-negative.
//!
//! - Minimise `|X - X B|^2 / 2 + lambda_2 |B|^2 / 2 + lambda_1 |B|_1` with `diag(B) = 0`, and `B >= 0` if wanted.
//! - ADMM splits it into a ridge regression (B) and a shrinkage (C) that must agree, with `G` the running
//!   disagreement and `P = (X^T X + (lambda_2 + rho) I)^-1` computed once:
//!   `B = P X^T X + rho P (C - G)`, less `P diag(b)` with b such that `diag(B) = 0`;
//!   `C = shrink(B + G, lambda_1 / rho)`; `G = G + B - C`.
//! - The result is C, exactly sparse. The residual `|B - C| / |C|` is kept per iteration; the loop ends when it and
//!   the change of C fall below `tolerance`, or after `iterations`.
//! - All three strengths are in units of the mean diagonal of `X^T X`, as in EASE.
//! - Work: 2 n^3 per iteration, memory: six n x n matrices; so the default is fewer items than EASE takes.
//!
//! Harald Steck, Maria Dimakopoulou, Nickolai Riabov and Tony Jebara, "ADMM SLIM: sparse recommendations for many
//! users", WSDM 2020.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::ease::{greatest, mean_diagonal};
use super::inverse::{TASKS, invert};
use crate::error::Result;
use crate::recommend::sparse_rows::SparseRows;

/// Strengths in units of the mean diagonal of the Gram matrix, and when to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admm {
    pub(super) l1: f64,
    pub(super) l2: f64,
    pub(super) rho: f64,
    pub(super) is_non_negative: bool,
    pub(super) iterations: usize,
    pub(super) tolerance: f32,
    pub(super) neighbours: usize,
}

/// The regression's weights among the items of a Gram matrix, and the residual after each iteration.
pub(super) fn slim(gram: Vec<f32>, n: usize, settings: &Admm) -> Result<(SparseRows, Vec<f32>)> {
    let unit = mean_diagonal(&gram, n);
    let (l2, rho) = ((settings.l2 * unit) as f32, (settings.rho * unit) as f32);
    let mut state = State::new(gram, n, l2, rho)?;
    let shrinkage = (settings.l1 / settings.rho) as f32;
    let mut residuals = Vec::new();
    for _ in 0..settings.iterations {
        state.regress(rho);
        let step = state.shrink(shrinkage, settings.is_non_negative);
        residuals.push(step.residual);
        if step.residual.max(step.change) < settings.tolerance {
            break;
        }
    }
    Ok((state.rows(settings.neighbours), residuals))
}

/// Dense matrices, column by column.
struct State {
    n: usize,
    precision: Vec<f32>,
    /// `P X^T X`.
    start: Vec<f32>,
    regression: Vec<f32>,
    sparse: Vec<f32>,
    disagreement: Vec<f32>,
    /// Right-hand side of the regression; holds `C - G` while it is being multiplied.
    difference: Vec<f32>,
}

/// How far an iteration still was from the end, relative to the size of C.
struct Step {
    residual: f32,
    change: f32,
}

impl State {
    fn new(mut gram: Vec<f32>, n: usize, l2: f32, rho: f32) -> Result<Self> {
        gram.iter_mut().step_by(n + 1).for_each(|diagonal| *diagonal += l2 + rho);
        invert(&mut gram, n)?;
        let precision = gram;
        // P X^T X = P (P^-1 - (lambda_2 + rho) I) = I - (lambda_2 + rho) P, which saves a product.
        let mut start: Vec<f32> = precision.iter().map(|entry| -(l2 + rho) * entry).collect();
        start.iter_mut().step_by(n + 1).for_each(|diagonal| *diagonal += 1.0);
        let zeros = || vec![0.0; n * n];
        let (regression, sparse, disagreement, difference) = (zeros(), zeros(), zeros(), zeros());
        Ok(Self { n, precision, start, regression, sparse, disagreement, difference })
    }

    /// `B = start + rho P (C - G) - P diag(b)`.
    fn regress(&mut self, rho: f32) {
        let n = self.n;
        self.regression.copy_from_slice(&self.start);
        let pairs = self.sparse.par_iter().zip(&self.disagreement);
        self.difference.par_iter_mut().zip(pairs).for_each(|(difference, (c, g))| *difference = c - g);
        matmul(
            MatMut::from_column_major_slice_mut(&mut self.regression, n, n),
            Accum::Add,
            MatRef::from_column_major_slice(&self.precision, n, n),
            MatRef::from_column_major_slice(&self.difference, n, n),
            rho,
            Par::rayon(TASKS),
        );
        let columns = self.regression.par_chunks_mut(n.max(1)).zip(self.precision.par_chunks(n.max(1)));
        columns.enumerate().for_each(|(j, (column, precision))| {
            let excess = column[j] / precision[j];
            column.iter_mut().zip(precision).for_each(|(entry, p)| *entry -= excess * p);
        });
    }

    /// `C = shrink(B + G)`, `G = G + B - C`.
    fn shrink(&mut self, by: f32, is_non_negative: bool) -> Step {
        let n = self.n.max(1);
        let columns = self.sparse.par_chunks_mut(n).zip(self.disagreement.par_chunks_mut(n));
        let sums: Vec<[f64; 3]> = columns
            .zip(self.regression.par_chunks(n))
            .enumerate()
            .map(|(j, ((sparse, disagreement), regression))| {
                let mut sums = [0.0; 3];
                for (i, ((c, g), b)) in sparse.iter_mut().zip(disagreement).zip(regression).enumerate() {
                    let target = b + *g;
                    let shrunk = if i == j { 0.0 } else { soft(target, by, is_non_negative) };
                    let terms = [b - shrunk, shrunk - *c, shrunk];
                    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += f64::from(term).powi(2));
                    (*c, *g) = (shrunk, target - shrunk);
                }
                sums
            })
            .collect();
        let total = |which: usize| sums.iter().map(|sum| sum[which]).sum::<f64>().sqrt();
        let size = total(2).max(f64::MIN_POSITIVE);
        Step { residual: (total(0) / size) as f32, change: (total(1) / size) as f32 }
    }

    /// C in rows: row i is what item i says for others.
    fn rows(&self, neighbours: usize) -> SparseRows {
        let row = |i: usize| greatest(i, (0..self.n).map(|j| self.sparse[j * self.n + i]), neighbours);
        SparseRows::from_rows((0..self.n).into_par_iter().map(row).collect::<Vec<_>>())
    }
}

fn soft(value: f32, by: f32, is_non_negative: bool) -> f32 {
    let low = if is_non_negative { f32::INFINITY } else { by };
    (value - by).max(0.0) + (value + low).min(0.0)
}
