//! A user's interest as a decayed state of constant size: one vector per time scale.
//!
//! - The state after events i = 1..n is `S_m = sum_i w_im exp(-(lambda_m (t_n - t_i) + delta_m (n - i))) v_i`: the sum of
//!   the vectors of the user's items, each with the weight of its event type in scale m, its age and its rank.
//! - It follows by the recurrence `S_m <- exp(-(lambda_m dt + delta_m)) S_m + w_m v`, so one event costs O(M d) and a
//!   state can be kept, aged and read at any later moment without the events that made it (`compact`: as bytes).

use super::TimeBasis;
use crate::events::Timestamp;
use crate::wide::wide;

/// The state; see the module's documentation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// `M * d` numbers, scale by scale, as of the last event.
    pub(super) values: Vec<f32>,
    /// Length d of a scale's vector.
    pub(super) dim: usize,
    pub(super) last: Option<Timestamp>,
}

impl Trace {
    /// The state of a user without events, for `scales` vectors of length `dim`.
    pub fn new(scales: usize, dim: usize) -> Self {
        Self { values: vec![0.0; scales * dim], dim, last: None }
    }

    /// Adds an event: the vector of its item and the weight of its type in each scale. `pushed` is by how many places
    /// it pushes out what was before it: 1, or 0 within a basket where only baskets count. An event older than the
    /// last one counts as of the same moment.
    pub fn push(
        &mut self,
        basis: &TimeBasis,
        time: Timestamp,
        pushed: f32,
        type_weights: &[f32],
        vector: &[f32],
    ) {
        let gap = self.last.map_or(0.0, |last| time.days_since(last)) as f32;
        // What has no weight or no vector adds nothing, and ages what was before it all the same.
        let weights = type_weights.iter().copied().chain(std::iter::repeat(0.0));
        let scales = basis.rates.iter().zip(&basis.displacements).zip(weights);
        for (state, ((rate, displacement), weight)) in
            self.values.chunks_exact_mut(self.dim.max(1)).zip(scales)
        {
            let kept = (-(rate * gap + displacement * pushed)).exp();
            age_and_add(state, kept, weight, vector);
        }
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }

    /// Writes the state as it has aged by a moment.
    pub fn at(&self, basis: &TimeBasis, as_of: Timestamp, aged: &mut [f32]) {
        let gap = self.last.map_or(0.0, |last| as_of.days_since(last)) as f32;
        let dim = (self.values.len() / basis.len().max(1)).max(1);
        let scales = aged.chunks_exact_mut(dim).zip(self.values.chunks_exact(dim));
        for ((aged, state), rate) in scales.zip(&basis.rates) {
            let kept = (-rate * gap).exp();
            aged.iter_mut().zip(state).for_each(|(aged, state)| *aged = kept * state);
        }
    }
}

/// `state <- kept state + weight vector`, as far as the vector goes; to the same bits on every machine, for no two numbers of a state meet.
fn age_and_add(state: &mut [f32], kept: f32, weight: f32, vector: &[f32]) {
    wide(
        #[inline(always)]
        || {
            let (added, aged) = state.split_at_mut(vector.len().min(state.len()));
            added.iter_mut().zip(vector).for_each(|(state, value)| *state = *state * kept + weight * value);
            aged.iter_mut().for_each(|state| *state *= kept);
        },
    );
}
