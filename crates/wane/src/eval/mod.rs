//! Honest comparison of models: protocols, metrics, intervals, leakage.
//!
//! Useful for: saying which model is better, by how much and how surely. Not useful for: fitting.

mod estimate;

pub use estimate::Estimate;
