//! What was planted, so that estimates can be compared with it.

use serde::{Deserialize, Serialize};

use super::ShopSettings;
use crate::decay::HalfLife;
use crate::events::Timestamp;

/// A moment at which the half-life of a category changes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HalfLifeDrift {
    /// Events from this moment on live by the new half-life.
    pub at: Timestamp,
    /// The new half-life, in days.
    pub half_life_days: HalfLife,
}

/// The true half-life of one event type in one category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrueHalfLife {
    /// The general category.
    pub department: String,
    /// The special category, to which the half-life belongs.
    pub category: String,
    /// The event type.
    pub event_type: String,
    /// The half-life in days (before the drift, if there is one).
    pub half_life_days: HalfLife,
    /// Expected number of events that one such event brings about.
    pub follow_ups: f64,
    /// The planted change, if any.
    pub drift: Option<HalfLifeDrift>,
}

/// The rhythm in which items of a category are bought again: log-normal around `cycle_days`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepeatCycle {
    /// The special category.
    pub category: String,
    /// Median time to the next purchase of the same item, in days.
    pub cycle_days: f64,
    /// Standard deviation of the logarithm of that time.
    pub spread: f64,
    /// Probability that there is a next purchase.
    pub probability: f64,
}

/// A user whose taste changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TasteDrift {
    /// The user.
    pub user: String,
    /// When the favourite categories were drawn anew.
    pub at: Timestamp,
}

/// Everything that was planted in a simulated shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The seed.
    pub seed: u64,
    /// The settings.
    pub settings: ShopSettings,
    /// Half-lives by category, then event type.
    pub half_lives: Vec<TrueHalfLife>,
    /// Repeat cycles of the consumable categories.
    pub repeat_cycles: Vec<RepeatCycle>,
    /// Categories that complement each other, from and to.
    pub complements: Vec<(String, String)>,
    /// Users whose taste changed, by user id.
    pub taste_drifts: Vec<TasteDrift>,
    /// Users that are bots, by user id.
    pub bots: Vec<String>,
}

impl Truth {
    /// The true half-life of an event type in a category, before any drift.
    pub fn half_life(&self, category: &str, event_type: &str) -> Option<HalfLife> {
        self.half_lives
            .iter()
            .find(|cell| cell.category == category && cell.event_type == event_type)
            .map(|cell| cell.half_life_days)
    }
}
