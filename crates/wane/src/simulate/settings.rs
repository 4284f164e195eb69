//! What kind of shop to simulate.

use serde::{Deserialize, Serialize};

use super::words::LEAVES;
use crate::error::{Error, Result};
use crate::events::Timestamp;

/// One event type of the simulated shop: how it starts, how long it lives and what follows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeSettings {
    /// The name in the log.
    pub name: String,
    /// Share of visits that begin with this type (any scale; 0 or more).
    pub start_share: f64,
    /// Half-life in days of a category of pace 1 (above 0).
    pub half_life_days: f64,
    /// Expected number of events that one event of this type brings about (0 or more).
    pub follow_ups: f64,
    /// Shares of the types of those events, in the order of the types (any scale; 0 or more).
    pub next: Vec<f64>,
    /// Whether it is a purchase: carries the price, starts repeat cycles and complements.
    pub bought: bool,
}

impl TypeSettings {
    fn new(name: &str, start_share: f64, half_life_days: f64, follow_ups: f64, next: [f64; 4]) -> Self {
        let (name, next) = (name.to_owned(), next.to_vec());
        Self { bought: name == "purchase", name, start_share, half_life_days, follow_ups, next }
    }
}

/// The simulated shop. The defaults give some 150,000 events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopSettings {
    /// Number of users, people and bots (1 or more).
    pub users: usize,
    /// Number of items (at least one per category).
    pub items: usize,
    /// Number of categories (1 to 16).
    pub categories: usize,
    /// Length of the log in days (1 to 3,650).
    pub days: f64,
    /// First moment of the log, milliseconds since the epoch.
    pub start: Timestamp,
    /// Events to expect of a user who is there from start to end (above 0; bots come on top).
    pub events_per_user: f64,
    /// The event types.
    pub types: Vec<TypeSettings>,
    /// Spread of half-lives around category pace times type: standard deviation of the logarithm (0 to 2).
    pub half_life_spread: f64,
    /// Share of categories whose half-lives change at one moment (0 to 1).
    pub half_life_drift: f64,
    /// Share of users whose taste is drawn anew at one moment (0 to 1).
    pub taste_drift: f64,
    /// Share of follow-ups that are on the very same item (0 to 1).
    pub same_item: f64,
    /// Share of follow-ups that are on a substitute (0 to 1; with `same_item` at most 1).
    pub substitute: f64,
    /// How much likelier a user picks an item of the favourite brand (1 or more).
    pub brand_loyalty: f64,
    /// Expected events on a complement per purchase (0 or more).
    pub complement_follow_ups: f64,
    /// Half-life in days of the interest in a complement (above 0).
    pub complement_half_life_days: f64,
    /// Probability that a consumable is bought again after its cycle (0 to 1).
    pub repeat_probability: f64,
    /// Exponent of Zipf's law of item popularity within a category (0 to 3).
    pub popularity_skew: f64,
    /// Standard deviation of the growth of an item's log-popularity per 30 days (0 to 2).
    pub trend: f64,
    /// Share of items that come into the shop after the start (0 to 1).
    pub new_items: f64,
    /// Share of items that leave the shop before the end (0 to 1).
    pub retired_items: f64,
    /// Share of users that are bots (0 to 1).
    pub bots: f64,
    /// Events of a bot on a day on which it runs (1 or more).
    pub bot_events_per_day: f64,
}

impl Default for ShopSettings {
    fn default() -> Self {
        Self {
            users: 3_000,
            items: 800,
            categories: 12,
            days: 180.0,
            start: Timestamp::from_millis(1_704_067_200_000),
            events_per_user: 60.0,
            types: vec![
                TypeSettings::new("view", 0.82, 0.5, 0.45, [0.74, 0.07, 0.13, 0.06]),
                TypeSettings::new("favourite", 0.08, 3.0, 0.6, [0.6, 0.05, 0.2, 0.15]),
                TypeSettings::new("cart", 0.06, 1.5, 0.8, [0.4, 0.05, 0.1, 0.45]),
                TypeSettings::new("purchase", 0.04, 6.0, 0.5, [0.8, 0.06, 0.08, 0.06]),
            ],
            half_life_spread: 0.2,
            half_life_drift: 0.2,
            taste_drift: 0.1,
            same_item: 0.45,
            substitute: 0.2,
            brand_loyalty: 3.0,
            complement_follow_ups: 0.2,
            complement_half_life_days: 3.0,
            repeat_probability: 0.6,
            popularity_skew: 0.9,
            trend: 0.15,
            new_items: 0.2,
            retired_items: 0.05,
            bots: 0.001,
            bot_events_per_day: 600.0,
        }
    }
}

