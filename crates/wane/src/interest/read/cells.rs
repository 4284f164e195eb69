//! From the rows of a table to one value per item.

use std::collections::BTreeMap;

use super::columns::commas_part;
use crate::error::{Error, Result};
use crate::events::read::{Column, Table, parse_list};
use crate::events::{ItemId, Vocab};
use crate::interest::Vectors;

/// Rows of the table by item, in compressed sparse rows; within an item in the order of the file.
#[derive(Debug)]
pub(super) struct Rows {
    offsets: Vec<usize>,
    rows: Vec<usize>,
    /// Items of the vocabulary that have a row.
    pub(super) n_listed: u64,
    /// Distinct items that are not in the vocabulary.
    pub(super) n_outside: u64,
    /// Rows without an item.
    pub(super) n_nameless: u64,
}

impl Rows {
    pub(super) fn group(table: &Table, item_column: &str, items: &Vocab) -> Self {
        let column = table.column(item_column);
        let names: Vec<Option<&str>> =
            (0..table.rows()).map(|row| column.and_then(|column| column.text(row))).collect();
        let places: Vec<Option<u32>> = names.iter().map(|name| items.position((*name)?)).collect();
        let mut known: Vec<(u32, usize)> =
            places.iter().enumerate().filter_map(|(row, place)| Some(((*place)?, row))).collect();
        known.sort_unstable();
        let mut offsets = vec![0; items.len() + 1];
        known.iter().for_each(|(item, _)| offsets[*item as usize + 1] += 1);
        (0..items.len()).for_each(|item| offsets[item + 1] += offsets[item]);
        let outside =
            names.iter().zip(&places).filter(|(_, place)| place.is_none()).filter_map(|(name, _)| *name);
        Self {
            n_listed: offsets.windows(2).filter(|pair| pair[0] < pair[1]).count() as u64,
            n_outside: Vocab::from_names(outside).len() as u64,
            n_nameless: names.iter().filter(|name| name.is_none()).count() as u64,
            rows: known.into_iter().map(|(_, row)| row).collect(),
            offsets,
        }
    }

    /// The rows of an item.
    pub(super) fn of(&self, item: usize) -> &[usize] {
        &self.rows[self.offsets[item]..self.offsets[item + 1]]
    }

    fn n_items(&self) -> usize {
        self.offsets.len() - 1
    }
}

/// The cells of a table, by item.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    pub(super) table: &'a Table,
    pub(super) rows: &'a Rows,
}

