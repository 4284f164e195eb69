//! One colour per event type, the same in every figure.

use super::chart::colour;
use super::view::{Overview, TypeSeries};

/// Event types in the order of their colours: most events first.
#[derive(Debug, Clone)]
pub(super) struct Palette<'a> {
    types: Vec<&'a TypeSeries>,
}

impl<'a> Palette<'a> {
    /// The colours of a log's event types.
    pub(super) fn of(overview: &'a Overview) -> Self {
        let mut types: Vec<&TypeSeries> = overview.types.iter().collect();
        types.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.name.cmp(&b.name)));
        Self { types }
    }

    /// The types, most events first.
    pub(super) fn types(&self) -> &[&'a TypeSeries] {
        &self.types
    }

    /// The class of a type's colour; types that the log does not have are grey.
    pub(super) fn class(&self, name: &str) -> String {
        let place = self.types.iter().position(|series| series.name == name);
        colour(place.unwrap_or(usize::MAX))
    }
}
