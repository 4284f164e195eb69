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

/// One row with all that is kept of it.
pub(super) struct Row<'a> {
    pub(super) weights: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    mean: &'a mut [f32],
    last: &'a mut u32,
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

    /// A row of a table of weights.
    pub(super) fn row<'a>(&'a mut self, weights: &'a mut [f32], row: usize) -> Row<'a> {
        let range = row * self.width..(row + 1) * self.width;
        Row {
            weights: &mut weights[range.clone()],
            first: &mut self.first[range.clone()],
            second: &mut self.second[range.clone()],
            mean: &mut self.mean[range],
            last: &mut self.last[row],
        }
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

impl Row<'_> {
    pub(super) fn update(self, gradient: &[f32], step: Step) {
        let missed = (step.number - *self.last - 1) as i32;
        *self.last = step.number;
        let stood = step.average.powi(missed);
        let (b1, b2) = (BETA1 * BETA1.powi(missed), BETA2 * BETA2.powi(missed));
        let shrink = (1.0 - step.rate * step.decay).powi(missed + 1);
        let (c1, c2) = (1.0 - BETA1.powi(step.number as i32), 1.0 - BETA2.powi(step.number as i32));
        let rate = step.rate / c1;
        let scale = 1.0 / c2;
        let moments = self.first.iter_mut().zip(self.second.iter_mut());
        for (((weight, mean), (m, v)), g) in
            self.weights.iter_mut().zip(self.mean.iter_mut()).zip(moments).zip(gradient)
        {
            *mean = stood * *mean + (1.0 - stood) * *weight;
            *m = b1 * *m + (1.0 - BETA1) * g;
            *v = b2 * *v + (1.0 - BETA2) * g * g;
            *weight = *weight * shrink - rate * *m / ((*v * scale).sqrt() + EPSILON);
            *mean = step.average * *mean + (1.0 - step.average) * *weight;
        }
    }
}
