//! How alike two items are, by what the catalogue knows of them.
//!
//! Each property gives a number from 0 to 1, and only properties known of both items count: a missing brand says
//! nothing, rather than "different".

use super::{Catalogue, Vectors};
use crate::events::ItemId;

impl Catalogue {
    /// How alike two items are, 0 to 1: the mean of what is known of both, out of the shared depth of their
    /// category paths, the same brand, and the cosine of their vectors (negative: 0).
    pub fn similarity(&self, a: ItemId, b: ItemId) -> f32 {
        let known = [self.category_similarity(a, b), self.brand_similarity(a, b), self.cosine(a, b)];
        let (sum, n) = known.iter().flatten().fold((0.0, 0.0), |(sum, n), part| (sum + part, n + 1.0));
        if n > 0.0 { sum / n } else { 0.0 }
    }

    /// Shared leading levels over the deeper path's levels.
    fn category_similarity(&self, a: ItemId, b: ItemId) -> Option<f32> {
        let (a, b) = (self.categories.get(a.index())?, self.categories.get(b.index())?);
        if a.is_empty() || b.is_empty() {
            return None;
        }
        let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        Some(shared as f32 / a.len().max(b.len()) as f32)
    }

    fn brand_similarity(&self, a: ItemId, b: ItemId) -> Option<f32> {
        let (a, b) = (self.brand.get(a.index())?.as_ref()?, self.brand.get(b.index())?.as_ref()?);
        Some(if a == b { 1.0 } else { 0.0 })
    }

    fn cosine(&self, a: ItemId, b: ItemId) -> Option<f32> {
        let vectors = self.vectors.as_ref()?;
        let (a, b) = (row(vectors, a)?, row(vectors, b)?);
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
        let length = (dot(a, a) * dot(b, b)).sqrt();
        (length > 0.0).then(|| (dot(a, b) / length).clamp(0.0, 1.0))
    }
}

fn row(vectors: &Vectors, item: ItemId) -> Option<&[f32]> {
    let start = item.index().checked_mul(vectors.dim)?;
    vectors.data.get(start..start.checked_add(vectors.dim)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_the_mean_of_what_is_known() {
        let catalogue = Catalogue {
            categories: vec![vec![0, 1], vec![0, 2], vec![]],
            brand: vec![Some("x".into()), Some("x".into()), Some("y".into())],
            vectors: Some(Vectors { dim: 2, data: vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0] }),
            ..Catalogue::default()
        };
        assert_eq!(catalogue.similarity(ItemId(0), ItemId(1)), (0.5 + 1.0 + 0.0) / 3.0);
        assert_eq!(catalogue.similarity(ItemId(0), ItemId(2)), 0.0);
        assert_eq!(Catalogue::default().similarity(ItemId(0), ItemId(1)), 0.0);
    }
}
