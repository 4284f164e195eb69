//! The feature table: what is known of a user, an item or a pair at one moment, as numbers for other models.
//!
//! Point-in-time correct: only events strictly before `as_of` are used, so a row may be joined to anything that
//! happened at `as_of` or later. Every column is described where it is computed, in [`FEATURES`]; docs/features.md
//! is the same list. A unit without an event before `as_of` has no row; what is undefined for a unit (a gap after
//! one event) is NaN, and null in a file.

mod list;
mod settings;
mod table;
mod unit;

pub use list::{FEATURES, FeatureDoc, feature_table_markdown};
pub use settings::{FeatureSettings, Per};
pub use table::{FeatureTable, features};
