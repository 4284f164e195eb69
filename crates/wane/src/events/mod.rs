//! From a behaviour log to an [`EventLog`]: who did what to which item, when.
//!
//! Useful for: reading, cleaning, indexing and splitting logs. Not useful for: anything that knows of items'
//! properties (see [`crate::interest`]) or of weights (see [`crate::decay`]).

mod augment;
mod clean;
mod columns;
mod duration;
mod event;
mod join;
mod log;
mod profile;
pub mod read;
mod sort;
mod vocab;
mod write;

pub use augment::{Augmentation, Resample};
pub use clean::{bot_like_users, count_duplicates, dedupe, drop_bots, k_core};
pub use columns::EventColumns;
pub use duration::{format_days, parse_days};
pub use event::{Event, EventTypeId, ItemId, MILLIS_PER_DAY, Timestamp, UserId};
pub use join::{Joined, join, unknown_events};
pub use log::{EventLog, History};
pub use profile::{DayCount, GapBin, LogProfile};
pub use vocab::Vocab;
pub(crate) use write::float_column;
pub use write::{TableWriter, write_events, write_table};
