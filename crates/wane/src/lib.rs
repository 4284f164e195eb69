//! **Wane** learns how long user interest lives, and recommends from it.
//!
//! Data flows one way, one module per step, each importing only from those before it:
//!
//! 1. [`events`]: a behaviour log becomes an [`events::EventLog`], clean, dense and sorted by user and time.
//! 2. [`interest`]: what is known of items becomes a [`interest::Catalogue`] with vectors and relations.
//! 3. [`decay`]: laws that turn the age of an event into a weight, with a half-life people understand.
//! 4. [`train`]: forward and backward passes, by hand, for the model that learns its half-lives.
//! 5. [`recommend`]: models that rank items for a history at a moment, and say exactly why.
//! 6. [`eval`]: honest comparison of models, with intervals and a leakage check.
//! 7. [`pipeline`]: the main path through all of them; read it next.
//!
//! Beside the path, [`artifact`] saves and loads fitted models whole, and [`simulate`] makes a shop whose true
//! half-lives are known.
//!
//! The library reads no clock, no environment and no network: `as_of` and `seed` are always arguments.

pub mod artifact;
pub mod decay;
pub mod error;
pub mod eval;
pub mod events;
pub mod interest;
pub mod pipeline;
pub mod recommend;
pub mod simulate;
pub mod train;
mod wide;

pub use error::{Error, Result};
