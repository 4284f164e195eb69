//! VMIS-kNN: what other sessions that look like this one went on to.
//!
//! With the session's last `n` events, newest first at place 1, and `d(p) = (n - p + 1) / distinct items` for an event at
//! place `p`:
//!
//! - candidates: the `m` newest training sessions that share an item, found item by item from the newest event back
//! - similarity of session `s`: sum of `d(p)` over the session's events whose item is in `s` (of repeated items the newest)
//! - the `k` most similar sessions are neighbours, newer ones first among equals
//! - `score(j) = sum over neighbours s holding j of (1 - p_s / 10) * idf(j)^w * similarity(s)`, `p_s` the place of the newest
//!   event shared with `s`; `idf(j) = ln(all session items / sessions with j)`
//! - the newest item itself is not recommended
//!
//! An index from items to their newest `m` sessions makes that microseconds. Kersbergen, Sprangers and Schelter,
//! "Serenade: low-latency session-based recommendation in e-commerce at scale", SIGMOD 2022.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{Array, Explanation, Parameters, Query, Range, Reason, Recommender, Scores, Training, Values};
use crate::error::{Error, Result};
use crate::events::{EventLog, ItemId, Timestamp};

/// Settings of VMIS-kNN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VmisKnnSettings {
    /// `m`: newest sessions that are compared, 1 and up.
    pub sessions: usize,
    /// `k`: neighbours, 1 and up.
    pub neighbours: usize,
    /// `n`: events of the asking session that count, 1 to 64.
    pub last_events: usize,
    /// `w`: how much rare items gain, 0 (not at all) and up.
    pub idf_weight: f64,
    /// Whether the newest item may be recommended again.
    pub repeat_newest: bool,
}

impl Default for VmisKnnSettings {
    fn default() -> Self {
        Self { sessions: 1_000, neighbours: 250, last_events: 5, idf_weight: 1.0, repeat_newest: false }
    }
}

/// A session longer than 99.5 % of all teaches nothing: it is a bot, or shared by many.
const LONGEST_SHARE: f64 = 0.995;

/// The place from which on an event no longer speaks: the match weight falls by a tenth per place.
const MATCH_STEP: f64 = 0.1;

/// Most events of the asking session that can be told apart in a session's mask.
const MOST_EVENTS: usize = 64;

/// VMIS-kNN, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct VmisKnn {
    settings: VmisKnnSettings,
    /// Distinct items of each session, ascending, in rows.
    session_offsets: Vec<usize>,
    session_items: Vec<ItemId>,
    /// Newest moment of each session; sessions are numbered from the oldest to the newest.
    session_times: Vec<Timestamp>,
    /// Newest sessions of each item, newest first, in rows.
    item_offsets: Vec<usize>,
    item_sessions: Vec<u32>,
    idf: Vec<f32>,
}

