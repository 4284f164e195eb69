//! Linear item-to-item models: regressions of every item on all others, with reasons by construction.
//!
//! EASE has a closed form and dense weights; SLIM by ADMM has sparse, on demand non-negative ones. Both count users
//! by the decayed weight of their events, and decay the events of a history when they are asked.

mod ease;
mod interactions;
mod inverse;
mod settings;
mod slim;
#[cfg(test)]
mod tests;

pub use settings::{EaseSettings, SlimSettings};
#[cfg(test)]
pub(crate) use tests::{log, two_tastes};
