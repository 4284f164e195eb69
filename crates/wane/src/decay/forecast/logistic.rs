//! Logistic regression by Newton's method, with a little shrinkage: `P = 1 / (1 + exp(-w . x))`.

use faer::prelude::Solve;
use faer::{Mat, Side};
use rayon::prelude::*;

/// Steps at most.
const STEPS: usize = 50;
/// Precision of the prior of each standardised weight but the constant.
const RIDGE: f64 = 1.0;
/// Rows per piece of work.
const PIECE: usize = 8_192;

/// A fitted regression; features are standardised by the rows that it learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    means: Vec<f64>,
    spreads: Vec<f64>,
    /// The constant comes first.
    weights: Vec<f64>,
}

impl Logistic {
    /// Fits rows of `width` features to what came.
    pub fn fit(rows: &[f64], width: usize, came: &[bool]) -> Self {
        let n = came.len().max(1) as f64;
        let column = |place: usize| rows.iter().skip(place).step_by(width);
        let means: Vec<f64> = (0..width).map(|place| column(place).sum::<f64>() / n).collect();
        let spread = |place: usize| {
            let square: f64 = column(place).map(|value| (value - means[place]).powi(2)).sum();
            (square / n).sqrt().max(1e-9)
        };
        let spreads = (0..width).map(spread).collect();
        let share = (came.iter().filter(|came| **came).count() as f64 + 0.5) / (n + 1.0);
        let mut weights = vec![0.0; width + 1];
        weights[0] = (share / (1.0 - share)).ln();
        let mut model = Self { means, spreads, weights };
        for _ in 0..STEPS {
            let step = model.newton(rows, came);
            model.weights.iter_mut().zip(&step).for_each(|(weight, step)| *weight += step.clamp(-2.0, 2.0));
            if step.iter().all(|step| step.abs() < 1e-8) {
                break;
            }
        }
        model
    }

    /// The probability for a row.
    pub fn probability(&self, row: &[f64]) -> f64 {
        1.0 / (1.0 + (-self.score(row)).exp())
    }

    fn standard<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let parts = row.iter().zip(self.means.iter().zip(&self.spreads));
        std::iter::once(1.0).chain(parts.map(|(value, (mean, spread))| (value - mean) / spread))
    }

    fn score(&self, row: &[f64]) -> f64 {
        self.standard(row).zip(&self.weights).map(|(value, weight)| value * weight).sum()
    }

    fn newton(&self, rows: &[f64], came: &[bool]) -> Vec<f64> {
        let size = self.weights.len();
        let width = (size - 1).max(1);
        let of_piece = |(rows, came): (&[f64], &[bool])| {
            let (mut slope, mut curvature) = (vec![0.0; size], vec![0.0; size * size]);
            for (row, came) in rows.chunks_exact(width).zip(came) {
                let p = self.probability(row);
                let values: Vec<f64> = self.standard(row).collect();
                for (a, value) in values.iter().enumerate() {
                    slope[a] += value * (f64::from(u8::from(*came)) - p);
                    for (b, other) in values.iter().enumerate() {
                        curvature[a * size + b] += value * other * p * (1.0 - p);
                    }
                }
            }
            (slope, curvature)
        };
        // Pieces are summed in their order, whatever the threads.
        let pieces: Vec<_> =
            rows.par_chunks(PIECE * width).zip(came.par_chunks(PIECE)).map(of_piece).collect();
        let prior = |place: usize| if place == 0 { 1e-6 } else { RIDGE };
        let curvature = Mat::from_fn(size, size, |a, b| {
            pieces.iter().map(|piece| piece.1[a * size + b]).sum::<f64>()
                + if a == b { prior(a) } else { 0.0 }
        });
        let slope = Mat::from_fn(size, 1, |a, _| {
            pieces.iter().map(|piece| piece.0[a]).sum::<f64>() - prior(a) * self.weights[a]
        });
        match curvature.llt(Side::Lower) {
            Ok(factor) => {
                let step = factor.solve(slope);
                (0..size).map(|a| step[(a, 0)]).collect()
            }
            // With the prior it is positive definite for finite features, which all callers give; else nothing moves.
            Err(_) => vec![0.0; size],
        }
    }
}
