//! Models that rank items for a history at a moment, and say exactly why.
//!
//! A model is *settings* (what may be tuned), then *fitted* (another type, which alone can predict). Every fitted
//! model is a [`Recommender`]: it takes what a user did and a moment, and gives scores and reasons.

mod answer;
mod bpr;
mod diversity;
mod filter;
mod kernel_parameters;
mod linear;
mod parameters;
mod popularity;
mod ranges;
mod recommender;
mod scores;
mod top_k;

pub use answer::{Answer, AnsweredEvent, AnsweredItem, AnsweredReason, ListSettings, Names, best_items};
pub use bpr::{Bpr, BprSettings};
pub use diversity::diversify;
pub use filter::{Expression, Filter, FilterSettings, QueryFilter};
pub use linear::{EaseSettings, Linear, SlimSettings};
pub use parameters::{Array, Parameters};
pub use popularity::{DecayedPopularity, DecayedPopularitySettings, Popularity, PopularitySettings};
pub use ranges::{Range, Values};
pub use recommender::{Explanation, Query, Reason, Recommender, Remainder, Training};
pub use scores::Scores;
pub use top_k::{Scored, top_k};
