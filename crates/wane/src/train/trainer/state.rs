//! All that a training carries from one epoch to the next, as named arrays.
//!
//! Random choices are drawn from the seed and the numbers of the epoch and the step, so a state holds no generator: the
//! weights, what the optimiser keeps of them, and the two numbers are everything. A trainer of the same corpus, recipe and
//! seed that takes a state over goes on to the same bits.

use super::Trainer;
use crate::error::{Error, Result};
use crate::train::adamw::AdamW;
use crate::train::{Array, Parameters};

impl Trainer<'_> {
    /// Epochs run so far.
    pub fn epochs(&self) -> u32 {
        self.epoch
    }

    /// The state after the last epoch.
    pub fn state(&self) -> Parameters {
        let weights = &self.weights;
        [
            ("vectors", &weights.vectors, &self.vectors),
            ("features", &weights.features, &self.features),
            ("bias", &weights.bias, &self.bias),
            ("shared", &weights.shared, &self.shared),
        ]
        .into_iter()
        .fold(
            Parameters::default().with("trainer.counts", Array::U32(vec![self.epoch, self.steps])),
            |state, (name, weights, rows)| with_table(state, name, weights, rows),
        )
    }

    /// Takes over a state, whose arrays are taken out.
    ///
    /// # Errors
    /// When an array is missing or of another length: the state is of another training.
    pub fn restore(&mut self, state: &mut Parameters) -> Result<()> {
        let weights = &mut self.weights;
        for (name, weights, rows) in [
            ("vectors", &mut weights.vectors, &mut self.vectors),
            ("features", &mut weights.features, &mut self.features),
            ("bias", &mut weights.bias, &mut self.bias),
            ("shared", &mut weights.shared, &mut self.shared),
        ] {
            take_table(state, name, weights, rows)?;
        }
        let counts = state.take_u32("trainer.counts")?;
        let [epoch, steps] = counts[..] else { return Err(unfit("trainer.counts", 2, counts.len())) };
        (self.epoch, self.steps) = (epoch, steps);
        Ok(())
    }
}

fn with_table(state: Parameters, name: &str, weights: &[f32], rows: &AdamW) -> Parameters {
    state
        .with(&format!("trainer.{name}"), Array::F32(weights.to_vec()))
        .with(&format!("trainer.{name}.first"), Array::F32(rows.first.clone()))
        .with(&format!("trainer.{name}.second"), Array::F32(rows.second.clone()))
        .with(&format!("trainer.{name}.mean"), Array::F32(rows.mean.clone()))
        .with(&format!("trainer.{name}.last"), Array::U32(rows.last.clone()))
}

fn take_table(state: &mut Parameters, name: &str, weights: &mut Vec<f32>, rows: &mut AdamW) -> Result<()> {
    for (part, own) in
        [("", weights), (".first", &mut rows.first), (".second", &mut rows.second), (".mean", &mut rows.mean)]
    {
        let name = format!("trainer.{name}{part}");
        let values = state.take_f32(&name)?;
        if values.len() != own.len() {
            return Err(unfit(&name, own.len(), values.len()));
        }
        *own = values;
    }
    let name = format!("trainer.{name}.last");
    let last = state.take_u32(&name)?;
    if last.len() != rows.last.len() {
        return Err(unfit(&name, rows.last.len(), last.len()));
    }
    rows.last = last;
    Ok(())
}

fn unfit(name: &str, expected: usize, got: usize) -> Error {
    Error::setting(name, format!("{expected} numbers; the state is of another training, begin anew"), got)
}
