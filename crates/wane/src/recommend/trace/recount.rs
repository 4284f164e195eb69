//! A fitted trace model that counts anew in another log of the same items: the log without users who were erased, say.
//!
//! Counted are popularity, and the relations that are mined. All that was learned stays, and so does what is said of items, with what was
//! chosen by how often they were visited: departments, and to which items of many alike ones there are links. The next fit does all of it
//! again.

use std::sync::Arc;

use super::fit::events_of;
use super::{Searching, TraceModel, TraceSettings};
use crate::events::EventLog;
use crate::train::{Link, PopularityTable};

impl TraceModel {
    /// The model with its counts taken in a log over the same vocabularies. The log that it was fitted to gives the same model, bit for bit.
    #[must_use]
    pub fn counted_in(&self, log: &EventLog, settings: &TraceSettings) -> Self {
        let mined = Link::mined(log, self.goal, settings.link_plan());
        let link = |own: &Link| mined.iter().find(|link| link.name == own.name).unwrap_or(own).clone();
        let events = events_of(log);
        Self {
            links: self.links.iter().map(link).collect(),
            popularity: PopularityTable::new(&events, log.n_items(), &self.popularity.half_lives()),
            events: Arc::new(events),
            searching: Searching::default(),
            ..self.clone()
        }
    }
}
