//! One row of behaviour, and the small types it is made of.
//!
//! Times are `i64` milliseconds since the Unix epoch (UTC) and never floats: an `f32` of epoch seconds is exact
//! to two minutes only, which reorders events.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Milliseconds in a day.
pub const MILLIS_PER_DAY: i64 = 86_400_000;

/// A moment: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[repr(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A moment from milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Days from `earlier` to `self`, clamped at 0: an age is never negative.
    pub fn days_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0).max(0) as f64 / MILLIS_PER_DAY as f64
    }

    /// The hour of the week, 0 to 167, from Monday 00:00 UTC.
    pub const fn hour_of_week(self) -> usize {
        // The epoch was a Thursday.
        (self.0.div_euclid(3_600_000) + 72).rem_euclid(168) as usize
    }

    /// This moment moved by a number of days (negative: back), saturating at the ends of time.
    pub fn plus_days(self, days: f64) -> Self {
        Self(self.0.saturating_add((days * MILLIS_PER_DAY as f64) as i64))
    }

    /// RFC 3339 in UTC; milliseconds are written only where there are any.
    pub fn to_rfc3339(self) -> String {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(time) if self.0 % 1000 == 0 => time.to_rfc3339_opts(SecondsFormat::Secs, true),
            Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
            None => format!("{} ms", self.0),
        }
    }
}

impl fmt::Display for Timestamp {
    /// As [`Self::to_rfc3339`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as an index into tables.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

dense_id! {
    /// A user's dense number: its place in the sorted vocabulary of users.
    UserId(u32)
}
dense_id! {
    /// An item's dense number: its place in the sorted vocabulary of items.
    ItemId(u32)
}
dense_id! {
    /// An event type's dense number: its place in [`crate::events::EventLog::event_types`].
    EventTypeId(u8)
}

/// One event of a known user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// What was acted on.
    pub item: ItemId,
    /// What was done.
    pub event_type: EventTypeId,
    /// When.
    pub time: Timestamp,
    /// Price, rating or quantity, if the log has one.
    pub value: Option<f32>,
    /// The session or basket it belongs to, if the log has one.
    pub session: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday() {
        // 2024-01-01 was a Monday.
        let monday = Timestamp::from_millis(1_704_067_200_000);
        assert_eq!(monday.hour_of_week(), 0);
        assert_eq!(monday.plus_days(-1.0 / 24.0).hour_of_week(), 167);
        assert_eq!(Timestamp::from_millis(-1).hour_of_week(), 71);
    }
}
