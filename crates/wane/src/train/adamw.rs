//! AdamW with rows that are updated only when they are touched.
//!
//! - `m <- b1 m + (1 - b1) g`, `v <- b2 v + (1 - b2) g^2`, `w <- w (1 - rate decay) - rate m' / (sqrt(v') + eps)`, where
//!   `m'` and `v'` are divided by `1 - b^t`.
//! - A row that was not touched for k steps has, when it is touched again, its moments aged by `b1^k`, `b2^k` and its
//!   weights by `(1 - rate decay)^k`, as if its gradients had been 0 and momentum had not moved it meanwhile.
//! - Beside the weights runs their mean over steps with weights falling by `average` per step; it is exact for rows that are
//!   left alone, and it is what is judged and saved.
//!
//! Ilya Loshchilov and Frank Hutter, "Decoupled weight decay regularization", ICLR 2019.

use crate::wide::wide;

/// The numbers of an update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Number of this step, from 1.
    pub(super) number: u32,
    pub(super) rate: f32,
    pub(super) decay: f32,
    /// Share that the mean keeps per step.
    pub(super) average: f32,
}

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.99;
const EPSILON: f32 = 1e-8;

/// Moments and means of a table of rows.
#[derive(Debug, Clone, Default)]
pub(super) struct AdamW {
    width: usize,
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
    /// Mean weights.
    pub(super) mean: Vec<f32>,
    /// Step of each row's last update.
    pub(super) last: Vec<u32>,
}

/// Rows that one thread updates by itself.
const ALONE: usize = 128;

/// Neighbouring rows of a table with all that is kept of them.
struct Rows<'a> {
    width: usize,
    /// Number of the first row.
    start: usize,
    weights: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    mean: &'a mut [f32],
    last: &'a mut [u32],
}

impl AdamW {
    pub(super) fn new(weights: &[f32], width: usize) -> Self {
        let n = weights.len();
        Self {
            width,
            first: vec![0.0; n],
            second: vec![0.0; n],
            mean: weights.to_vec(),
            last: vec![0; n.checked_div(width).unwrap_or(0)],
        }
    }

    /// Updates some rows of a table of weights, each named once with the place of its gradient, in ascending order.
    pub(super) fn update(
        &mut self,
        weights: &mut [f32],
        touched: &[(u32, u32)],
        gradients: &[f32],
        step: Step,
    ) {
        let rows = Rows {
            width: self.width,
            start: 0,
            weights,
            first: &mut self.first,
            second: &mut self.second,
            mean: &mut self.mean,
            last: &mut self.last,
        };
        rows.update(touched, gradients, step);
    }

    /// The means as of a step, for rows that were left alone since.
    pub(super) fn means(&self, weights: &[f32], number: u32, average: f32) -> Vec<f32> {
        let mut means = self.mean.clone();
        let rows = means.chunks_exact_mut(self.width.max(1)).zip(weights.chunks_exact(self.width.max(1)));
        for ((mean, weights), &last) in rows.zip(&self.last) {
            let kept = average.powi((number - last) as i32);
            mean.iter_mut()
                .zip(weights)
                .for_each(|(mean, weight)| *mean = kept * *mean + (1.0 - kept) * weight);
        }
        means
    }
}

impl Rows<'_> {
    /// The rows before one, and those from it on.
    fn split_at(self, row: usize) -> (Self, Self) {
        let place = row - self.start;
        let (weights, next_weights) = self.weights.split_at_mut(place * self.width);
        let (first, next_first) = self.first.split_at_mut(place * self.width);
        let (second, next_second) = self.second.split_at_mut(place * self.width);
        let (mean, next_mean) = self.mean.split_at_mut(place * self.width);
        let (last, next_last) = self.last.split_at_mut(place);
        let before = Self { width: self.width, start: self.start, weights, first, second, mean, last };
        let after = Self {
            width: self.width,
            start: row,
            weights: next_weights,
            first: next_first,
            second: next_second,
            mean: next_mean,
            last: next_last,
        };
        (before, after)
    }

    fn update(mut self, touched: &[(u32, u32)], gradients: &[f32], step: Step) {
        if touched.len() > ALONE {
            let (one, other) = touched.split_at(touched.len() / 2);
            let (before, after) = self.split_at(other[0].0 as usize);
            rayon::join(|| before.update(one, gradients, step), || after.update(other, gradients, step));
            return;
        }
        for &(row, place) in touched {
            let gradient = &gradients[place as usize * self.width..][..self.width];
            self.update_row(row as usize - self.start, gradient, step);
        }
    }

    fn update_row(&mut self, row: usize, gradient: &[f32], step: Step) {
        let missed = (step.number - self.last[row] - 1) as i32;
        self.last[row] = step.number;
        let update = RowUpdate {
            stood: step.average.powi(missed),
            average: step.average,
            first: BETA1.powi(missed + 1),
            second: BETA2.powi(missed + 1),
            shrink: (1.0 - step.rate * step.decay).powi(missed + 1),
            rate: step.rate / (1.0 - BETA1.powi(step.number as i32)),
            scale: 1.0 / (1.0 - BETA2.powi(step.number as i32)),
        };
        let range = row * self.width..(row + 1) * self.width;
        let (weights, mean) = (&mut self.weights[range.clone()], &mut self.mean[range.clone()]);
        let (first, second) = (&mut self.first[range.clone()], &mut self.second[range]);
        wide(
            #[inline(always)]
            || update.run(weights, mean, first, second, gradient),
        );
    }
}

/// The factors of one row's update.
#[derive(Clone, Copy)]
struct RowUpdate {
    /// Share that the mean kept while the row was left alone.
    stood: f32,
    average: f32,
    /// What the moments keep.
    first: f32,
    second: f32,
    /// What the weights keep.
    shrink: f32,
    rate: f32,
    scale: f32,
}

impl RowUpdate {
    #[inline(always)]
    fn run(
        self,
        weights: &mut [f32],
        mean: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
        gradient: &[f32],
    ) {
        let moments = first.iter_mut().zip(second.iter_mut());
        for (((weight, mean), (m, v)), g) in weights.iter_mut().zip(mean).zip(moments).zip(gradient) {
            *mean = self.stood * *mean + (1.0 - self.stood) * *weight;
            *m = self.first * *m + (1.0 - BETA1) * g;
            *v = self.second * *v + (1.0 - BETA2) * g * g;
            *weight = *weight * self.shrink - self.rate * *m / ((*v * self.scale).sqrt() + EPSILON);
            *mean = self.average * *mean + (1.0 - self.average) * *weight;
        }
    }
}