impl Cells<'_> {
    /// The most frequent text of each item; empty without a column.
    pub(super) fn texts(&self, column: Option<&str>) -> Vec<Option<String>> {
        let Some(column) = column.and_then(|name| self.table.column(name)) else { return Vec::new() };
        let value = |item| most_frequent(self.item_texts(column, item)).map(str::to_owned);
        (0..self.rows.n_items()).map(value).collect()
    }

    fn item_texts<'c>(&self, column: &'c Column, item: usize) -> impl Iterator<Item = &'c str> {
        let text = |&row: &usize| column.text(row).map(str::trim).filter(|text| !text.is_empty());
        self.rows.of(item).iter().filter_map(text)
    }

    /// The values of a column; what cannot be read is counted under `what`.
    pub(super) fn parsed<T: Clone>(
        &self,
        column: Option<&str>,
        what: &str,
        unreadable: &mut BTreeMap<String, u64>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<Option<T>> {
        let texts = self.texts(column);
        let values: Vec<Option<T>> = texts.iter().map(|text| parse(text.as_ref()?)).collect();
        let failed =
            texts.iter().zip(&values).filter(|(text, value)| text.is_some() && value.is_none()).count();
        if failed > 0 {
            unreadable.insert(what.to_owned(), failed as u64);
        }
        values
    }

    /// Columns without a role, as far as every item has one value.
    pub(super) fn extra(
        &self,
        columns: &[String],
        left_out: &mut Vec<String>,
    ) -> BTreeMap<String, Vec<Option<String>>> {
        let (constant, varying): (Vec<_>, Vec<_>) =
            columns.iter().partition(|column| self.is_constant(column));
        left_out.extend(varying.into_iter().cloned());
        constant.into_iter().map(|column| (column.clone(), self.texts(Some(column)))).collect()
    }

    fn is_constant(&self, column: &str) -> bool {
        let Some(column) = self.table.column(column) else { return false };
        (0..self.rows.n_items()).all(|item| {
            let mut texts = self.item_texts(column, item);
            let first = texts.next();
            texts.all(|text| Some(text) == first)
        })
    }

    /// Names of all categories, sorted, and the path of each item in them.
    pub(super) fn categories(&self, columns: &[String]) -> (Vec<String>, Vec<Vec<u32>>) {
        if columns.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let path = |item| columns.iter().flat_map(|column| self.category_parts(column, item)).collect();
        let paths: Vec<Vec<String>> = (0..self.rows.n_items()).map(path).collect();
        let vocab = Vocab::from_names(paths.iter().flatten());
        let places = |path: &Vec<String>| {
            let mut places: Vec<u32> = Vec::with_capacity(path.len());
            for place in path.iter().filter_map(|name| vocab.position(name)) {
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            places
        };
        let paths = paths.iter().map(places).collect();
        (vocab.iter().map(str::to_owned).collect(), paths)
    }

    fn category_parts(&self, name: &str, item: usize) -> Vec<String> {
        let Some(column) = self.table.column(name) else { return Vec::new() };
        let whole = match column {
            Column::TextList(_) => return self.last_list(column, item),
            _ => most_frequent(self.item_texts(column, item)),
        };
        whole.map(|text| split_categories(text, commas_part(name))).unwrap_or_default()
    }

    /// Items with the elements of their lists.
    pub(super) fn lists(&self, column: &str) -> impl Iterator<Item = (ItemId, Vec<String>)> {
        let column = self.table.column(column);
        let list = move |item: usize| {
            let list = self.last_list(column?, item);
            (!list.is_empty()).then_some((ItemId(u32::try_from(item).ok()?), list))
        };
        (0..self.rows.n_items()).filter_map(list)
    }

    /// The last list of an item that is not empty; text that is no list is a list of one.
    fn last_list(&self, column: &Column, item: usize) -> Vec<String> {
        let list = |&row: &usize| {
            let list = column.list(row).or_else(|| Some(vec![column.text(row)?.to_owned()]))?;
            (!list.is_empty()).then_some(list)
        };
        self.rows.of(item).iter().rev().find_map(list).unwrap_or_default()
    }

    /// The vectors; `None` where no item has one.
    pub(super) fn vectors(&self, name: &str) -> Result<Option<Vectors>> {
        let Some(column) = self.table.column(name) else { return Ok(None) };
        let mut vectors: Option<Vectors> = None;
        for item in 0..self.rows.n_items() {
            for &row in self.rows.of(item) {
                let Some(vector) = self.vector(name, column, row)? else { continue };
                let all = vectors.get_or_insert_with(|| Vectors {
                    dim: vector.len(),
                    data: vec![0.0; vector.len() * self.rows.n_items()],
                });
                if vector.len() != all.dim {
                    let expected = format!("{} values, other rows {}", vector.len(), all.dim);
                    return Err(self.bad_vector(name, row, &expected));
                }
                all.data[item * all.dim..][..all.dim].copy_from_slice(&vector);
            }
        }
        Ok(vectors)
    }

    fn vector(&self, name: &str, column: &Column, row: usize) -> Result<Option<Vec<f32>>> {
        let vector = match column {
            Column::FloatList { dim, data, present } => {
                present[row].then(|| data[row * dim..(row + 1) * dim].to_vec())
            }
            _ => match column.list(row).filter(|list| !list.is_empty()) {
                Some(list) => {
                    let numbers: Option<Vec<f32>> = list.iter().map(|text| text.parse().ok()).collect();
                    Some(numbers.ok_or_else(|| self.bad_vector(name, row, "something that is no number"))?)
                }
                None => None,
            },
        };
        match &vector {
            Some(vector) if !vector.iter().all(|x| x.is_finite()) => {
                Err(self.bad_vector(name, row, "a value that is not finite"))
            }
            _ => Ok(vector),
        }
    }

    fn bad_vector(&self, name: &str, row: usize, what: &str) -> Error {
        Error::Malformed {
            path: self.table.path().to_path_buf(),
            reason: format!("the vector `{name}` in row {} has {what}", row + 1),
            remedy: "Write vectors of one length with finite numbers, or null".to_owned(),
        }
    }
}

/// The value that comes most often, and of equally frequent ones the one that comes last.
fn most_frequent<'a>(values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (place, value) in values.enumerate() {
        let entry = counts.entry(value).or_default();
        *entry = (entry.0 + 1, place);
    }
    counts.into_iter().max_by_key(|(_, rank)| *rank).map(|(value, _)| value)
}

