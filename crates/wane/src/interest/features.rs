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
        let bands = PriceBands::of(&catalogue.price);
        let items = (0..catalogue.items.len() as u32).map(ItemId);
        let names: Vec<Vec<String>> = items.map(|item| names_of(catalogue, item, &bands)).collect();
        Self::from_names(&names)
    }

    /// Those features of an item of another catalogue that are known here, its price in the bands of these items.
    pub fn known_of(&self, catalogue: &Catalogue, item: ItemId, bands: &PriceBands) -> Vec<u32> {
        let place = |name: String| u32::try_from(self.names.binary_search(&name).ok()?).ok();
        names_of(catalogue, item, bands).into_iter().filter_map(place).collect()
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

fn names_of(catalogue: &Catalogue, item: ItemId, bands: &PriceBands) -> Vec<String> {
    let place = item.index();
    let categories = catalogue.category_path(item).map(|name| format!("category {name}"));
    let brand = catalogue.brand.get(place).and_then(Option::as_ref).map(|brand| format!("brand {brand}"));
    let price = catalogue.price.get(place).copied().flatten();
    let band = price.and_then(|price| bands.of_price(price)).map(|band| format!("price {band}"));
    categories.chain(brand).chain(band).collect()
}

/// Bands of prices with equally many items each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceBands {
    /// All prices, ascending.
    sorted: Vec<f32>,
}

impl PriceBands {
    /// The bands of a catalogue's prices.
    pub fn of(prices: &[Option<f32>]) -> Self {
        let mut sorted: Vec<f32> =
            prices.iter().flatten().copied().filter(|price| price.is_finite()).collect();
        sorted.sort_by(f32::total_cmp);
        Self { sorted }
    }

    /// The band of a price, where it is one.
    pub fn of_price(&self, price: f32) -> Option<usize> {
        let below = || self.sorted.partition_point(|&other| other < price);
        price.is_finite().then(|| below() * PRICE_BANDS / self.sorted.len().max(1))
    }
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
        let bands =
            PriceBands::of(&(0..20).map(|price| Some(price as f32)).chain([None]).collect::<Vec<_>>());
        let found = [0.0, 10.0, 19.0, 500.0, f32::NAN].map(|price| bands.of_price(price));
        assert_eq!(found, [Some(0), Some(5), Some(9), Some(10), None]);
    }
}
