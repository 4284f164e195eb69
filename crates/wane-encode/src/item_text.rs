//! The texts of a catalogue's items.

use std::borrow::Cow;

use wane::events::ItemId;
use wane::interest::{Catalogue, CatalogueRow};

use crate::error::{Error, Result};
use crate::template::Template;

/// Columns that say most of an item, in the order in which they are written where no template is given.
const USUAL: [&str; 4] = ["title", "category", "brand", "description"];

/// Names by which a template may call a catalogue's columns.
pub fn known_columns(catalogue: &Catalogue) -> Vec<&str> {
    let usual = [
        ("title", !catalogue.title.is_empty()),
        ("category", catalogue.categories.iter().any(|path| !path.is_empty())),
        ("brand", !catalogue.brand.is_empty()),
        ("description", !catalogue.description.is_empty()),
    ];
    let usual = usual.into_iter().filter_map(|(name, is_there)| is_there.then_some(name));
    usual.chain(catalogue.extra.keys().map(String::as_str)).chain(["item"]).collect()
}

/// One text per item; empty for items that the catalogue does not list. Without a template: title, category, brand and
/// description, as far as the catalogue has them.
///
/// # Errors
/// [`Error::UnknownColumn`] for a template that names another column, [`Error::NoText`] where no item has a text.
pub fn item_texts(catalogue: &Catalogue, template: Option<&Template>) -> Result<Vec<String>> {
    let known = known_columns(catalogue);
    let usual = || {
        let columns: Vec<&str> = USUAL.into_iter().filter(|column| known.contains(column)).collect();
        Template::of_columns(&columns)
    };
    let template = template.cloned().unwrap_or_else(usual);
    if let Some(column) = template.columns().find(|column| !known.contains(column)) {
        return Err(Error::UnknownColumn { column: column.to_owned(), known: known.join(", ") });
    }
    let text = |item: ItemId| match catalogue.listed.get(item.index()) {
        Some(true) => template.render(|column| value(catalogue, item, column)),
        _ => String::new(),
    };
    let texts: Vec<String> = (0..catalogue.items.len() as u32).map(|item| text(ItemId(item))).collect();
    if texts.iter().all(String::is_empty) { Err(Error::NoText) } else { Ok(texts) }
}

/// The text of one item by what is known of it: what [`item_texts`] writes of it in a catalogue.
pub fn row_text(item: &str, row: &CatalogueRow, template: Option<&Template>) -> String {
    let value = |column: &str| match column {
        "item" => Some(item.into()),
        "title" => row.title.as_deref().map(Cow::from),
        "description" => row.description.as_deref().map(Cow::from),
        "brand" => row.brand.as_deref().map(Cow::from),
        "category" => Some(row.categories.join(" > ").into()),
        other => row.extra.get(other).map(Cow::from),
    };
    match template {
        Some(template) => template.render(value),
        // A column that is not there leaves no trace.
        None => Template::of_columns(&USUAL).render(value),
    }
}

fn value<'a>(catalogue: &'a Catalogue, item: ItemId, column: &str) -> Option<Cow<'a, str>> {
    let of = |column: &'a [Option<String>]| column.get(item.index())?.as_deref().map(Cow::from);
    match column {
        "item" => Some(catalogue.items.name(item.index()).into()),
        "title" => of(&catalogue.title),
        "description" => of(&catalogue.description),
        "brand" => of(&catalogue.brand),
        "category" => Some(catalogue.category_path(item).collect::<Vec<_>>().join(" > ").into()),
        other => of(catalogue.extra.get(other)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use wane::events::Vocab;

    fn catalogue() -> Catalogue {
        Catalogue {
            items: Arc::new(Vocab::from_names(["a", "b", "c"])),
            listed: vec![true, true, false],
            title: vec![Some("Scarf".into()), None, Some("Hose".into())],
            categories: vec![vec![0, 1], vec![0], vec![]],
            category_names: vec!["Clothing".into(), "Scarves".into()],
            extra: [("size".to_owned(), vec![Some("XL".into()), None, None])].into(),
            ..Catalogue::default()
        }
    }

    #[test]
    fn items_are_written_as_the_template_says() {
        let catalogue = catalogue();
        assert_eq!(item_texts(&catalogue, None).unwrap(), ["Scarf. Clothing > Scarves", "Clothing", ""]);
        let template = Template::parse("{item}: {size}").unwrap();
        assert_eq!(item_texts(&catalogue, Some(&template)).unwrap(), ["a: XL", "b", ""]);
        let rows = |template| {
            let row =
                |item| row_text(catalogue.items.name(item), &catalogue.row(ItemId(item as u32)), template);
            [row(0), row(1)]
        };
        assert_eq!(rows(None), ["Scarf. Clothing > Scarves", "Clothing"]);
        assert_eq!(rows(Some(&template)), ["a: XL", "b"]);
    }

    #[test]
    fn unknown_columns_and_empty_texts_are_refused() {
        let template = Template::parse("{colour}").unwrap();
        let error = item_texts(&catalogue(), Some(&template)).unwrap_err().to_string();
        assert!(error.contains("`colour`") && error.contains("title, category, size, item"), "{error}");
        let nothing = Catalogue { items: catalogue().items, listed: vec![true; 3], ..Catalogue::default() };
        assert!(matches!(item_texts(&nothing, None), Err(Error::NoText)));
    }
}