impl VmisKnnSettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "sessions", values: Values::Count(100, 5_000) },
        Range { name: "neighbours", values: Values::Count(20, 1_500) },
        Range { name: "last_events", values: Values::Count(1, 20) },
        Range { name: "idf_weight", values: Values::Linear(0.0, 3.0) },
    ];

    fn check(&self) -> Result<()> {
        let positive = |name: &str, value: usize| {
            if value > 0 { Ok(()) } else { Err(Error::setting(name, "a whole number above 0", value)) }
        };
        positive("sessions", self.sessions)?;
        positive("neighbours", self.neighbours)?;
        if !(1..=MOST_EVENTS).contains(&self.last_events) {
            return Err(Error::setting("last_events", "a whole number from 1 to 64", self.last_events));
        }
        if !(self.idf_weight >= 0.0 && self.idf_weight.is_finite()) {
            return Err(Error::setting("idf_weight", "a finite number, at least 0", self.idf_weight));
        }
        Ok(())
    }

    /// Indexes the training sessions: runs of one session, or whole users where the log has no sessions.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range.
    pub fn fit(&self, training: &Training<'_>) -> Result<VmisKnn> {
        self.check()?;
        let mut sessions = sessions(training.log);
        // By time, and at one moment by content: the order of users is no order of sessions.
        sessions.sort();
        let mut offsets = vec![0];
        let mut items = Vec::new();
        for session in &sessions {
            items.extend_from_slice(&session.items);
            offsets.push(items.len());
        }
        let times = sessions.into_iter().map(|session| session.newest).collect();
        Ok(VmisKnn::index(self.clone(), (offsets, items, times), training.log.n_items()))
    }

    /// Restores a saved model.
    ///
    /// # Errors
    /// [`Error::Unknown`] when an array is missing, [`Error::Setting`] when arrays do not fit each other.
    pub fn load(&self, mut parameters: Parameters, n_items: usize) -> Result<VmisKnn> {
        self.check()?;
        parameters.check_n_items(n_items)?;
        let offsets: Vec<usize> = parameters
            .take_u64("offsets")?
            .iter()
            .filter_map(|&offset| usize::try_from(offset).ok())
            .collect();
        let items: Vec<ItemId> = parameters.take_u32("items")?.into_iter().map(ItemId).collect();
        let times: Vec<_> = parameters.take_i64("times")?.into_iter().map(Timestamp::from_millis).collect();
        let sound = offsets.first() == Some(&0)
            && offsets.is_sorted()
            && offsets.last() == Some(&items.len())
            && offsets.len() == times.len() + 1
            && items.iter().all(|item| item.index() < n_items);
        if !sound {
            return Err(Error::setting("sessions", "rows of known items", "arrays of another form"));
        }
        Ok(VmisKnn::index(self.clone(), (offsets, items, times), n_items))
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Session {
    newest: Timestamp,
    items: Vec<ItemId>,
}

fn sessions(log: &EventLog) -> Vec<Session> {
    let has_sessions = log.events().sessions().is_some();
    let mut sessions = Vec::new();
    for (_, history) in log.histories().filter(|(_, history)| !history.is_empty()) {
        let runs: Vec<_> = if has_sessions {
            history.baskets().collect()
        } else {
            std::iter::once(0..history.len()).collect()
        };
        for run in runs {
            let newest = history.times()[run.end - 1];
            let mut items = history.items()[run].to_vec();
            items.sort_unstable();
            items.dedup();
            sessions.push(Session { newest, items });
        }
    }
    let mut lengths: Vec<usize> = sessions.iter().map(|session| session.items.len()).collect();
    lengths.sort_unstable();
    let longest = lengths.get((lengths.len() as f64 * LONGEST_SHARE) as usize).copied().unwrap_or(usize::MAX);
    sessions.retain(|session| session.items.len() <= longest);
    sessions
}

impl VmisKnn {
    fn index(
        settings: VmisKnnSettings,
        (session_offsets, session_items, session_times): (Vec<usize>, Vec<ItemId>, Vec<Timestamp>),
        n_items: usize,
    ) -> Self {
        let mut of_item = vec![Vec::new(); n_items];
        for (session, row) in (0u32..).zip(session_offsets.windows(2)) {
            session_items[row[0]..row[1]].iter().for_each(|item| of_item[item.index()].push(session));
        }
        let mut item_offsets = vec![0];
        let mut item_sessions = Vec::new();
        let mut idf = Vec::with_capacity(n_items);
        for sessions in &of_item {
            let rarity = (session_items.len() as f64 / sessions.len().max(1) as f64).ln();
            idf.push(rarity.powf(settings.idf_weight) as f32);
            item_sessions.extend(sessions.iter().rev().take(settings.sessions));
            item_offsets.push(item_sessions.len());
        }
        Self { settings, session_offsets, session_items, session_times, item_offsets, item_sessions, idf }
    }

    fn newest_sessions(&self, item: ItemId) -> &[u32] {
        match (self.item_offsets.get(item.index()), self.item_offsets.get(item.index() + 1)) {
            (Some(&start), Some(&end)) => &self.item_sessions[start..end],
            _ => &[],
        }
    }

    fn items_of(&self, session: u32) -> &[ItemId] {
        let session = session as usize;
        &self.session_items[self.session_offsets[session]..self.session_offsets[session + 1]]
    }

    /// The events that count, newest first: item and its `d(p)`. Of a repeated item the newest event counts.
    fn asking(&self, query: &Query<'_>) -> Vec<(ItemId, f64)> {
        let last = query.history.last(self.settings.last_events).items();
        let mut distinct = last.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let weight = |place: usize| (last.len() - place) as f64 / distinct.len() as f64;
        last.iter().rev().enumerate().map(|(place, &item)| (item, weight(place))).collect()
    }

    /// Neighbours as (session, mask of the asking events that it shares), in a fixed order.
    fn neighbours(&self, asking: &[(ItemId, f64)]) -> Vec<(u32, u64)> {
        let mut found: HashMap<u32, u64> = HashMap::with_capacity(self.settings.sessions);
        // Sessions are numbered by age, so the least number is the oldest.
        let mut oldest = BinaryHeap::new();
        for (place, (item, _)) in asking.iter().enumerate() {
            if asking[..place].iter().any(|newer| newer.0 == *item) {
                continue;
            }
            for &session in self.newest_sessions(*item) {
                if let Some(mask) = found.get_mut(&session) {
                    *mask |= 1 << place;
                } else if found.len() < self.settings.sessions {
                    found.insert(session, 1 << place);
                    oldest.push(Reverse(session));
                } else if oldest.peek().is_some_and(|&Reverse(least)| self.is_newer(session, least)) {
                    if let Some(Reverse(least)) = oldest.pop() {
                        found.remove(&least);
                    }
                    found.insert(session, 1 << place);
                    oldest.push(Reverse(session));
                } else {
                    break;
                }
            }
        }
        self.closest(found, asking)
    }

    fn is_newer(&self, a: u32, b: u32) -> bool {
        self.session_times[a as usize] > self.session_times[b as usize]
    }

    fn closest(&self, found: HashMap<u32, u64>, asking: &[(ItemId, f64)]) -> Vec<(u32, u64)> {
        let mut found: Vec<(f64, u32, u64)> =
            found.into_iter().map(|(session, mask)| (similarity(mask, asking), session, mask)).collect();
        let order = |a: &(f64, u32, u64), b: &(f64, u32, u64)| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1));
        if found.len() > self.settings.neighbours {
            found.select_nth_unstable_by(self.settings.neighbours, order);
            found.truncate(self.settings.neighbours);
        }
        // Sums of floats depend on their order, so the order must not depend on the hash map.
        found.sort_unstable_by_key(|neighbour| neighbour.1);
        found.into_iter().map(|(_, session, mask)| (session, mask)).collect()
    }

    fn may_show(&self, query: &Query<'_>, item: ItemId) -> bool {
        self.settings.repeat_newest || query.history.items().last() != Some(&item)
    }

    /// The shares of the asking events in the score of an item, by way of the neighbours.
    fn reasons(
        &self,
        query: &Query<'_>,
        asking: &[(ItemId, f64)],
        neighbours: &[(u32, u64)],
        item: ItemId,
    ) -> Explanation {
        let mut shares = vec![0.0; asking.len()];
        if self.may_show(query, item) && item.index() < self.n_items() {
            let idf = f64::from(self.idf[item.index()]);
            for &(session, mask) in neighbours {
                if self.items_of(session).binary_search(&item).is_ok() {
                    for (place, share) in
                        shares.iter_mut().enumerate().filter(|(place, _)| mask >> place & 1 == 1)
                    {
                        *share += match_weight(mask) * idf * asking[place].1;
                    }
                }
            }
        }
        let newest = query.history.len().saturating_sub(1);
        let reasons = shares.into_iter().enumerate().map(|(place, share)| Reason {
            event: newest - place,
            relation: "session".into(),
            age_days: query
                .history
                .get(newest - place)
                .map_or(0.0, |event| query.as_of.days_since(event.time)),
            decay: asking[place].1 / asking[0].1,
            share,
        });
        let mut explanation = Explanation::sum_of(reasons, Vec::new());
        explanation.reasons.reverse();
        explanation
    }
}

