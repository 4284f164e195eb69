//! Who is still a customer, and how many events are to come from each: the user as a whole, all categories together.
//!
//! Useful for: whom to win back, what a user will do in a month. Not useful for: what they will want.

mod bg_nbd;
mod visits;

pub use bg_nbd::{BgNbd, NoActivity};
pub use visits::{Visit, Visits};
