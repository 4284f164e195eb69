//! What a catalogue says of items as a few shared features: category nodes, brand, price band.
//!
//! A learned model gives each feature a vector, so that an item that nobody has touched yet is still known by what it is.

use std::collections::BTreeMap;

use super::{Catalogue, Texts};
use crate::events::ItemId;

/// Price bands, with equally many items each.
const PRICE_BANDS: usize = 10;

/// Features of items in sparse rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// Number of different features.
    pub n_features: usize,
    /// Name of each feature, sorted; by it a feature is found again in another catalogue.
    pub names: Vec<String>,
    offsets: Vec<usize>,
    features: Vec<u32>,
    /// What is written of items: to a model, each of its numbers is one more feature, which items have more or less of.
    pub texts: Texts,
}

impl Features {
    /// The features of all items; those that only one item has say nothing of another and are left out.
    pub fn of(catalogue: &Catalogue) -> Self {
        let n_items = catalogue.items.len();
        let bands = price_bands(&catalogue.price);
        let names: Vec<Vec<String>> = (0..n_items)
            .map(|place| {
                let item = ItemId(place as u32);
                let categories = catalogue.category_path(item).map(|name| format!("category {name}"));
                let brand =
                    catalogue.brand.get(place).and_then(Option::as_ref).map(|brand| format!("brand {brand}"));
                let band = bands.get(place).copied().flatten().map(|band| format!("price {band}"));
                categories.chain(brand).chain(band).collect()
            })
            .collect();
        Self::from_names(&names)
    }

    /// Features from their names, item by item.
    pub fn from_names(names: &[Vec<String>]) -> Self {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        names.iter().flatten().for_each(|name| *counts.entry(name).or_default() += 1);
        let shared = counts.into_iter().filter(|(_, count)| *count > 1);
        let places: BTreeMap<&str, u32> = shared.zip(0..).map(|((name, _), place)| (name, place)).collect();
        let mut features = Self {
            n_features: places.len(),
            names: places.keys().map(ToString::to_string).collect(),
            offsets: vec![0],
            features: Vec::new(),
            texts: Texts::default(),
        };
        for names in names {
            features.features.extend(names.iter().filter_map(|name| places.get(name.as_str())));
            features.offsets.push(features.features.len());
        }
        features
    }

    /// The same with what is written of the items.
    #[must_use]
    pub fn with_texts(self, texts: Texts) -> Self {
        Self { texts, ..self }
    }

    /// Vectors that a model learns for them: of each feature, then of each number of the texts.
    pub fn n_vectors(&self) -> usize {
        self.n_features + self.texts.dim
    }

    /// Whether anything is known of an item.
    pub fn describe(&self, item: u32) -> bool {
        !self.of_item(item).is_empty() || self.texts.has(item)
    }

    /// The features of an item.
    pub fn of_item(&self, item: u32) -> &[u32] {
        match self.offsets.get(item as usize..item as usize + 2) {
            Some(&[start, end]) => &self.features[start..end],
            _ => &[],
        }
    }
}

/// The price band of each item that has a price.
fn price_bands(prices: &[Option<f32>]) -> Vec<Option<usize>> {
    let mut sorted: Vec<f32> = prices.iter().flatten().copied().filter(|price| price.is_finite()).collect();
    sorted.sort_by(f32::total_cmp);
    let band =
        |price: f32| sorted.partition_point(|&other| other < price) * PRICE_BANDS / sorted.len().max(1);
    prices.iter().map(|price| price.filter(|price| price.is_finite()).map(band)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_one_item_alone_are_left_out() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let features = Features::from_names(&[names(&["a", "b"]), names(&["b"]), names(&[])]);
        assert_eq!((features.n_features, &features.names[..]), (1, &["b".to_owned()][..]));
        assert_eq!([0, 1, 2, 9].map(|item| features.of_item(item).len()), [1, 1, 0, 0]);
    }

    #[test]
    fn prices_fall_into_bands_of_equal_size() {
        let bands = price_bands(&(0..20).map(|price| Some(price as f32)).chain([None]).collect::<Vec<_>>());
        assert_eq!((bands[0], bands[10], bands[19], bands[20]), (Some(0), Some(5), Some(9), None));
    }
}
