//! What an event still weighs at a moment.

use crate::decay::HalfLife;
use crate::events::{Event, Timestamp};

/// Weights that halve every half-life, or never fade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weights {
    half_life: Option<HalfLife>,
}

impl Weights {
    pub(super) fn new(half_life: Option<HalfLife>) -> Self {
        Self { half_life }
    }

    /// Weight of an event at a moment.
    pub(super) fn weight(&self, event: &Event, as_of: Timestamp) -> f32 {
        self.decay(event, as_of) as f32
    }

    /// What decay left of an event's weight, 1 at age 0.
    pub(super) fn decay(&self, event: &Event, as_of: Timestamp) -> f64 {
        let age = as_of.days_since(event.time);
        self.half_life.map_or(1.0, |half_life| (-half_life.rate() * age).exp())
    }
}
