//! The catalogue as tables: a row per item, its categories by number, its relations as a list of links.
//!
//! Columns of the shop's own are written as `extra:<name>`, so that none can be taken for one of ours.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, UInt32Builder};
use arrow_array::types::Float32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Int64Array, LargeStringArray, ListArray,
    UInt32Array,
};

use super::folder::NewFolder;
use super::manifest::{Manifest, damaged};
use super::table::{self, Batch};
use crate::error::Result;
use crate::events::{ItemId, Timestamp, Vocab};
use crate::interest::{Catalogue, Relation, Vectors};

/// The file of item properties; a folder without it has no catalogue.
pub(super) const FILE: &str = "catalogue.parquet";
const CATEGORIES: (&str, &str) = ("categories.parquet", "category");
const RELATIONS: &str = "relations.parquet";
const EXTRA: &str = "extra:";

/// Names of the relations, in order.
pub(super) fn relation_names(catalogue: &Catalogue) -> Vec<String> {
    catalogue.relations.iter().map(|relation| relation.name().to_owned()).collect()
}

/// Writes item properties, category names and relations.
pub(super) fn write(folder: &mut NewFolder, catalogue: &Catalogue) -> Result<()> {
    let names = &catalogue.category_names;
    table::write_names(folder, CATEGORIES, names.len(), |place| names[place].as_str())?;
    write_relations(folder, catalogue)?;
    let n_items = catalogue.items.len();
    table::write(folder, FILE, n_items, |rows| {
        let mut columns = vec![("item".to_owned(), numbers(rows.clone().map(|item| item as u32)))];
        let mut add = |name: &str, len: usize, array: &dyn Fn() -> ArrayRef| {
            if len > 0 {
                columns.push((name.to_owned(), array()));
            }
        };
        let c = catalogue;
        let range = || rows.clone();
        add("listed", c.listed.len(), &|| Arc::new(BooleanArray::from(c.listed[range()].to_vec())));
        add("title", c.title.len(), &|| texts(&c.title[range()]));
        add("description", c.description.len(), &|| texts(&c.description[range()]));
        add("categories", c.categories.len(), &|| paths(&c.categories[range()]));
        add("brand", c.brand.len(), &|| texts(&c.brand[range()]));
        add("price", c.price.len(), &|| Arc::new(Float32Array::from(c.price[range()].to_vec())));
        add("available", c.available.len(), &|| Arc::new(BooleanArray::from(c.available[range()].to_vec())));
        add("created", c.created.len(), &|| {
            Arc::new(Int64Array::from_iter(c.created[range()].iter().map(|time| time.map(Timestamp::millis))))
        });
        for (name, values) in &c.extra {
            add(&format!("{EXTRA}{name}"), values.len(), &|| texts(&values[range()]));
        }
        if let Some(vectors) = &c.vectors {
            add("vector", vectors.data.len(), &|| vector_column(vectors, range()));
        }
        columns
    })
}

fn numbers(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(values))
}

fn texts(values: &[Option<String>]) -> ArrayRef {
    Arc::new(LargeStringArray::from_iter(values.iter().map(Option::as_deref)))
}

fn paths(values: &[Vec<u32>]) -> ArrayRef {
    let mut builder = ListBuilder::new(UInt32Builder::new());
    for path in values {
        builder.append_value(path.iter().copied().map(Some));
    }
    Arc::new(builder.finish())
}

fn vector_column(vectors: &Vectors, rows: std::ops::Range<usize>) -> ArrayRef {
    let dim = vectors.dim;
    let row = |item: usize| Some(vectors.data[item * dim..(item + 1) * dim].iter().copied().map(Some));
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows.map(row), dim as i32))
}

fn write_relations(folder: &mut NewFolder, catalogue: &Catalogue) -> Result<()> {
    let n_items = catalogue.items.len() as u32;
    let links: Vec<(u32, u32, u32, f32)> = (0u32..)
        .zip(&catalogue.relations)
        .flat_map(|(place, relation)| {
            (0..n_items).flat_map(move |from| {
                relation.neighbours(ItemId(from)).map(move |(to, weight)| (place, from, to.0, weight))
            })
        })
        .collect();
    table::write(folder, RELATIONS, links.len(), |rows| {
        let part = &links[rows];
        vec![
            ("relation".to_owned(), numbers(part.iter().map(|link| link.0))),
            ("from".to_owned(), numbers(part.iter().map(|link| link.1))),
            ("to".to_owned(), numbers(part.iter().map(|link| link.2))),
            ("weight".to_owned(), Arc::new(Float32Array::from_iter_values(part.iter().map(|link| link.3)))),
        ]
    })
}

