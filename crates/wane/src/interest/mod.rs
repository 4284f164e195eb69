//! What is known of items: the catalogue, its relations and vectors.
//!
//! Useful for: reading item properties and aligning them with a log. Not useful for: anything about users or time
//! decay.

mod alike;
mod alike_texts;
mod catalogue;
mod departments;
mod features;
mod mined;
mod near;
mod read;
mod relations;
mod row;
mod similarity;
mod texts;
mod write;

pub use alike::{Likeness, alike};
pub use alike_texts::{alike_texts, later_alike_texts, near_texts};
pub use catalogue::{Catalogue, ENCODER, Vectors};
pub use departments::Departments;
pub use features::{Features, PriceBands};
pub use mined::{Mined, Pairing};
pub use near::Near;
pub use read::{CatalogueFile, CatalogueInspection, CatalogueMap, parse_created, read_catalogue};
pub use relations::Relation;
pub use row::CatalogueRow;
pub(crate) use texts::eigen;
pub use texts::{Reduction, Texts};
pub use write::write_catalogue;
