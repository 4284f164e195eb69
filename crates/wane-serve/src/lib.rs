//! The server of Wane: events come in and are kept, recommendations go out with their reasons.
//!
//! - [`Store`]: who did what, in SQLite. An event is acknowledged when it is on the disk; many requests share one write.
//! - [`Engine`]: a fitted model over the histories that the model and the store know. What it answers is what `wane recommend` answers
//!   from the same events.
//! - [`router`] and [`run`]: HTTP. [`Guard`] stands before every route, with [`Settings`] that can be changed while it runs.
//!
//! The library reads no clock of its own: moments come from the caller's [`Clock`].

mod aside;
mod checkpoint;
mod engine;
mod error;
mod feedback;
mod guard;
mod history;
mod interests;
mod items;
mod keys;
mod listen;
mod lists;
mod local;
mod metrics;
mod models;
mod openapi;
mod rate;
mod recount;
mod refused;
mod requests;
mod retention;
mod routes;
mod scrub;
mod settings;
mod store;
mod texts;
mod tls;
mod whole;
mod writer;

pub use engine::{Clock, Engine};
pub use error::{Error, Result};
pub use feedback::{Feedback, FeedbackKind, FeedbackReport, RecommendationId};
pub use guard::Guard;
pub use keys::{Access, Key, KeyMark, Roles, new_key};
pub use listen::run;
pub use models::{ServedModel, ServedModels};
pub use retention::{Retired, retire_hourly};
pub use routes::{ROUTES, Route, router};
pub use settings::{Limits, MOST_EVENTS, MOST_ITEMS, Settings, TlsFiles};
pub use store::{Durability, Erased, NewEvent, Store, StoredEvent};
pub use texts::{Encoders, FoundEncoder, TextEncoder};
pub use writer::Appended;
