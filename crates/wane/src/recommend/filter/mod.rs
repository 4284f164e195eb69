//! Which items may be shown: asked before the cut to `k`, so that a list is never short for want of looking.
//!
//! What depends on the item alone (exclude list, categories, availability, expression) is settled once per filter
//! in a table; what depends on the question (not yet created at `as_of`, already seen) is settled per query.

mod expression;
mod parser;
mod token;

use serde::{Deserialize, Serialize};

pub use expression::Expression;

use super::Query;
use crate::error::{Error, Result};
use crate::events::{ItemId, Timestamp, Vocab};
use crate::interest::Catalogue;

/// What to leave out of recommendations, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilterSettings {
    /// Ids of items that are never shown; ids that no item has are let pass, since they cannot be shown anyway.
    pub exclude: Vec<String>,
    /// Show only items with one of these in their category path; empty: all items.
    pub category: Vec<String>,
    /// Leave out items that the catalogue calls unavailable, or dates after `as_of`; unknown counts as available.
    pub available_only: bool,
    /// Leave out what the user's history holds. Off by default: a repeat purchase is a hit too.
    pub no_repeat: bool,
    /// A condition on catalogue fields, see [`Expression`].
    pub expression: Option<String>,
}

impl Default for FilterSettings {
    fn default() -> Self {
        Self {
            exclude: Vec::new(),
            category: Vec::new(),
            available_only: true,
            no_repeat: false,
            expression: None,
        }
    }
}

/// Checked filter settings over the items of one vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    is_allowed: Vec<bool>,
    /// Empty when the catalogue has no dates or they do not matter.
    created: Vec<Option<Timestamp>>,
    no_repeat: bool,
}

impl Filter {
    /// Settles for every item what does not depend on the question.
    ///
    /// # Errors
    /// [`Error::Setting`] for an expression that cannot be understood, [`Error::Unfit`] for one that needs a catalogue or a field where
    /// there is none; [`Error::Unknown`] for a category that no item has.
    pub fn new(settings: &FilterSettings, items: &Vocab, catalogue: Option<&Catalogue>) -> Result<Self> {
        let mut is_allowed = vec![true; items.len()];
        for item in settings.exclude.iter().filter_map(|name| items.position(name)) {
            is_allowed[item as usize] = false;
        }
        let mut deny_unless = |allowed: &dyn Fn(ItemId) -> bool| {
            let by_item = (0u32..).zip(&mut is_allowed);
            by_item.for_each(|(item, is_allowed)| *is_allowed = *is_allowed && allowed(ItemId(item)));
        };
        if !settings.category.is_empty() {
            let catalogue = needed(catalogue, "category", &settings.category.join(", "))?;
            let wanted = category_places(catalogue, &settings.category)?;
            deny_unless(&|item| catalogue.category_places(item).iter().any(|place| wanted.contains(place)));
        }
        if let Some(text) = &settings.expression {
            let catalogue = needed(catalogue, "filter", text)?;
            let expression = Expression::parse(text, catalogue)?;
            deny_unless(&|item| expression.holds(catalogue, item));
        }
        let mut created = Vec::new();
        if let (true, Some(catalogue)) = (settings.available_only, catalogue) {
            deny_unless(&|item| catalogue.available.get(item.index()) != Some(&Some(false)));
            created.clone_from(&catalogue.created);
        }
        Ok(Self { is_allowed, created, no_repeat: settings.no_repeat })
    }

    /// The filter for one question.
    pub fn for_query(&self, query: &Query<'_>) -> QueryFilter<'_> {
        let mut seen = Vec::new();
        if self.no_repeat {
            seen.extend_from_slice(query.history.items());
            seen.sort_unstable();
        }
        QueryFilter { filter: self, as_of: query.as_of, seen }
    }
}

/// A filter at one moment for one history.
#[derive(Debug, Clone)]
pub struct QueryFilter<'a> {
    filter: &'a Filter,
    as_of: Timestamp,
    /// Items that may not be repeated, ascending.
    seen: Vec<ItemId>,
}

impl QueryFilter<'_> {
    /// Whether an item may be shown.
    pub fn allows(&self, item: ItemId) -> bool {
        let place = item.index();
        let is_created = || match self.filter.created.get(place) {
            Some(Some(created)) => *created <= self.as_of,
            _ => true,
        };
        self.filter.is_allowed.get(place) == Some(&true)
            && is_created()
            && self.seen.binary_search(&item).is_err()
    }
}

fn needed<'a>(catalogue: Option<&'a Catalogue>, setting: &'static str, got: &str) -> Result<&'a Catalogue> {
    catalogue.ok_or_else(|| Error::Unfit {
        name: setting,
        expected: "a model with a catalogue".to_owned(),
        got: format!("`{got}` without a catalogue; fit the model with --catalogue FILE"),
    })
}

fn category_places(catalogue: &Catalogue, names: &[String]) -> Result<Vec<u32>> {
    let place = |name: &String| {
        (0u32..)
            .zip(&catalogue.category_names)
            .find(|(_, known)| *known == name)
            .map(|(place, _)| place)
            .ok_or_else(|| Error::Unknown {
                what: "category",
                name: name.clone(),
                remedy: format!(
                    "The catalogue has, among others: {}",
                    first_names(&catalogue.category_names)
                ),
            })
    };
    names.iter().map(place).collect()
}

fn first_names(names: &[String]) -> String {
    names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
