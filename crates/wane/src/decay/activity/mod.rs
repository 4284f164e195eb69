//! Who is still a customer, and how many events are to come from each: the user as a whole, all categories
//! together.
//!
//! - Coming back and leaving: [`BgNbd`] or [`ParetoNbd`], from [`Visits`]; [`Activity`] is either.
//!
//! Useful for: whom to win back, what a user will do in a month. Not useful for: what they will want.

mod bg_nbd;
mod law;
mod leaving;
mod pareto_nbd;
mod top;
mod visits;

pub use bg_nbd::BgNbd;
pub use law::{Activity, ActivityLaw};
pub use pareto_nbd::ParetoNbd;
pub use top::NoFit;
pub use visits::{Visit, Visits};