/// `name` must be within `lo..=hi`.
fn within(name: &str, value: f64, lo: f64, hi: f64) -> Result<()> {
    if (lo..=hi).contains(&value) {
        Ok(())
    } else {
        let expected = if hi == f64::MAX { format!("at least {lo}") } else { format!("{lo} to {hi}") };
        Err(Error::setting(name, expected, value))
    }
}

impl ShopSettings {
    /// Proves every range.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        within("users", self.users as f64, 1.0, f64::from(u32::MAX))?;
        within("categories", self.categories as f64, 1.0, LEAVES.len() as f64)?;
        within("items", self.items as f64, self.categories as f64, f64::from(u32::MAX))?;
        within("days", self.days, 1.0, 3_650.0)?;
        within("events_per_user", self.events_per_user, f64::MIN_POSITIVE, f64::MAX)?;
        within("half_life_spread", self.half_life_spread, 0.0, 2.0)?;
        within("brand_loyalty", self.brand_loyalty, 1.0, f64::MAX)?;
        within("complement_follow_ups", self.complement_follow_ups, 0.0, f64::MAX)?;
        within("complement_half_life_days", self.complement_half_life_days, f64::MIN_POSITIVE, f64::MAX)?;
        within("popularity_skew", self.popularity_skew, 0.0, 3.0)?;
        within("trend", self.trend, 0.0, 2.0)?;
        within("bot_events_per_day", self.bot_events_per_day, 1.0, 1e6)?;
        within("same_item + substitute", self.same_item + self.substitute, 0.0, 1.0)?;
        self.check_shares()?;
        self.check_types()
    }

    fn check_shares(&self) -> Result<()> {
        let shares = [
            ("half_life_drift", self.half_life_drift),
            ("taste_drift", self.taste_drift),
            ("same_item", self.same_item),
            ("substitute", self.substitute),
            ("repeat_probability", self.repeat_probability),
            ("new_items", self.new_items),
            ("retired_items", self.retired_items),
            ("bots", self.bots),
        ];
        shares.iter().try_for_each(|&(name, share)| within(name, share, 0.0, 1.0))
    }

    fn check_types(&self) -> Result<()> {
        within("types", self.types.len() as f64, 1.0, 255.0)?;
        for kind in &self.types {
            within("types.half_life_days", kind.half_life_days, f64::MIN_POSITIVE, f64::MAX)?;
            within("types.follow_ups", kind.follow_ups, 0.0, f64::MAX)?;
            within("types.start_share", kind.start_share, 0.0, f64::MAX)?;
            if kind.next.len() != self.types.len() {
                return Err(Error::setting(
                    "types.next",
                    format!("{} shares", self.types.len()),
                    kind.next.len(),
                ));
            }
            kind.next.iter().try_for_each(|&share| within("types.next", share, 0.0, f64::MAX))?;
            within("sum of types.next", kind.next.iter().sum(), f64::MIN_POSITIVE, f64::MAX)?;
        }
        let starts = self.types.iter().map(|kind| kind.start_share).sum();
        within("sum of types.start_share", starts, f64::MIN_POSITIVE, f64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        ShopSettings::default().check().unwrap();
    }

    #[test]
    fn a_bad_setting_is_named() {
        let settings = ShopSettings { bots: 1.5, ..ShopSettings::default() };
        assert_eq!(settings.check().unwrap_err().to_string(), "setting `bots`: expected 0 to 1, got 1.5");
        let settings = ShopSettings { days: f64::NAN, ..ShopSettings::default() };
        assert!(settings.check().unwrap_err().to_string().starts_with("setting `days`"));
    }
}
