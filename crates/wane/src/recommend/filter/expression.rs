//! Conditions on catalogue fields: `price < 20 and not title contains "sample"`.
//!
//! - Fields: `item` (the id), `title`, `description`, `category` (any level of the path), `brand`, `price`,
//!   `available`, `created`, and every other text column of the catalogue by its name.
//! - A missing value makes a comparison false, `!=` and `not in` included; `is missing` asks for it outright.
//!   `not` in front of a condition turns the outcome over, so `not price < 20` holds where the price is missing.
//! - `=`, `in` and ordering of text go by letters as they are; `contains` overlooks case.
//! - An item has several categories: `=`, `in` and `contains` want one that fits, `!=` and `not in` want that none
//!   is equal.

use std::cmp::Ordering;

use super::parser;
use crate::error::Result;
use crate::events::{ItemId, Timestamp};
use crate::interest::Catalogue;

/// A checked condition, bound to the columns of one catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    root: Node,
}

/// A condition over conditions, or one test of one field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Field, Test),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    Item,
    Title,
    Description,
    Category,
    Brand,
    Price,
    Available,
    Created,
    Extra(String),
}

/// What is asked of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Compare(Comparison, Value),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    /// Needle in lower case.
    Contains(String),
    Missing,
    Known,
}

/// A sign between a field and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value written in an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Text(String),
    Bool(bool),
    Time(Timestamp),
}

/// A value found in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fact<'a> {
    Number(f32),
    Text(&'a str),
    Bool(bool),
    Time(Timestamp),
}

impl Expression {
    /// Reads an expression and checks its fields and values against a catalogue.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] named `filter`, with a caret under the place that could not be understood;
    /// [`crate::Error::Unfit`] for an unknown field, which lists the known ones.
    pub fn parse(text: &str, catalogue: &Catalogue) -> Result<Self> {
        Ok(Self { root: parser::parse(text, catalogue)? })
    }

    /// Whether the condition holds for an item of the catalogue that the expression was read for.
    pub fn holds(&self, catalogue: &Catalogue, item: ItemId) -> bool {
        self.root.holds(catalogue, item)
    }
}

impl Node {
    fn holds(&self, catalogue: &Catalogue, item: ItemId) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(catalogue, item)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(catalogue, item)),
            Self::Not(inner) => !inner.holds(catalogue, item),
            Self::Test(field, test) => test.holds(&field.facts(catalogue, item)),
        }
    }
}

impl Field {
    /// All values of the field for an item: none when it is missing, several for categories.
    fn facts<'a>(&self, catalogue: &'a Catalogue, item: ItemId) -> Vec<Fact<'a>> {
        let text =
            |column: &'a [Option<String>]| known(column, item).map(|text| Fact::Text(text)).into_iter();
        match self {
            Self::Item => vec![Fact::Text(catalogue.items.name(item.index()))],
            Self::Title => text(&catalogue.title).collect(),
            Self::Description => text(&catalogue.description).collect(),
            Self::Brand => text(&catalogue.brand).collect(),
            Self::Extra(name) => catalogue.extra.get(name).into_iter().flat_map(|c| text(c)).collect(),
            Self::Category => catalogue.category_path(item).map(Fact::Text).collect(),
            Self::Price => {
                known(&catalogue.price, item).map(|&price| Fact::Number(price)).into_iter().collect()
            }
            Self::Available => {
                known(&catalogue.available, item).map(|&is| Fact::Bool(is)).into_iter().collect()
            }
            Self::Created => known(&catalogue.created, item).map(|&at| Fact::Time(at)).into_iter().collect(),
        }
    }
}

fn known<T>(column: &[Option<T>], item: ItemId) -> Option<&T> {
    column.get(item.index())?.as_ref()
}

impl Test {
    fn holds(&self, facts: &[Fact<'_>]) -> bool {
        let any = |fits: &dyn Fn(&Fact<'_>) -> bool| facts.iter().any(fits);
        match self {
            Self::Missing => facts.is_empty(),
            Self::Known => !facts.is_empty(),
            Self::Contains(needle) => any(&|fact| fact.contains(needle)),
            Self::In(values) => any(&|fact| values.iter().any(|value| fact.equals(value))),
            Self::NotIn(values) => !facts.is_empty() && values.iter().all(|value| none_equals(facts, value)),
            Self::Compare(Comparison::Unequal, value) => !facts.is_empty() && none_equals(facts, value),
            Self::Compare(comparison, value) => {
                any(&|fact| fact.compare(value).is_some_and(|order| comparison.allows(order)))
            }
        }
    }
}

fn none_equals(facts: &[Fact<'_>], value: &Value) -> bool {
    facts.iter().all(|fact| fact.compare(value).is_some_and(Ordering::is_ne))
}

impl Fact<'_> {
    fn equals(&self, value: &Value) -> bool {
        self.compare(value).is_some_and(Ordering::is_eq)
    }

    fn contains(&self, needle: &str) -> bool {
        matches!(self, Self::Text(text) if text.to_lowercase().contains(needle))
    }

    /// `None` where the two are not of one kind: text that holds no number, against a number.
    fn compare(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            // The price as it is stored: 19.99 must equal the nearest f32 to 19.99.
            (Self::Number(number), Value::Number(value)) => number.partial_cmp(&(*value as f32)),
            (Self::Text(text), Value::Number(value)) => text.trim().parse::<f64>().ok()?.partial_cmp(value),
            (Self::Text(text), Value::Text(value)) => Some((*text).cmp(value)),
            (Self::Bool(is), Value::Bool(value)) => Some(is.cmp(value)),
            (Self::Time(time), Value::Time(value)) => Some(time.cmp(value)),
            _ => None,
        }
    }
}

impl Comparison {
    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}
