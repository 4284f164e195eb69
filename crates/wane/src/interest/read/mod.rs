//! Reading a catalogue: a table of items becomes a [`Catalogue`] that is aligned with a log's vocabulary.
//!
//! Two steps, because a log's vocabulary should also hold the items that nobody has touched yet:
//! [`CatalogueFile::open`] reads the table and finds its columns, [`CatalogueFile::align`] lays it out by a
//! vocabulary. An item may have several rows; then each property takes its most frequent value that is not empty,
//! and of equally frequent ones the last. So a corrected row wins over the row it corrects, and a behaviour log
//! that names its items in every row is a catalogue as it is.

mod cells;
mod columns;
mod moment;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use self::cells::{Cells, Rows};
use self::columns::Columns;
use super::{Catalogue, Relation};
use crate::error::{Error, Result};
use crate::events::read::Table;
use crate::events::{ItemId, Vocab};

pub use self::columns::CatalogueMap;
pub use self::moment::parse as parse_created;

/// What was understood of a catalogue.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CatalogueInspection {
    /// Rows of the file.
    pub rows: u64,
    /// Distinct items of the file.
    pub items: u64,
    /// Rows without an item.
    pub no_item: u64,
    /// Rows that repeat an item; they were merged.
    pub repeated: u64,
    /// Items of the file that are not in the log's vocabulary; they were left out.
    pub not_in_log: u64,
    /// Items of the log's vocabulary that are not in the file.
    pub not_in_catalogue: u64,
    /// Which columns were taken for what.
    pub columns: BTreeMap<String, Vec<String>>,
    /// Columns that were left out, because their value differs between rows of one item.
    pub left_out: Vec<String>,
    /// Cells that could not be read, by what they should have been.
    pub unreadable: BTreeMap<String, u64>,
    /// Links by relation.
    pub links: BTreeMap<String, u64>,
    /// Links to items outside the vocabulary, by relation; they were left out.
    pub dropped_links: BTreeMap<String, u64>,
}

/// A catalogue as it is in its file, its columns found.
#[derive(Debug, Clone)]
pub struct CatalogueFile {
    table: Table,
    columns: Columns,
}

impl CatalogueFile {
    /// Reads a table of items: CSV, TSV, JSONL or Parquet, plain or compressed.
    ///
    /// # Errors
    /// Those of [`Table::open`]; [`Error::Column`] when there is no item column, or when `map` names a column that
    /// the file does not have.
    pub fn open(path: &Path, map: &CatalogueMap) -> Result<Self> {
        let table = Table::open(path)?;
        let columns = Columns::find(&table, map)?;
        Ok(Self { table, columns })
    }

    /// Ids of the items, in the order of the file; an item may come several times.
    pub fn item_names(&self) -> impl Iterator<Item = &str> {
        let column = self.table.column(&self.columns.item);
        (0..self.table.rows()).filter_map(move |row| column?.text(row))
    }

    /// Lays the catalogue out by a vocabulary: row `i` is item `i`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for vectors of unequal length, with the row.
    pub fn align(&self, items: &Arc<Vocab>) -> Result<(Catalogue, CatalogueInspection)> {
        let rows = Rows::group(&self.table, &self.columns.item, items);
        let mut inspection = CatalogueInspection {
            rows: self.table.rows() as u64,
            items: rows.n_listed + rows.n_outside,
            no_item: rows.n_nameless,
            repeated: self.table.rows() as u64 - rows.n_nameless - rows.n_listed - rows.n_outside,
            not_in_log: rows.n_outside,
            not_in_catalogue: items.len() as u64 - rows.n_listed,
            columns: self.columns.by_role(),
            ..CatalogueInspection::default()
        };
        let catalogue = self.lay_out(items, &rows, &mut inspection)?;
        Ok((catalogue, inspection))
    }

