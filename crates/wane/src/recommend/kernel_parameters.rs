//! A kernel among a model's saved arrays: its settings are in the manifest, the half-life that was found is here.
//!
//! The half-life is saved as the bits of its `f64`, since a decimal on the way could change a score.

use super::{Array, Parameters};
use crate::decay::{DecaySettings, HalfLife, Kernel};
use crate::error::Result;

const NAME: &str = "half_life_bits";

impl Parameters {
    /// Adds a kernel's half-life.
    #[must_use]
    pub(crate) fn with_kernel(self, kernel: &Kernel) -> Self {
        self.with(NAME, Array::U64(vec![kernel.common_half_life().days().to_bits()]))
    }

    /// Takes out a kernel's half-life and resolves the settings with it.
    ///
    /// # Errors
    /// [`crate::Error::Unknown`] when it is missing, [`crate::Error::Setting`] when it is no half-life.
    pub(crate) fn take_kernel(&mut self, settings: &DecaySettings, event_types: &[String]) -> Result<Kernel> {
        let bits = self.take_u64(NAME)?.first().copied().unwrap_or_default();
        settings.resolve(event_types, HalfLife::from_days(f64::from_bits(bits))?)
    }
}