/// Reads the catalogue of the items of a vocabulary.
pub(super) fn read(folder: &Path, manifest: &Manifest, items: &Arc<Vocab>) -> Result<Catalogue> {
    let mut catalogue = Catalogue {
        items: Arc::clone(items),
        category_names: table::read_names(&folder.join(CATEGORIES.0), CATEGORIES.1)?,
        relations: read_relations(&folder.join(RELATIONS), &manifest.relations, items.len())?,
        ..Catalogue::default()
    };
    let path = folder.join(FILE);
    let mut n_rows = 0;
    table::read(&path, |batch| {
        n_rows += batch.column::<UInt32Array>("item")?.len();
        take_items(batch, &mut catalogue)
    })?;
    if n_rows != items.len() {
        return Err(damaged(&path, &format!("expected {} items, got {n_rows}", items.len())));
    }
    let n_names = catalogue.category_names.len();
    if catalogue.categories.iter().flatten().any(|&category| category as usize >= n_names) {
        return Err(damaged(&path, &format!("expected categories below {n_names}")));
    }
    Ok(catalogue)
}

fn take_items(batch: &Batch<'_>, catalogue: &mut Catalogue) -> Result<()> {
    let c = catalogue;
    if let Some(listed) = batch.optional::<BooleanArray>("listed")? {
        c.listed.extend(listed.iter().map(|listed| listed == Some(true)));
    }
    take_texts(batch, "title", &mut c.title)?;
    take_texts(batch, "description", &mut c.description)?;
    take_texts(batch, "brand", &mut c.brand)?;
    if let Some(price) = batch.optional::<Float32Array>("price")? {
        c.price.extend(price);
    }
    if let Some(available) = batch.optional::<BooleanArray>("available")? {
        c.available.extend(available);
    }
    if let Some(created) = batch.optional::<Int64Array>("created")? {
        c.created.extend(created.iter().map(|millis| millis.map(Timestamp::from_millis)));
    }
    take_categories(batch, &mut c.categories)?;
    take_vectors(batch, &mut c.vectors)?;
    for column in batch.names() {
        if let Some(name) = column.strip_prefix(EXTRA) {
            take_texts(batch, &column, c.extra.entry(name.to_owned()).or_default())?;
        }
    }
    Ok(())
}

fn take_texts(batch: &Batch<'_>, name: &str, into: &mut Vec<Option<String>>) -> Result<()> {
    if let Some(texts) = batch.optional::<LargeStringArray>(name)? {
        into.extend(texts.iter().map(|text| text.map(str::to_owned)));
    }
    Ok(())
}

fn take_categories(batch: &Batch<'_>, into: &mut Vec<Vec<u32>>) -> Result<()> {
    let Some(column) = batch.optional::<ListArray>("categories")? else { return Ok(()) };
    into.extend(column.iter().map(|path| {
        let path = path.as_ref().and_then(|path| path.as_any().downcast_ref::<UInt32Array>());
        path.map_or_else(Vec::new, |path| path.values().to_vec())
    }));
    Ok(())
}

fn take_vectors(batch: &Batch<'_>, into: &mut Option<Vectors>) -> Result<()> {
    let Some(column) = batch.optional::<FixedSizeListArray>("vector")? else { return Ok(()) };
    let dim = usize::try_from(column.value_length()).unwrap_or_default();
    let vectors = into.get_or_insert_with(|| Vectors { dim, data: Vec::new() });
    if let Some(values) = column.values().as_any().downcast_ref::<Float32Array>() {
        vectors.data.extend(values.values());
    }
    Ok(())
}

fn read_relations(path: &Path, names: &[String], n_items: usize) -> Result<Vec<Relation>> {
    let mut links = vec![Vec::new(); names.len()];
    table::read(path, |batch| {
        let column = |name| Ok(batch.column::<UInt32Array>(name)?.values().iter().copied());
        let weights = batch.column::<Float32Array>("weight")?.values().iter().copied();
        for (((relation, from), to), weight) in
            column("relation")?.zip(column("from")?).zip(column("to")?).zip(weights)
        {
            let of = links.get_mut(relation as usize).ok_or_else(|| {
                damaged(path, &format!("expected relations below {}, got {relation}", names.len()))
            })?;
            of.push((ItemId(from), ItemId(to), weight));
        }
        Ok(())
    })?;
    Ok(names.iter().zip(links).map(|(name, links)| Relation::from_links(name, n_items, links)).collect())
}
