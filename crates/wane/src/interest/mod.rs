//! What is known of items: the catalogue, its relations and vectors.
//!
//! Useful for: reading item properties and aligning them with a log. Not useful for: anything about users or time
//! decay.

mod catalogue;
mod relations;
mod similarity;

pub use catalogue::{Catalogue, Vectors};
pub use relations::Relation;
