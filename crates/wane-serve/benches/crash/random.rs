//! Random choices from a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A stream of random numbers.
#[derive(Debug)]
pub(crate) struct Random(StdRng);

impl Random {
    /// The stream of a seed and a place: others of the same seed are independent of it.
    pub(crate) fn new(seed: u64, place: u64) -> Self {
        let mut both = [0; 32];
        both[..8].copy_from_slice(&seed.to_le_bytes());
        both[8..16].copy_from_slice(&place.to_le_bytes());
        Self(StdRng::from_seed(both))
    }

    /// A number below another.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of some.
    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
