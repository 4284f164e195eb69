//! Writing a catalogue as a table that [`super::read_catalogue`] reads.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{Field, Schema};

use super::{Catalogue, Relation, Vectors};
use crate::error::{Error, Result};
use crate::events::{ItemId, Timestamp, write_table};

/// Writes the listed items: `item_id`, then the properties that the catalogue has, relations as `r_NAME`. Weights of
/// relations are not written, and categories are one list per item.
///
/// # Errors
/// Those of [`write_table`]; [`Error::Malformed`] when columns differ in length.
pub fn write_catalogue(catalogue: &Catalogue, path: &Path) -> Result<()> {
    let items: Vec<ItemId> =
        (0u32..).zip(&catalogue.listed).filter_map(|(item, listed)| listed.then_some(ItemId(item))).collect();
    let columns = columns(catalogue, &items);
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| Error::Malformed {
            path: path.to_path_buf(),
            reason: format!("the catalogue's columns do not fit together ({e})"),
            remedy: "Give every column one entry per item".to_owned(),
        })?;
    write_table(&batch, path)
}

fn columns(catalogue: &Catalogue, items: &[ItemId]) -> Vec<(String, ArrayRef)> {
    let names = items.iter().map(|item| Some(catalogue.items.name(item.index())));
    let mut columns = vec![("item_id".to_owned(), Arc::new(StringArray::from_iter(names)) as ArrayRef)];
    let mut add = |name: &str, present: bool, column: &dyn Fn() -> ArrayRef| {
        if present {
            columns.push((name.to_owned(), column()));
        }
    };
    add("title", !catalogue.title.is_empty(), &|| texts(&catalogue.title, items));
    add("description", !catalogue.description.is_empty(), &|| texts(&catalogue.description, items));
    add("categories", !catalogue.categories.is_empty(), &|| {
        lists(items, |item| catalogue.category_path(item).map(str::to_owned).collect())
    });
    add("brand", !catalogue.brand.is_empty(), &|| texts(&catalogue.brand, items));
    add("price", !catalogue.price.is_empty(), &|| {
        Arc::new(items.iter().map(|item| catalogue.price[item.index()]).collect::<Float32Array>())
    });
    add("available", !catalogue.available.is_empty(), &|| {
        Arc::new(items.iter().map(|item| catalogue.available[item.index()]).collect::<BooleanArray>())
    });
    add("created", !catalogue.created.is_empty(), &|| times(&catalogue.created, items));
    for (name, values) in &catalogue.extra {
        add(name, true, &|| texts(values, items));
    }
    for relation in &catalogue.relations {
        let name = format!("r_{}", relation.name());
        add(&name, true, &|| lists(items, |item| linked(catalogue, relation, item)));
    }
    if let Some(vectors) = &catalogue.vectors {
        add("vector", true, &|| vector_column(vectors, items));
    }
    columns
}

fn texts(values: &[Option<String>], items: &[ItemId]) -> ArrayRef {
    Arc::new(items.iter().map(|item| values[item.index()].as_deref()).collect::<StringArray>())
}

fn times(values: &[Option<Timestamp>], items: &[ItemId]) -> ArrayRef {
    let millis = items.iter().map(|item| values[item.index()].map(Timestamp::millis));
    Arc::new(millis.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
}

fn linked(catalogue: &Catalogue, relation: &Relation, item: ItemId) -> Vec<String> {
    relation.neighbours(item).map(|(to, _)| catalogue.items.name(to.index()).to_owned()).collect()
}

fn lists(items: &[ItemId], list: impl Fn(ItemId) -> Vec<String>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    items.iter().for_each(|&item| builder.append_value(list(item).into_iter().map(Some)));
    Arc::new(builder.finish())
}

fn vector_column(vectors: &Vectors, items: &[ItemId]) -> ArrayRef {
    let width = i32::try_from(vectors.dim).unwrap_or(i32::MAX);
    let mut builder = FixedSizeListBuilder::new(Float32Builder::new(), width);
    for item in items {
        builder.values().append_slice(&vectors.data[item.index() * vectors.dim..][..vectors.dim]);
        builder.append(true);
    }
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Vocab;
    use crate::interest::{CatalogueMap, read_catalogue};

    fn catalogue() -> Catalogue {
        Catalogue {
            items: Vocab::from_names(["a", "b", "c,\"d\""]).shared(),
            listed: vec![true; 3],
            title: vec![Some("A, \"the\" first".into()), None, Some("C".into())],
            description: vec![None, Some("line\nbreak".into()), None],
            categories: vec![vec![0, 1], vec![], vec![1]],
            category_names: vec!["Home".into(), "Lamps > Desk".into()],
            brand: vec![Some("x".into()), None, None],
            price: vec![Some(1.5), None, Some(0.25)],
            available: vec![Some(true), Some(false), None],
            created: vec![Some(Timestamp::from_millis(-1_000)), None, None],
            extra: [("size".to_owned(), vec![Some("L".into()), None, None])].into(),
            relations: vec![Relation::from_links("complement", 3, [(ItemId(0), ItemId(2), 1.0)])],
            vectors: Some(Vectors { dim: 2, data: vec![0.5, -1.0, 0.0, 0.0, 0.25, 3.0] }),
        }
    }

    #[test]
    fn every_format_reads_back_the_same_catalogue() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["items.csv", "items.tsv", "items.parquet"] {
            let path = folder.path().join(name);
            write_catalogue(&catalogue(), &path).unwrap();
            let read = read_catalogue(&path, &catalogue().items, &CatalogueMap::default()).unwrap().0;
            assert_eq!(read, catalogue(), "{name}");
        }
    }
}
