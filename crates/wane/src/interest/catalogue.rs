//! What is known of items, aligned with a log's vocabulary: row `i` is the item with [`ItemId`] `i`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Relation;
use crate::events::{ItemId, Timestamp, Vocab};

/// The column of [`Catalogue::extra`] that names what wrote the vectors.
pub const ENCODER: &str = "encoder";

/// A dense matrix of item vectors; an item without a vector has a row of zeros.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// Length of one vector.
    pub dim: usize,
    /// `n_items * dim` numbers, row by row.
    pub data: Vec<f32>,
}

impl Vectors {
    /// The first numbers of each vector: of an encoder that puts the most telling first, nearly as good (A. Kusupati and others,
    /// "Matryoshka representation learning", NeurIPS 2022).
    #[must_use]
    pub fn first(&self, dim: usize) -> Self {
        let dim = dim.min(self.dim);
        let rows = self.data.chunks_exact(self.dim.max(1));
        Self { dim, data: rows.flat_map(|row| row[..dim].iter().copied()).collect() }
    }

    fn rows(&self, former: &[Option<usize>]) -> Self {
        let row = |place: &Option<usize>| {
            let row = place.and_then(|place| self.data.get(place * self.dim..(place + 1) * self.dim));
            row.map_or_else(|| vec![0.0; self.dim], <[f32]>::to_vec)
        };
        Self { dim: self.dim, data: former.iter().flat_map(row).collect() }
    }
}

/// Rows of a column in another order; a column that was not given stays so.
fn rows<T: Clone + Default>(column: &[T], former: &[Option<usize>]) -> Vec<T> {
    if column.is_empty() {
        return Vec::new();
    }
    let row = |place: &Option<usize>| place.and_then(|place| column.get(place)).cloned().unwrap_or_default();
    former.iter().map(row).collect()
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
    /// The same catalogue with the rows of another vocabulary: items that it lacks are known by nothing, those that the
    /// vocabulary lacks are left out.
    #[must_use]
    pub fn over(&self, items: &Arc<Vocab>) -> Self {
        let former: Vec<Option<usize>> =
            items.iter().map(|name| self.items.position(name).map(|place| place as usize)).collect();
        Self {
            items: Arc::clone(items),
            listed: rows(&self.listed, &former),
            title: rows(&self.title, &former),
            description: rows(&self.description, &former),
            categories: rows(&self.categories, &former),
            category_names: self.category_names.clone(),
            brand: rows(&self.brand, &former),
            price: rows(&self.price, &former),
            available: rows(&self.available, &former),
            created: rows(&self.created, &former),
            extra: self.extra.iter().map(|(name, column)| (name.clone(), rows(column, &former))).collect(),
            relations: self.relations.iter().map(|relation| self.relation_over(relation, items)).collect(),
            vectors: self.vectors.as_ref().map(|vectors| vectors.rows(&former)),
        }
    }

    fn relation_over(&self, relation: &Relation, items: &Vocab) -> Relation {
        let place = |item: ItemId| items.position(self.items.name(item.index())).map(ItemId);
        let links = (0..self.items.len() as u32).map(ItemId).flat_map(|from| {
            let from = (place(from), relation.neighbours(from));
            from.1.filter_map(move |(to, weight)| Some((from.0?, place(to)?, weight)))
        });
        Relation::from_links(relation.name(), items.len(), links)
    }

    /// The same with the vectors of another, and the name of their encoder.
    #[must_use]
    pub fn with_vectors(mut self, other: Self) -> Self {
        self.extra.remove(ENCODER);
        self.extra.extend(other.extra.into_iter().filter(|(name, _)| name == ENCODER));
        Self { vectors: other.vectors, ..self }
    }

    /// The encoder of the vectors, where their table named it: what stands before a `+` is the same for all tables whose vectors can
    /// be compared.
    pub fn encoder(&self) -> Option<&str> {
        self.vectors.as_ref()?;
        self.extra.get(ENCODER)?.iter().flatten().next().map(String::as_str)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_links_follow_their_items_into_another_vocabulary() {
        let link = |from, to| (ItemId(from), ItemId(to), 0.5);
        let catalogue = Catalogue {
            items: Vocab::from_names(["b", "c", "d"]).shared(),
            listed: vec![true; 3],
            title: ["B", "C", "D"].map(|title| Some(title.to_owned())).to_vec(),
            categories: vec![vec![0], vec![], vec![0]],
            category_names: vec!["all".into()],
            extra: BTreeMap::from([("size".into(), vec![Some("L".into()), None, None])]),
            relations: vec![Relation::from_links("complement", 3, [link(0, 2), link(1, 0), link(2, 1)])],
            vectors: Some(Vectors { dim: 1, data: vec![1.0, 2.0, 3.0] }),
            ..Catalogue::default()
        };
        let wider = catalogue.over(&Vocab::from_names(["a", "b", "d"]).shared());
        assert_eq!(wider.listed, [false, true, true]);
        assert_eq!(wider.title, [None, Some("B".to_owned()), Some("D".to_owned())]);
        assert_eq!(wider.categories, [vec![], vec![0], vec![0]]);
        assert_eq!(wider.extra["size"], [None, Some("L".to_owned()), None]);
        assert_eq!(wider.vectors.as_ref().unwrap().data, [0.0, 1.0, 3.0]);
        assert!(wider.price.is_empty());
        let links: Vec<Vec<_>> =
            (0..3).map(|item| wider.relations[0].neighbours(ItemId(item)).collect()).collect();
        assert_eq!(links, [vec![], vec![(ItemId(2), 0.5)], vec![]]);
        assert_eq!(catalogue.over(&catalogue.items), catalogue);
    }
}