/// The parts of a category cell: a written list, a path `A > B`, `A|B`, or, where commas part, `A, B`.
fn split_categories(text: &str, commas_part: bool) -> Vec<String> {
    if let Some(list) = parse_list(text) {
        return list;
    }
    let separator = match text {
        _ if text.contains('>') => '>',
        _ if text.contains('|') => '|',
        _ if commas_part => ',',
        _ => return vec![text.to_owned()],
    };
    text.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A price, with or without a currency around it: `2.55`, `$1,299.00`, `1.299,00 €`.
///
/// Of comma and point the later one parts the cents; a comma alone does if two digits follow it.
pub(super) fn price(text: &str) -> Option<f32> {
    let number = text.trim_matches(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '+' | '.' | ','));
    let comma_parts_cents = match (number.rfind(','), number.rfind('.')) {
        (Some(comma), Some(point)) => comma > point,
        (Some(comma), None) => comma + 3 == number.len(),
        _ => false,
    };
    let (thousands, cents) = if comma_parts_cents { ('.', ',') } else { (',', '.') };
    let number = number.replace(thousands, "").replace(cents, ".");
    number.parse().ok().filter(|price: &f32| price.is_finite())
}

/// Whether an item can be had.
pub(super) fn available(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "t" | "available" | "in stock" | "in_stock" | "instock" => Some(true),
        "false" | "0" | "no" | "n" | "f" | "unavailable" | "out of stock" | "out_of_stock" | "sold out" => {
            Some(false)
        }
        other => other.parse::<f64>().ok().map(|stock| stock > 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_value_wins_then_the_last() {
        assert_eq!(most_frequent(["a", "b", "a"].into_iter()), Some("a"));
        assert_eq!(most_frequent(["a", "b"].into_iter()), Some("b"));
        assert_eq!(most_frequent(["b", "a"].into_iter()), Some("a"));
        assert_eq!(most_frequent([].into_iter()), None);
    }

    #[test]
    fn prices_lose_their_currency() {
        assert_eq!(price("2.55"), Some(2.55));
        assert_eq!(price("$1,299.00"), Some(1299.0));
        assert_eq!(price("12,50 €"), Some(12.5));
        assert_eq!(price("EUR 1.299,00"), Some(1299.0));
        assert_eq!(price("1,299"), Some(1299.0));
        assert_eq!(price("free"), None);
    }

    #[test]
    fn categories_are_split_as_they_are_written() {
        assert_eq!(split_categories("Home > Lamps", false), ["Home", "Lamps"]);
        assert_eq!(split_categories("A|B", false), ["A", "B"]);
        assert_eq!(split_categories("Drama, War", true), ["Drama", "War"]);
        assert_eq!(split_categories("COOKIES, CRACKERS", false), ["COOKIES, CRACKERS"]);
        assert_eq!(split_categories("['x', 'y']", false), ["x", "y"]);
    }
}
