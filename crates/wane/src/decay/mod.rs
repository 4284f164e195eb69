//! How interest wanes: laws that turn the age of an event into a weight.
//!
//! Useful for: half-lives, kernels, decayed features. Not useful for: ranking (see [`crate::recommend`]).

pub mod activity;
mod basis;
mod compact;
pub mod engagement;
pub mod features;
pub mod forecast;
mod half_life;
pub mod intensity;
mod jet;
mod kernel;
mod law;
mod newton;
pub mod survival;
mod trace;

pub use basis::TimeBasis;
pub use half_life::HalfLife;
pub use kernel::{DecaySettings, HalfLifeSetting, Kernel, TypeDecay, WITHDRAWALS};
pub use law::{Decay, Law};
pub use trace::Trace;
