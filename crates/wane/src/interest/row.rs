//! What is known of one item, apart from the columns of a catalogue: read from them, and laid over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Catalogue, Vectors};
use crate::events::{ItemId, Timestamp, Vocab};

/// What a catalogue knows of one item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CatalogueRow {
    /// Title.
    pub title: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Category path from general to special.
    pub categories: Vec<String>,
    /// Brand or maker.
    pub brand: Option<String>,
    /// Price in the shop's currency.
    pub price: Option<f32>,
    /// Whether it can be had.
    pub available: Option<bool>,
    /// When it came into the shop.
    pub created: Option<Timestamp>,
    /// Other columns by their names.
    pub extra: BTreeMap<String, String>,
    /// Its vector.
    pub vector: Option<Vec<f32>>,
}

impl Catalogue {
    /// What is known of an item; nothing of one outside the vocabulary.
    pub fn row(&self, item: ItemId) -> CatalogueRow {
        let place = item.index();
        let extra =
            self.extra.iter().filter_map(|(name, column)| Some((name.clone(), known(column, place)?)));
        CatalogueRow {
            title: known(&self.title, place),
            description: known(&self.description, place),
            categories: self.category_path(item).map(str::to_owned).collect(),
            brand: known(&self.brand, place),
            price: known(&self.price, place),
            available: known(&self.available, place),
            created: known(&self.created, place),
            extra: extra.collect(),
            vector: self.vectors.as_ref().and_then(|vectors| vectors.of_item(item)).map(<[f32]>::to_vec),
        }
    }

    /// The same over a vocabulary that goes on where its own ends ([`Vocab::with_later`]), with other rows for some items. A vector of
    /// another length than the catalogue's is none, and so is any where the catalogue has none.
    #[must_use]
    pub fn with_rows(
        &self,
        items: &Arc<Vocab>,
        rows: impl IntoIterator<Item = (ItemId, CatalogueRow)>,
    ) -> Self {
        let mut wider = self.clone();
        wider.items = Arc::clone(items);
        wider.fit_columns();
        rows.into_iter().for_each(|(item, row)| wider.set_row(item.index(), row));
        wider
    }

    /// Makes all columns that there are as long as the vocabulary.
    fn fit_columns(&mut self) {
        let n = self.items.len();
        self.listed.resize(n, false);
        fit(&mut self.title, n);
        fit(&mut self.description, n);
        fit(&mut self.categories, n);
        fit(&mut self.brand, n);
        fit(&mut self.price, n);
        fit(&mut self.available, n);
        fit(&mut self.created, n);
        self.extra.values_mut().for_each(|column| fit(column, n));
        if let Some(vectors) = &mut self.vectors {
            vectors.data.resize(n * vectors.dim, 0.0);
        }
    }

    fn set_row(&mut self, place: usize, row: CatalogueRow) {
        let n = self.items.len();
        if place >= n {
            return;
        }
        self.listed[place] = true;
        set(&mut self.title, n, place, row.title);
        set(&mut self.description, n, place, row.description);
        set(&mut self.brand, n, place, row.brand);
        set(&mut self.price, n, place, row.price);
        set(&mut self.available, n, place, row.available);
        set(&mut self.created, n, place, row.created);
        self.extra.values_mut().for_each(|column| set(column, n, place, None));
        for (name, value) in row.extra {
            set(self.extra.entry(name).or_default(), n, place, Some(value));
        }
        let categories = self.category_numbers(row.categories);
        if !categories.is_empty() || !self.categories.is_empty() {
            self.categories.resize(n, Vec::new());
            self.categories[place] = categories;
        }
        if let Some(Vectors { dim, data }) = &mut self.vectors {
            let own = &mut data[place * *dim..(place + 1) * *dim];
            match row.vector.filter(|vector| vector.len() == *dim) {
                Some(vector) => own.copy_from_slice(&vector),
                None => own.fill(0.0),
            }
        }
    }

    fn category_numbers(&mut self, names: Vec<String>) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            let known = self.category_names.iter().position(|own| *own == name);
            let place = known.unwrap_or_else(|| {
                self.category_names.push(name);
                self.category_names.len() - 1
            });
            if let Some(number) = u32::try_from(place).ok().filter(|number| !numbers.contains(number)) {
                numbers.push(number);
            }
        }
        numbers
    }
}

impl Vectors {
    /// The vector of an item; nothing where there is none, or only zeros.
    pub fn of_item(&self, item: ItemId) -> Option<&[f32]> {
        let start = item.index().checked_mul(self.dim)?;
        self.data.get(start..start.checked_add(self.dim)?).filter(|row| row.iter().any(|x| *x != 0.0))
    }
}

fn known<T: Clone>(column: &[Option<T>], place: usize) -> Option<T> {
    column.get(place).cloned().flatten()
}

fn fit<T: Clone + Default>(column: &mut Vec<T>, n: usize) {
    if !column.is_empty() {
        column.resize(n, T::default());
    }
}

/// A column that has no value stays away.
fn set<T: Clone>(column: &mut Vec<Option<T>>, n: usize, place: usize, value: Option<T>) {
    if value.is_some() || !column.is_empty() {
        column.resize(n, None);
        column[place] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> CatalogueRow {
        CatalogueRow {
            title: Some("Lamp".into()),
            description: Some("It shines".into()),
            categories: ["Home", "Lamps"].map(str::to_owned).into(),
            brand: Some("Halo".into()),
            price: Some(12.5),
            available: Some(false),
            created: Some(Timestamp::from_millis(7)),
            extra: BTreeMap::from([("size".into(), "L".into())]),
            vector: Some(vec![0.5, 1.0]),
        }
    }

    #[test]
    fn a_row_is_read_as_it_was_laid() {
        let items = Vocab::from_names(["a", "c"]).shared();
        let vectors = Some(Vectors { dim: 2, data: vec![1.0, 2.0, 3.0, 4.0] });
        let catalogue = Catalogue { items: Arc::clone(&items), vectors, ..Catalogue::default() };
        let later = items.with_later(["b"]).shared();
        let laid = catalogue.with_rows(&later, [(ItemId(2), row()), (ItemId(0), CatalogueRow::default())]);
        assert_eq!((laid.row(ItemId(2)), laid.row(ItemId(0))), (row(), CatalogueRow::default()));
        assert_eq!(laid.row(ItemId(1)).vector, Some(vec![3.0, 4.0]));
        assert_eq!((laid.listed, laid.title.len(), laid.price.len()), (vec![true, false, true], 3, 3));
        assert_eq!(catalogue.row(ItemId(9)), CatalogueRow::default());
    }

    #[test]
    fn columns_that_nothing_is_known_of_stay_away_and_vectors_must_fit() {
        let items = Vocab::from_names(["a"]).shared();
        let catalogue = Catalogue { items: Arc::clone(&items), ..Catalogue::default() };
        let own = CatalogueRow { price: Some(1.0), vector: Some(vec![1.0]), ..CatalogueRow::default() };
        let laid = catalogue.with_rows(&items, [(ItemId(0), own)]);
        assert_eq!((&laid.price[..], laid.title.len(), laid.vectors), (&[Some(1.0)][..], 0, None));
        let vectors = Some(Vectors { dim: 2, data: vec![1.0, 2.0] });
        let own = CatalogueRow { vector: Some(vec![1.0]), ..CatalogueRow::default() };
        let laid = Catalogue { vectors, ..catalogue }.with_rows(&items, [(ItemId(0), own)]);
        assert_eq!(laid.row(ItemId(0)).vector, None);
    }
}