    fn lay_out(
        &self,
        items: &Arc<Vocab>,
        rows: &Rows,
        inspection: &mut CatalogueInspection,
    ) -> Result<Catalogue> {
        let (cells, columns) = (Cells { table: &self.table, rows }, &self.columns);
        let (category_names, categories) = cells.categories(&columns.categories);
        let unreadable = &mut inspection.unreadable;
        Ok(Catalogue {
            items: Arc::clone(items),
            listed: (0..items.len()).map(|item| !rows.of(item).is_empty()).collect(),
            title: cells.texts(columns.title.as_deref()),
            description: cells.texts(columns.description.as_deref()),
            categories,
            category_names,
            brand: cells.texts(columns.brand.as_deref()),
            price: cells.parsed(columns.price.as_deref(), "price", unreadable, cells::price),
            available: cells.parsed(columns.available.as_deref(), "available", unreadable, cells::available),
            created: cells.parsed(columns.created.as_deref(), "created", unreadable, moment::parse),
            extra: cells.extra(&columns.extra, &mut inspection.left_out),
            relations: columns
                .relations
                .iter()
                .map(|(name, column)| relation(&cells, name, column, items, inspection))
                .collect(),
            vectors: columns.vector.as_deref().map(|column| cells.vectors(column)).transpose()?.flatten(),
        })
    }
}

/// Opens a catalogue and lays it out by a vocabulary.
///
/// # Errors
/// Those of [`CatalogueFile::open`] and [`CatalogueFile::align`]; [`Error::Empty`] when it has no item of the
/// vocabulary, which means that ids are written differently.
pub fn read_catalogue(
    path: &Path,
    items: &Arc<Vocab>,
    map: &CatalogueMap,
) -> Result<(Catalogue, CatalogueInspection)> {
    let file = CatalogueFile::open(path, map)?;
    let (catalogue, inspection) = file.align(items)?;
    if catalogue.listed.contains(&true) || items.is_empty() {
        return Ok((catalogue, inspection));
    }
    let first = |name: Option<&str>| name.unwrap_or("").to_owned();
    let (here, there) = (first(file.item_names().next()), first(items.iter().next()));
    Err(Error::Empty {
        what: format!("{}: no item of the log is in the catalogue", path.display()),
        remedy: format!("Ids must be written alike: the catalogue has `{here}`, the log `{there}`"),
    })
}

