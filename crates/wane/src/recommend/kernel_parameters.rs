//! A kernel, and the number of items, among a model's saved arrays: settings are in the manifest, what was found is here.
//!
//! The half-life is saved as the bits of its `f64`, since a decimal on the way could change a score.

use super::{Array, Parameters};
use crate::decay::{DecaySettings, HalfLife, Kernel};
use crate::error::{Error, Result};

const NAME: &str = "half_life_bits";
const ITEMS: &str = "n_items";

impl Parameters {
    /// Adds a kernel's half-life.
    #[must_use]
    pub(crate) fn with_kernel(self, kernel: &Kernel) -> Self {
        self.with(NAME, Array::U64(vec![kernel.common_half_life().days().to_bits()]))
    }

    /// Adds the number of items, for models whose arrays do not tell.
    #[must_use]
    pub(crate) fn with_n_items(self, n_items: usize) -> Self {
        self.with(ITEMS, Array::U64(vec![n_items as u64]))
    }

    /// Takes out the number of items and compares it with that of the log.
    ///
    /// # Errors
    /// [`crate::Error::Unknown`] when it is missing, [`crate::Error::Setting`] when it differs.
    pub(crate) fn check_n_items(&mut self, n_items: usize) -> Result<()> {
        match self.take_u64(ITEMS)?.first() {
            Some(&saved) if saved == n_items as u64 => Ok(()),
            saved => Err(Error::setting(ITEMS, format!("{n_items} items"), format!("{saved:?}"))),
        }
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
