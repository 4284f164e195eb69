//! A synthetic shop whose true half-lives are known, to prove estimates against.
//!
//! Every user's events in a category follow a self-exciting (Hawkes) process with exponential memory. After events
//! `i` of types `a_i` at times `t_i` in category `c`, the next one comes with the intensity
//!
//! `lambda(t) = mu * season(t) + sum_i alpha[a_i] * rate[c, a_i] * exp(-rate[c, a_i] * (t - t_i))`,
//! `rate = ln 2 / half-life[c, a]`
//!
//! It is simulated through its cluster form (Hawkes and Oakes, 1974), which is exact and cheap: visits come by a
//! Poisson process, and every event has Poisson(`alpha`) follow-ups at exponential delays. Around that core lie
//! repeat purchase cycles, complements, drift, seasons, trends, new items and bots; docs/simulator.md has the
//! formulas. Each user has a random stream of their own, so the result does not depend on the number of threads.
//!
//! Useful for: demos, tests, sizing. Not useful for: claims about how real shops behave.

mod dynamics;
mod season;
mod settings;
mod shop;
mod shopper;
mod stock;
mod truth;
mod words;

pub use settings::{ShopSettings, TypeSettings};
pub use shop::{Shop, simulate};
pub use truth::{HalfLifeDrift, RepeatCycle, TasteDrift, TrueHalfLife, Truth};
