//! Who is still a customer, how many events are to come from each and what these are worth: the user as a whole, all categories
//! together.
//!
//! - Coming back and leaving: [`BgNbd`] or [`ParetoNbd`], from [`Visits`]; [`Activity`] is either.
//! - What a visit is worth: [`GammaGamma`], and how many visits are worth something: [`Conversion`], from [`Spending`].
//!
//! Useful for: whom to win back, what a user will do in a month. Not useful for: what they will want.

mod bg_nbd;
mod conversion;
mod gamma_gamma;
mod law;
mod leaving;
mod pareto_nbd;
mod spending;
mod top;
mod visits;

pub use bg_nbd::BgNbd;
pub use conversion::Conversion;
pub use gamma_gamma::GammaGamma;
pub use law::{Activity, ActivityLaw};
pub use pareto_nbd::ParetoNbd;
pub use spending::{Spending, Spent};
pub use top::NoFit;
pub use visits::{Visit, Visits};
