//! Models that rank items for a history at a moment, and say exactly why.
//!
//! A model is *settings* (what may be tuned), then *fitted* (another type, which alone can predict). Every fitted
//! model is a [`Recommender`]: it takes what a user did and a moment, and gives scores and reasons.

mod answer;
mod backfill;
mod bpr;
mod checkpoint;
mod content;
mod diversity;
mod filter;
mod hold_out;
mod item_knn;
mod item_to_item;
mod kernel_parameters;
mod linear;
mod personal_frequency;
mod popularity;
mod ranges;
mod recommender;
mod related;
mod scores;
mod search;
mod settings;
mod sparse_rows;
mod sums;
mod tifu_knn;
mod top_k;
pub(crate) mod trace;
mod vmis_knn;

pub use crate::train::{Array, Parameters};
pub use answer::{
    Answer, AnsweredEvent, AnsweredItem, AnsweredReason, ListSettings, Names, best_explained, best_items,
};
pub use backfill::Backfill;
pub use bpr::{Bpr, BprSettings};
pub use checkpoint::{Checkpoint, Identity};
pub use content::{Content, ContentSettings};
pub use diversity::diversify;
pub use filter::{Expression, Filter, FilterSettings, QueryFilter};
pub use item_knn::{ItemKnnSettings, Similarity};
pub use item_to_item::ItemToItem;
pub use linear::{EaseSettings, SlimSettings};
pub use personal_frequency::{PersonalCountSettings, PersonalFrequency, PersonalFrequencySettings};
pub use popularity::{DecayedPopularity, DecayedPopularitySettings, Popularity, PopularitySettings};
pub use ranges::{Range, Values};
pub use recommender::{
    Explanation, Goal, OTHER_EVENTS, Query, Question, Reason, Recommender, Remainder, Training, Validation,
    score_all,
};
pub use related::RelatedSettings;
pub use scores::Scores;
pub use search::{ApproximateIndex, ExactIndex, ItemOffsets, SearchIndex, Usual};
pub use settings::ModelSettings;
pub use tifu_knn::{TifuKnn, TifuKnnSettings};
pub use top_k::{Scored, top_k};
pub use trace::{
    LaterItems, Learned, LearnedDepartment, LearnedPopularity, LearnedRelation, LearnedScale, LearnedType,
    Start, TraceModel, TraceSettings,
};
pub use vmis_knn::{VmisKnn, VmisKnnSettings};
