//! What to compute features of.

use serde::{Deserialize, Serialize};

use crate::decay::HalfLife;
use crate::error::{Error, Result};

/// What one row of the table is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// A user.
    #[default]
    User,
    /// An item.
    Item,
    /// A user's events in one category.
    UserCategory,
    /// A user's events on one item.
    UserItem,
}

/// Settings of the feature table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureSettings {
    /// What one row is about.
    pub per: Per,
    /// Half-lives of the decayed sums, in days (above 0).
    pub half_lives: Vec<HalfLife>,
    /// Length of the recent window of the trend, in days (above 0).
    pub recent_days: f64,
    /// Length of the window before it, in days (above 0).
    pub before_days: f64,
    /// A pause that ends a session, in minutes (0 or more); not used where the log has sessions of its own.
    pub session_gap_minutes: f64,
    /// Which part of a category path counts as the category: 1 is the most general (1 or more); an item with a
    /// shorter path counts by its last part.
    pub category_depth: usize,
}

impl Default for FeatureSettings {
    fn default() -> Self {
        Self {
            per: Per::User,
            half_lives: [1.0, 7.0, 30.0, 90.0].into_iter().flat_map(HalfLife::from_days).collect(),
            recent_days: 7.0,
            before_days: 28.0,
            session_gap_minutes: 30.0,
            category_depth: 2,
        }
    }
}

impl FeatureSettings {
    /// Proves every range.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        let above_zero = |name: &str, value: f64| {
            let fine = value.is_finite() && value > 0.0;
            if fine { Ok(()) } else { Err(Error::setting(name, "a finite number above 0", value)) }
        };
        above_zero("recent_days", self.recent_days)?;
        above_zero("before_days", self.before_days)?;
        if !(self.session_gap_minutes.is_finite() && self.session_gap_minutes >= 0.0) {
            let got = self.session_gap_minutes;
            return Err(Error::setting("session_gap_minutes", "a finite number of at least 0", got));
        }
        if self.category_depth == 0 {
            return Err(Error::setting("category_depth", "at least 1", 0));
        }
        Ok(())
    }
}
