//! The list of features: name, meaning, unit and function of each, in the order of the columns.

use std::fmt::Write as _;

use super::settings::{FeatureSettings, Per};
use super::unit::Unit;
use crate::decay::HalfLife;
use crate::events::EventTypeId;

/// How a feature is computed, and what it is repeated for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Formula {
    Plain(fn(&Unit<'_>) -> f64),
    PerType(fn(&Unit<'_>, EventTypeId) -> f64),
    PerHalfLife(fn(&Unit<'_>, HalfLife) -> f64),
    PerTypeAndHalfLife(fn(&Unit<'_>, EventTypeId, HalfLife) -> f64),
}

/// A feature and what it means.
#[derive(Debug, Clone, Copy)]
pub struct FeatureDoc {
    /// Column name; `{type}` and `{half-life}` stand for each event type and each half-life.
    pub name: &'static str,
    /// The rows that have it.
    pub per: &'static [Per],
    /// Unit of the number.
    pub unit: &'static str,
    /// What it is.
    pub meaning: &'static str,
    pub(super) formula: Formula,
}

const ALL: &[Per] = &[Per::User, Per::Item, Per::UserCategory, Per::UserItem];
const BY_USER: &[Per] = &[Per::User, Per::UserCategory, Per::UserItem];
const MANY_ITEMS: &[Per] = &[Per::User, Per::UserCategory];

const fn feature(
    name: &'static str,
    per: &'static [Per],
    unit: &'static str,
    meaning: &'static str,
    formula: Formula,
) -> FeatureDoc {
    FeatureDoc { name, per, unit, meaning, formula }
}

/// Every feature, in the order of the columns.
pub const FEATURES: &[FeatureDoc] = &[
    feature("events", ALL, "events", "all events", Formula::Plain(|unit| unit.count())),
    feature(
        "count_{type}",
        ALL,
        "events",
        "events of the type",
        Formula::PerType(|unit, kind| unit.count_of_type(kind)),
    ),
    feature(
        "active_days",
        ALL,
        "days",
        "calendar days (UTC) with an event",
        Formula::Plain(|unit| unit.active_days()),
    ),
    feature(
        "days_since_first",
        ALL,
        "days",
        "age of the first event",
        Formula::Plain(|unit| unit.days_since_first()),
    ),
    feature(
        "days_since_last",
        ALL,
        "days",
        "age of the last event",
        Formula::Plain(|unit| unit.days_since_last()),
    ),
    feature(
        "days_since_{type}",
        ALL,
        "days",
        "age of the last event of the type; null without one",
        Formula::PerType(|unit, kind| unit.days_since_type(kind)),
    ),
    feature(
        "gap_mean",
        ALL,
        "days",
        "mean time between successive events; null below two events",
        Formula::Plain(|unit| unit.gap_mean()),
    ),
    feature("gap_median", ALL, "days", "median of the same", Formula::Plain(|unit| unit.gap_median())),
    feature(
        "gap_cv",
        ALL,
        "ratio",
        "standard deviation of the gaps over their mean: 0 like a clock, 1 at random, above 1 in bursts",
        Formula::Plain(|unit| unit.gap_cv()),
    ),
    feature(
        "decayed_{half-life}",
        ALL,
        "events",
        "sum over events of 2^(-age / half-life)",
        Formula::PerHalfLife(|unit, half_life| unit.decayed(half_life)),
    ),
    feature(
        "decayed_{type}_{half-life}",
        ALL,
        "events",
        "the same over events of the type",
        Formula::PerTypeAndHalfLife(|unit, kind, half_life| unit.decayed_type(kind, half_life)),
    ),
    feature(
        "recent",
        ALL,
        "events",
        "events of the last `recent_days`",
        Formula::Plain(|unit| unit.recent()),
    ),
    feature(
        "before_recent",
        ALL,
        "events",
        "events of the `before_days` before those",
        Formula::Plain(|unit| unit.before_recent()),
    ),
    feature(
        "trend",
        ALL,
        "log ratio",
        "ln((recent + 1) / (before_recent * recent_days / before_days + 1)): above 0 when rising",
        Formula::Plain(|unit| unit.trend()),
    ),
    feature("value_sum", ALL, "value", "sum of values", Formula::Plain(|unit| unit.value_sum())),
    feature(
        "value_mean",
        ALL,
        "value",
        "mean value; null without one",
        Formula::Plain(|unit| unit.value_mean()),
    ),
    feature(
        "value_last",
        ALL,
        "value",
        "last value; null without one",
        Formula::Plain(|unit| unit.value_last()),
    ),
    feature(
        "night_share",
        ALL,
        "share",
        "share of events from 22:00 to 06:00 UTC",
        Formula::Plain(|unit| unit.night_share()),
    ),
    feature(
        "weekend_share",
        ALL,
        "share",
        "share of events on Saturday and Sunday (UTC)",
        Formula::Plain(|unit| unit.weekend_share()),
    ),
    feature(
        "hour_entropy",
        ALL,
        "bits",
        "entropy of events over the 168 hours of the week: 0 when always at the same hour",
        Formula::Plain(|unit| unit.hour_entropy()),
    ),
    feature(
        "sessions",
        BY_USER,
        "sessions",
        "sessions with an event: the log's own, or runs of the user without a pause",
        Formula::Plain(|unit| unit.sessions()),
    ),
    feature(
        "events_per_session",
        BY_USER,
        "events",
        "events over sessions",
        Formula::Plain(|unit| unit.events_per_session()),
    ),
    feature(
        "distinct_items",
        MANY_ITEMS,
        "items",
        "different items",
        Formula::Plain(|unit| unit.distinct_items()),
    ),
    feature(
        "distinct_categories",
        &[Per::User],
        "categories",
        "different categories; 0 without a catalogue",
        Formula::Plain(|unit| unit.distinct_categories()),
    ),
    feature(
        "distinct_users",
        &[Per::Item],
        "users",
        "different users",
        Formula::Plain(|unit| unit.distinct_users()),
    ),
    feature(
        "repeat_share",
        &[Per::User, Per::Item, Per::UserCategory],
        "share",
        "share of events on an item that the same user had touched before",
        Formula::Plain(|unit| unit.repeat_share()),
    ),
    feature(
        "popularity",
        &[Per::Item],
        "share",
        "share of all events",
        Formula::Plain(|unit| unit.popularity()),
    ),
    feature(
        "days_since_created",
        &[Per::Item],
        "days",
        "time since the item came into the shop; null where the catalogue does not say",
        Formula::Plain(|unit| unit.days_since_created()),
    ),
];

/// A column: its name, and its value for a unit.
pub(super) type Column = (String, Box<dyn Fn(&Unit<'_>) -> f64 + Send + Sync>);

/// The columns of a table.
pub(super) fn columns(settings: &FeatureSettings, event_types: &[String]) -> Vec<Column> {
    let wanted = FEATURES.iter().filter(|feature| feature.per.contains(&settings.per));
    wanted.flat_map(|feature| repeated(feature, settings, event_types)).collect()
}

fn repeated(feature: &FeatureDoc, settings: &FeatureSettings, event_types: &[String]) -> Vec<Column> {
    let types = || (0u8..).map(EventTypeId).zip(event_types);
    let named = |kind: &str, half_life: Option<HalfLife>| {
        let days = half_life.map(|half_life| format!("{}d", half_life.days())).unwrap_or_default();
        feature.name.replace("{type}", kind).replace("{half-life}", &days)
    };
    let half_lives = || settings.half_lives.iter().copied();
    match feature.formula {
        Formula::Plain(value) => vec![(named("", None), Box::new(value))],
        Formula::PerType(value) => types()
            .map(|(kind, name)| (named(name, None), Box::new(move |unit: &Unit<'_>| value(unit, kind)) as _))
            .collect(),
        Formula::PerHalfLife(value) => half_lives()
            .map(|h| (named("", Some(h)), Box::new(move |unit: &Unit<'_>| value(unit, h)) as _))
            .collect(),
        Formula::PerTypeAndHalfLife(value) => types()
            .flat_map(|(kind, name)| half_lives().map(move |h| (kind, name, h)))
            .map(|(kind, name, h)| {
                (named(name, Some(h)), Box::new(move |unit: &Unit<'_>| value(unit, kind, h)) as _)
            })
            .collect(),
    }
}

/// The list as a Markdown table, for docs/features.md.
pub fn feature_table_markdown() -> String {
    let mut text = "| column | unit | per | meaning |\n|---|---|---|---|\n".to_owned();
    for feature in FEATURES {
        let per = if feature.per == ALL { "all".to_owned() } else { names(feature.per) };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{}` | {} | {per} | {} |", feature.name, feature.unit, feature.meaning);
    }
    text
}

fn names(per: &[Per]) -> String {
    let name = |per: &Per| match per {
        Per::User => "user",
        Per::Item => "item",
        Per::UserCategory => "user-category",
        Per::UserItem => "user-item",
    };
    per.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_this_very_list() {
        let doc = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/features.md");
        let text = std::fs::read_to_string(doc).unwrap();
        assert!(
            text.contains(&feature_table_markdown()),
            "docs/features.md needs:\n{}",
            feature_table_markdown()
        );
    }
}
