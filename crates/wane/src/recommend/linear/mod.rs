//! Linear item-to-item models: regressions of every item on all others, with reasons by construction.
//!
//! EASE has a closed form and dense weights; SLIM by ADMM has sparse, on demand non-negative ones. Both count users
//! by the decayed weight of their events, and decay the events of a history when they are asked.

mod ease;
mod interactions;
mod inverse;
mod model;
mod settings;
mod slim;
mod sparse;
#[cfg(test)]
mod tests;
mod weights;

pub use model::Linear;
pub use settings::{EaseSettings, SlimSettings};
#[cfg(test)]
pub(crate) use tests::two_tastes;
