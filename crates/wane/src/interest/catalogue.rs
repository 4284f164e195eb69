//! What is known of items, aligned with a log's vocabulary: row `i` is the item with [`ItemId`] `i`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Relation;
use crate::events::{ItemId, Timestamp, Vocab};

/// A dense matrix of item vectors; an item without a vector has a row of zeros.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// Length of one vector.
    pub dim: usize,
    /// `n_items * dim` numbers, row by row.
    pub data: Vec<f32>,
}

/// Item properties. Every column has one entry per item of the vocabulary, or is empty when it was not given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// The items, shared with the log.
    pub items: Arc<Vocab>,
    /// Which items the catalogue lists at all (the vocabulary may also hold items known from events only).
    pub listed: Vec<bool>,
    /// Title.
    pub title: Vec<Option<String>>,
    /// Description.
    pub description: Vec<Option<String>>,
    /// Category path from general to special: places in `category_names`.
    pub categories: Vec<Vec<u32>>,
    /// Names of categories.
    pub category_names: Vec<String>,
    /// Brand or maker.
    pub brand: Vec<Option<String>>,
    /// Price in the shop's currency.
    pub price: Vec<Option<f32>>,
    /// Whether it can be had; unknown counts as available.
    pub available: Vec<Option<bool>>,
    /// When it came into the shop.
    pub created: Vec<Option<Timestamp>>,
    /// Other columns as text, for filter expressions.
    pub extra: BTreeMap<String, Vec<Option<String>>>,
    /// Relations given by the shop; undated unless said otherwise.
    pub relations: Vec<Relation>,
    /// Item vectors.
    pub vectors: Option<Vectors>,
}

impl Catalogue {
    /// The title of an item, or its id where there is none.
    pub fn label(&self, item: ItemId) -> &str {
        match self.title.get(item.index()) {
            Some(Some(title)) => title,
            _ => self.items.name(item.index()),
        }
    }

    /// The most general category of an item.
    pub fn top_category(&self, item: ItemId) -> Option<&str> {
        let first = *self.categories.get(item.index())?.first()?;
        self.category_names.get(first as usize).map(String::as_str)
    }

    /// Category path of an item as places in `category_names`, from general to special; empty where unknown.
    pub fn category_places(&self, item: ItemId) -> &[u32] {
        self.categories.get(item.index()).map_or(&[], Vec::as_slice)
    }

    /// Category path of an item by names, from general to special; empty where unknown.
    pub fn category_path(&self, item: ItemId) -> impl Iterator<Item = &str> {
        let name = |&place: &u32| self.category_names.get(place as usize).map(String::as_str);
        self.category_places(item).iter().filter_map(name)
    }
}
