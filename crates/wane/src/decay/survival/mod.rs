//! Return of interest: how long after an event a user comes back to the same thing, and who never does.
//!
//! Per cell, an event type on a category (brand, item), the gaps from such an event to the user's next one there are
//! counted ([`Gaps`]), drawn without assuming anything ([`kaplan_meier`]), compared ([`log_rank`]) and described by a
//! law ([`fit_law`]), whose **half-life** is the age by which half of those who come back have done so.
//!
//! Useful for: when to remind, when to stop. Not useful for: ranking.

mod drift;
pub mod effects;
mod fit;
mod gaps;
mod kaplan_meier;
mod law;
mod log_rank;
mod returns;
mod shrink;

pub use drift::{Drift, drift};
pub use fit::{FittedLaw, Parameter, Unfit, best_law, fit_law};
pub use gaps::{GapRow, Gaps};
pub use kaplan_meier::{Left, kaplan_meier, left_at, median};
pub use law::ReturnLaw;
pub use log_rank::{LogRank, log_rank};
pub use returns::{Cell, GROUPS, Returns, Watch};
pub use shrink::{Shrunk, shrink};

use serde::Serialize;

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end; infinite where the data set no bound.
    pub high: f64,
}