/// Sum of `d(p)` over the places in a mask.
fn similarity(mask: u64, asking: &[(ItemId, f64)]) -> f64 {
    asking.iter().enumerate().filter(|(place, _)| mask >> place & 1 == 1).map(|(_, (_, weight))| weight).sum()
}

/// How much the newest shared event speaks for a session: a tenth less per place.
fn match_weight(mask: u64) -> f64 {
    (1.0 - MATCH_STEP * f64::from(mask.trailing_zeros() + 1)).max(0.0)
}

impl Recommender for VmisKnn {
    fn n_items(&self) -> usize {
        self.idf.len()
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        let asking = self.asking(query);
        let newest = query.history.items().last();
        for (session, mask) in self.neighbours(&asking) {
            let weight = (match_weight(mask) * similarity(mask, &asking)) as f32;
            for &item in self.items_of(session) {
                if self.settings.repeat_newest || newest != Some(&item) {
                    scores.add(item, weight * self.idf[item.index()]);
                }
            }
        }
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        let asking = self.asking(query);
        let neighbours = self.neighbours(&asking);
        self.reasons(query, &asking, &neighbours, item)
    }

    /// Finding the neighbours is nearly all of the work, and they are the same for every item.
    fn explain_best(&self, query: &Query<'_>, items: &[ItemId], most: usize) -> Vec<Explanation> {
        let asking = self.asking(query);
        let neighbours = self.neighbours(&asking);
        items.iter().map(|&item| self.reasons(query, &asking, &neighbours, item).shortened(most)).collect()
    }

    fn parameters(&self) -> Parameters {
        Parameters::default()
            .with_n_items(self.n_items())
            .with("offsets", Array::U64(self.session_offsets.iter().map(|&offset| offset as u64).collect()))
            .with("items", Array::U32(self.session_items.iter().map(|item| item.0).collect()))
            .with("times", Array::I64(self.session_times.iter().map(|time| time.millis()).collect()))
    }
}