fn relation(
    cells: &Cells<'_>,
    name: &str,
    column: &str,
    items: &Vocab,
    inspection: &mut CatalogueInspection,
) -> Relation {
    let (mut links, mut dropped) = (Vec::new(), 0);
    for (from, to) in cells.lists(column) {
        for target in to {
            match items.position(&target) {
                Some(to) => links.push((from, ItemId(to), 1.0)),
                None => dropped += 1,
            }
        }
    }
    let relation = Relation::from_links(name, items.len(), links);
    inspection.links.insert(name.to_owned(), relation.len() as u64);
    inspection.dropped_links.insert(name.to_owned(), dropped);
    relation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: &str, items: &[&str]) -> Result<(Catalogue, CatalogueInspection)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        read_catalogue(&path, &Vocab::from_names(items).shared(), &CatalogueMap::default())
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
    }

    #[test]
    fn columns_find_their_roles() {
        let text = "Product ID,Title,department,product_category,Brand,Price,in_stock,released,r_complement,size\n\
                    b,Lamp,Home,Lamps,Halo,\"$1,200.50\",yes,2001,\"[a, z]\",L\n\
                    a,Rug,Home,,Loom,9,sold out,2020-01-02,[],\n";
        let (catalogue, inspection) = read("items.csv", text, &["a", "b", "c"]).unwrap();
        assert_eq!(catalogue.title, some(&["Rug", "Lamp", ""]));
        assert_eq!(catalogue.listed, [true, true, false]);
        assert_eq!(catalogue.category_path(ItemId(1)).collect::<Vec<_>>(), ["Home", "Lamps"]);
        assert_eq!(catalogue.category_path(ItemId(0)).collect::<Vec<_>>(), ["Home"]);
        assert_eq!(catalogue.price, [Some(9.0), Some(1200.5), None]);
        assert_eq!(catalogue.available, [Some(false), Some(true), None]);
        assert_eq!(catalogue.created[1].unwrap().to_string(), "2001-01-01T00:00:00Z");
        assert_eq!(catalogue.extra["size"], some(&["", "L", ""]));
        let links: Vec<_> = catalogue.relations[0].neighbours(ItemId(1)).collect();
        assert_eq!((catalogue.relations[0].name(), links), ("complement", vec![(ItemId(0), 1.0)]));
        assert_eq!((inspection.not_in_catalogue, inspection.dropped_links["complement"]), (1, 1));
    }

    #[test]
    fn rows_of_one_item_are_merged_and_what_varies_is_left_out() {
        let text = "InvoiceNo,StockCode,Description,UnitPrice\n1,A,MUG,2\n2,A,damaged,0\n3,A,MUG,2\n4,B,CUP,1\n5,,X,1\n";
        let (catalogue, inspection) = read("events.csv", text, &["A"]).unwrap();
        assert_eq!((catalogue.label(ItemId(0)), catalogue.price[0]), ("MUG", Some(2.0)));
        assert_eq!(inspection.left_out, ["InvoiceNo"]);
        let counts = [inspection.rows, inspection.items, inspection.repeated, inspection.no_item];
        assert_eq!((counts, inspection.not_in_log), ([5, 2, 2, 1], 1));
    }

    #[test]
    fn vectors_of_unequal_length_are_refused_with_their_row() {
        let text = "{\"item\":\"a\",\"vector\":[0.5,1]}\n{\"item\":\"b\",\"vector\":[0.5]}\n";
        let message = read("items.jsonl", text, &["a", "b"]).unwrap_err().to_string();
        assert!(message.contains("the vector `vector` in row 2 has 1 values, other rows 2"), "{message}");
        let text = "{\"item\":\"b\",\"embedding\":[0.5,1]}\n{\"item\":\"c\"}\n";
        let vectors = read("items.jsonl", text, &["a", "b"]).unwrap().0.vectors.unwrap();
        assert_eq!((vectors.dim, vectors.data), (2, vec![0.0, 0.0, 0.5, 1.0]));
    }

    #[test]
    fn a_table_without_items_and_ids_that_never_match_are_errors() {
        let message = read("items.csv", "name,price\na,1\n", &["a"]).unwrap_err().to_string();
        assert!(message.contains("no column holds item ids. Columns found: name, price"), "{message}");
        let message = read("items.csv", "item,price\n007,1\n", &["7"]).unwrap_err().to_string();
        assert!(message.contains("the catalogue has `007`, the log `7`"), "{message}");
        let message = read("items.csv", "item_id,ItemId\n1,2\n", &["1"]).unwrap_err().to_string();
        assert!(message.contains("both `item_id` and `ItemId` may hold item ids"), "{message}");
    }

    #[test]
    fn a_map_names_columns_and_refuses_unknown_ones() {
        let map = CatalogueMap::parse("item=code, category=a+b").unwrap();
        assert_eq!((map.item.as_deref(), map.category.as_deref()), (Some("code"), Some("a+b")));
        assert!(CatalogueMap::parse("colour=x").unwrap_err().to_string().contains("got colour=x"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.csv");
        std::fs::write(&path, "code,a,b\n1,x,y\n").unwrap();
        assert_eq!(CatalogueFile::open(&path, &map).unwrap().item_names().collect::<Vec<_>>(), ["1"]);
        let wrong = CatalogueMap::parse("item=sku").unwrap();
        let message = CatalogueFile::open(&path, &wrong).unwrap_err().to_string();
        assert!(message.contains("there is no column `sku`. Columns found: code, a, b"), "{message}");
    }
}
