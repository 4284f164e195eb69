//! Vectors of items, one after another.

use std::sync::Arc;

use super::codes::MAX_DIM;
use crate::error::{Error, Result};
use crate::events::ItemId;

/// Vectors of `dim` numbers, in the order of items.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) vectors: Arc<[f32]>,
    pub(super) dim: usize,
}

impl Rows {
    /// # Errors
    /// [`Error::Setting`] when `dim` is not 1 to 65,536, or does not divide the numbers.
    pub(super) fn new(vectors: Arc<[f32]>, dim: usize) -> Result<Self> {
        if !(1..=MAX_DIM).contains(&dim) || !vectors.len().is_multiple_of(dim) {
            let expected = format!("1 to {MAX_DIM}, a divisor of the {} numbers", vectors.len());
            return Err(Error::setting("dim", expected, dim));
        }
        Ok(Self { vectors, dim })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.vectors.len() / self.dim
    }

    /// The vector of an item.
    pub(super) fn row(&self, item: ItemId) -> &[f32] {
        &self.vectors[item.index() * self.dim..][..self.dim]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.vectors.chunks_exact(self.dim)
    }
}
