//! Gaps one by one, each with what was known as it began and never anything later.
//!
//! Gaps are those of [`Returns`](crate::decay::survival::Returns): from a moment of a user at a key, once per event type, to the user's
//! next moment there. The half-life table adds them up; here each keeps its beginning.

use rayon::prelude::*;

use super::Prices;
use crate::decay::survival::{Cell, Watch};
use crate::events::{EventLog, EventTypeId, Timestamp, UserId};

/// A gap and what was known as it began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GapStart {
    /// Who.
    pub user: UserId,
    /// The event type and the key.
    pub cell: Cell,
    /// When it began.
    pub begin: Timestamp,
    /// Its length, or how long it was watched.
    pub millis: i64,
    /// Whether a return ended it.
    pub is_return: bool,
    /// The user's earlier moments at the key.
    pub before: u32,
    /// The mean price of the moment's events of this cell, where any is known.
    pub price: Option<f32>,
    /// The share of those with a price that were below their item's usual price.
    pub discount: f32,
}

/// An event at a key, and its place in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    key: u32,
    time: Timestamp,
    event_type: EventTypeId,
    place: usize,
}

/// The gaps of some users, in their order. `keys[item]` is the key of an item; items without one are left out.
pub fn gap_starts(
    log: &EventLog,
    users: &[UserId],
    keys: &[Option<u32>],
    watch: &Watch,
    prices: &Prices,
) -> Vec<GapStart> {
    users.par_iter().flat_map_iter(|&user| of_user(log, user, keys, watch, prices)).collect()
}

fn of_user(
    log: &EventLog,
    user: UserId,
    keys: &[Option<u32>],
    watch: &Watch,
    prices: &Prices,
) -> Vec<GapStart> {
    let first = log.offsets().get(user.index()).copied().unwrap_or(log.len());
    let seen = log.history(user).iter().zip(first..).filter_map(|(event, place)| {
        let key = keys.get(event.item.index()).copied().flatten()?;
        Some(Seen { key, time: event.time, event_type: event.event_type, place })
    });
    let mut seen: Vec<Seen> = seen.collect();
    seen.sort_unstable();
    let mut starts = Vec::new();
    for of_key in seen.chunk_by(|a, b| a.key == b.key) {
        let mut moments = of_key.chunk_by(|a, b| a.time == b.time).zip(0u32..).peekable();
        while let Some((moment, before)) = moments.next() {
            let (begin, next) = (moment[0].time, moments.peek().map(|(next, _)| next[0].time));
            let Some((millis, is_return)) = watch.length(begin, next) else { continue };
            for of_cell in moment.chunk_by(|a, b| a.event_type == b.event_type) {
                let cell = Cell { event_type: of_cell[0].event_type, key: of_cell[0].key };
                let (price, discount) = paid(of_cell, prices);
                starts.push(GapStart { user, cell, begin, millis, is_return, before, price, discount });
            }
        }
    }
    starts
}

/// The mean of the known prices, and the share of them that were discounts.
fn paid(events: &[Seen], prices: &Prices) -> (Option<f32>, f32) {
    let (mut sum, mut known, mut discounts) = (0.0, 0u32, 0u32);
    for event in events {
        if let Some(price) = prices.price(event.place) {
            sum += f64::from(price);
            known += 1;
            discounts += u32::from(prices.is_discount(event.place));
        }
    }
    if known == 0 {
        return (None, 0.0);
    }
    (Some((sum / f64::from(known)) as f32), discounts as f32 / known as f32)
}
