//! Training of Wane's own model by hand-written forward and backward passes.
//!
//! Useful for: learning weights of the trace model from examples. Not useful for: ranking (see [`crate::recommend`]).

mod adamw;
mod batch;
mod corpus;
mod fashions;
mod kernels;
mod lane;
mod link_pass;
mod links;
mod monitor;
mod parameters;
mod popularity;
mod products;
mod trainer;
mod weights;

pub use corpus::{Corpus, Goal};
pub use links::{Link, LinkPlan, LinkRows};
pub use monitor::{Monitor, Progress, Unmonitored};
pub use parameters::{Array, Parameters};
pub use popularity::PopularityTable;
pub use trainer::{Recipe, Trainer};
pub use weights::{Group, Shape, Weights};

pub(crate) use kernels::{add_scaled, asinh_all, dot, exp_all, softmax};
pub(crate) use link_pass::recent;
pub(crate) use parameters::Digest;
pub(crate) use products::{product, table, table_mut};
pub(crate) use trainer::feature_share;
