//! The server of Wane: events come in and are kept, recommendations go out with their reasons.
//!
//! - [`Store`]: who did what, in SQLite. An event is acknowledged when it is on the disk; many requests share one write.
//! - [`Engine`]: a fitted model over the histories that the model and the store know. What it answers is what `wane recommend` answers
//!   from the same events.
//! - [`router`] and [`run`]: HTTP.
//!
//! The library reads no clock of its own: moments come from the caller's [`Clock`].

mod engine;
mod error;
mod feedback;
mod history;
mod models;
mod requests;
mod retention;
mod routes;
mod store;
mod writer;

pub use engine::{Clock, Engine};
pub use error::{Error, Result};
pub use feedback::{Feedback, FeedbackKind, FeedbackReport, RecommendationId};
pub use models::{ServedModel, ServedModels};
pub use retention::Retired;
pub use routes::{router, run};
pub use store::{Durability, Erased, NewEvent, Store, StoredEvent};
pub use writer::Appended;
