//! Item neighbours by who wanted both: item-kNN, or "simple algorithm for recommendation" with decay.
//!
//! - Co-occurrence: `c(i, j) = sum over users of max over pairs of events of k_t(event on i) * k_t(event on j) *
//!   2^(-gap / pair_half_life)`, where `k_t` is the training decay (age at the end of the log) and the gap is the time
//!   between the two events; pairs further apart than `window` do not count. Per user the closest pair counts, so that a
//!   user who came often is still one user.
//! - `n(i)` is the same of an item with itself, the weighted number of its users. Similarity, with shrinkage `h`:
//!   cosine `c / (sqrt(n_i n_j) + h)`, jaccard `c / (n_i + n_j - c + h)`, lift `c / (n_i n_j + h)`, counts `c`.
//! - Score: over the history, decay times similarity to the candidate; of each item only the `neighbours` most similar.
//!
//! Badrul Sarwar, George Karypis, Joseph Konstan and John Riedl, "Item-based collaborative filtering recommendation
//! algorithms", WWW 2001; counts that decay with age are as in Microsoft's SAR. Pairs per user grow by the square of the
//! history, so of each user only the latest `history` items count, and of each item its ten latest events.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::item_to_item::Asking;
use super::sparse_rows::SparseRows;
use super::{ItemToItem, Parameters, Range, Training, Values};
use crate::decay::{DecaySettings, HalfLife, Kernel};
use crate::error::{Error, Result};
use crate::events::{Event, EventLog, History, ItemId, Timestamp, UserId};

/// How co-occurrence counts become a similarity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Similarity {
    /// Shared users over the geometric mean of both items' users.
    #[default]
    Cosine,
    /// Shared users over users of either.
    Jaccard,
    /// Shared users over what chance would give; favours rare items.
    Lift,
    /// Shared users; favours popular items.
    Counts,
}

/// Settings of item-kNN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ItemKnnSettings {
    /// The similarity.
    pub similarity: Similarity,
    /// Added to the similarity's denominator, in users, 0 and up: doubt in what few users did.
    pub shrinkage: f32,
    /// Neighbours kept per item, 1 and up.
    pub neighbours: usize,
    /// How the events of a history lose weight when the model is asked.
    pub decay: DecaySettings,
    /// How events lose weight with age before the end of the log when users are counted; `auto`: half the span.
    pub training_decay: DecaySettings,
    /// Half-life, in days, of a pair's weight by the time between its events; none: the gap does not matter.
    pub pair_half_life: Option<HalfLife>,
    /// Greatest time between the events of a pair, in days, above 0; none: any.
    pub window: Option<f64>,
    /// Latest distinct items of a user that are paired, 2 and up.
    pub history: usize,
    /// What an event says for its own item, 0 and up; unset: found from the training log.
    pub repeat: Option<f32>,
}

impl Default for ItemKnnSettings {
    fn default() -> Self {
        Self {
            similarity: Similarity::Cosine,
            shrinkage: 10.0,
            neighbours: 200,
            decay: DecaySettings::default(),
            training_decay: DecaySettings::without_decay(),
            pair_half_life: None,
            window: None,
            history: 500,
            repeat: None,
        }
    }
}

impl ItemKnnSettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "similarity", values: Values::Choice(&["cosine", "jaccard", "lift", "counts"]) },
        Range { name: "shrinkage", values: Values::Log(0.1, 200.0) },
        Range { name: "neighbours", values: Values::Count(20, 1_000) },
        Range { name: "decay.half_life", values: Values::Log(0.05, 1_000.0) },
        Range { name: "pair_half_life", values: Values::Log(0.01, 1_000.0) },
        Range { name: "repeat", values: Values::Linear(0.0, 2.0) },
    ];

    fn check(&self) -> Result<()> {
        if !(self.shrinkage >= 0.0 && self.shrinkage.is_finite()) {
            return Err(Error::setting("shrinkage", "a number from 0 up", self.shrinkage));
        }
        if self.neighbours == 0 {
            return Err(Error::setting("neighbours", "1 or more", self.neighbours));
        }
        if self.history < 2 {
            return Err(Error::setting("history", "2 or more", self.history));
        }
        match self.window {
            Some(days) if !(days > 0.0 && days.is_finite()) => {
                Err(Error::setting("window", "a number of days above 0", days))
            }
            _ => Ok(()),
        }
    }

    fn asking(&self) -> Asking<'_> {
        Asking { decay: &self.decay, repeat: self.repeat, relation: "covisit" }
    }

    /// Counts pairs and keeps each item's neighbours.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range.
    pub fn fit(&self, training: &Training<'_>) -> Result<ItemToItem> {
        self.check()?;
        let kernel = training_kernel(&self.training_decay, training.log)?;
        let counts = Counts::new(training.log, self, &kernel);
        let rows: Vec<_> = (0..training.log.n_items())
            .into_par_iter()
            .map_init(
                || Row::new(training.log.n_items()),
                |row, item| counts.neighbours(ItemId(item as u32), self, row),
            )
            .collect();
        ItemToItem::fit(SparseRows::from_rows(rows), self.asking(), training)
    }

    /// Restores a saved model.
    ///
    /// # Errors
    /// When the parameters are not those of this model with so many items.
    pub fn load(&self, parameters: Parameters, n_items: usize, event_types: &[String]) -> Result<ItemToItem> {
        self.check()?;
        ItemToItem::load(parameters, self.asking(), n_items, event_types)
    }
}

/// The kernel that weighs training events by their age at the end of the log; `auto` is half the span.
pub(super) fn training_kernel(settings: &DecaySettings, log: &EventLog) -> Result<Kernel> {
    let days = log.span().map_or(1.0, |(first, last)| last.days_since(first) / 2.0);
    settings.resolve(log.event_types(), HalfLife::from_days(days).unwrap_or(HalfLife::DAY))
}

/// The weight of an event at the end of its log.
pub(super) fn training_weight<'a>(kernel: &'a Kernel, log: &EventLog) -> impl Fn(&Event) -> f32 + 'a {
    let end = log.span().map_or(Timestamp::from_millis(0), |(_, last)| last);
    move |event| kernel.weight(event.event_type, end.days_since(event.time))
}

/// One user's event on one item, of those that count.
#[derive(Debug, Clone, Copy)]
struct Visit {
    user: UserId,
    time: Timestamp,
    weight: f32,
}

/// Who visited what, both ways.
struct Counts {
    /// Visits of each user, by item then time.
    by_user: Vec<Vec<(ItemId, Visit)>>,
    /// Visits of each item, by user then time.
    by_item: Vec<Vec<Visit>>,
    /// Weighted number of users per item.
    users: Vec<f32>,
}

impl Counts {
    fn new(log: &EventLog, settings: &ItemKnnSettings, kernel: &Kernel) -> Self {
        let weight = training_weight(kernel, log);
        let by_user: Vec<_> =
            log.histories().map(|(user, history)| visits(user, history, settings.history, &weight)).collect();
        let mut by_item = vec![Vec::new(); log.n_items()];
        by_user.iter().flatten().for_each(|(item, visit)| by_item[item.index()].push(*visit));
        let users = by_item.iter().map(|visits| weighted_users(visits)).collect();
        Self { by_user, by_item, users }
    }

    /// The most similar items of an item, ascending by item.
    fn neighbours(&self, item: ItemId, settings: &ItemKnnSettings, row: &mut Row) -> Vec<(u32, f32)> {
        for own in self.by_item[item.index()].chunk_by(|a, b| a.user == b.user) {
            let others = &self.by_user[own[0].user.index()];
            for other in others.chunk_by(|a, b| a.0 == b.0).filter(|other| other[0].0 != item) {
                row.add(other[0].0, closest_pair(own, other, settings));
            }
        }
        let similar = |(other, count): (ItemId, f32)| {
            let (n, m) = (self.users[item.index()], self.users[other.index()]);
            (other.0, settings.similarity.of(count, n, m, settings.shrinkage))
        };
        let mut found: Vec<_> = row.drain().map(similar).filter(|(_, weight)| *weight > 0.0).collect();
        if found.len() > settings.neighbours {
            let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
            found.select_nth_unstable_by(settings.neighbours, order);
            found.truncate(settings.neighbours);
        }
        found.sort_unstable_by_key(|cell| cell.0);
        found
    }
}

/// The user's visits to the latest `keep` distinct items, by item then time.
fn visits(
    user: UserId,
    history: History<'_>,
    keep: usize,
    weight: impl Fn(&Event) -> f32,
) -> Vec<(ItemId, Visit)> {
    let mut latest: Vec<(ItemId, usize)> = Vec::new();
    let mut all = Vec::new();
    for event in history.iter().rev() {
        let weight = weight(&event);
        let place = latest.iter().position(|(item, _)| *item == event.item);
        let has_room = place.map_or(latest.len() < keep, |place| latest[place].1 < VISITS_PER_ITEM);
        if weight > 0.0 && has_room {
            match place {
                Some(place) => latest[place].1 += 1,
                None => latest.push((event.item, 1)),
            }
            all.push((event.item, Visit { user, time: event.time, weight }));
        }
    }
    all.sort_by_key(|(item, visit)| (*item, visit.time));
    all
}

/// Events of one user on one item that are paired, at most.
const VISITS_PER_ITEM: usize = 10;

/// Per user the square of the greatest weight: what an item has in common with itself.
fn weighted_users(visits: &[Visit]) -> f32 {
    let greatest = |of_user: &[Visit]| of_user.iter().map(|visit| visit.weight).fold(0.0, f32::max);
    visits.chunk_by(|a, b| a.user == b.user).map(|of_user| greatest(of_user).powi(2)).sum()
}

/// The greatest weight among the pairs of two items' visits by one user; 0 when all are too far apart.
fn closest_pair(own: &[Visit], others: &[(ItemId, Visit)], settings: &ItemKnnSettings) -> f32 {
    let pairs = own.iter().flat_map(|a| others.iter().map(move |(_, b)| (a, b)));
    let weight = |(a, b): (&Visit, &Visit)| {
        let gap = a.time.days_since(b.time).max(b.time.days_since(a.time));
        if settings.window.is_some_and(|window| gap > window) {
            return 0.0;
        }
        let nearness = settings.pair_half_life.map_or(1.0, |half_life| (-half_life.rate() * gap).exp());
        a.weight * b.weight * nearness as f32
    };
    pairs.map(weight).fold(0.0, f32::max)
}

impl Similarity {
    fn of(self, shared: f32, users: f32, other_users: f32, shrinkage: f32) -> f32 {
        let denominator = match self {
            Self::Cosine => (users * other_users).sqrt(),
            Self::Jaccard => users + other_users - shared,
            Self::Lift => users * other_users,
            Self::Counts => return shared,
        };
        shared / (denominator + shrinkage).max(f32::MIN_POSITIVE)
    }
}

/// A dense row that remembers what was added to it.
struct Row {
    sums: Vec<f32>,
    touched: Vec<ItemId>,
}

impl Row {
    fn new(n_items: usize) -> Self {
        Self { sums: vec![0.0; n_items], touched: Vec::new() }
    }

    fn add(&mut self, item: ItemId, weight: f32) {
        if weight > 0.0 {
            if self.sums[item.index()] == 0.0 {
                self.touched.push(item);
            }
            self.sums[item.index()] += weight;
        }
    }

    fn drain(&mut self) -> impl Iterator<Item = (ItemId, f32)> + '_ {
        self.touched.drain(..).map(|item| (item, std::mem::take(&mut self.sums[item.index()])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::linear::{log, two_tastes};
    use crate::recommend::{Query, Recommender, Scores};

    fn fit(settings: &ItemKnnSettings, log: &EventLog) -> ItemToItem {
        settings.fit(&Training::new(log, None, 1)).unwrap()
    }

    fn bare(similarity: Similarity) -> ItemKnnSettings {
        ItemKnnSettings { similarity, shrinkage: 0.0, ..ItemKnnSettings::default() }
    }

    /// Items 0 and 1 share users 0 and 1; item 2 has user 1 only, ten days after the rest.
    fn three_items() -> EventLog {
        log(3, 3, &[(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 2, 11), (2, 1, 11)])
    }

    #[test]
    fn similarities_are_those_of_their_formulas() {
        let log = three_items();
        let weight = |similarity, from, to| fit(&bare(similarity), &log).weight(ItemId(from), ItemId(to));
        assert!((weight(Similarity::Cosine, 0, 1) - 2.0 / 6f32.sqrt()).abs() < 1e-6);
        assert!((weight(Similarity::Jaccard, 0, 1) - 2.0 / 3.0).abs() < 1e-6);
        assert!((weight(Similarity::Lift, 1, 0) - 2.0 / 6.0).abs() < 1e-6);
        assert_eq!(weight(Similarity::Counts, 0, 1), 2.0);
        assert_eq!(weight(Similarity::Counts, 2, 2), 0.0);
        let shrunk = ItemKnnSettings { shrinkage: 4.0, ..bare(Similarity::Jaccard) };
        assert!((fit(&shrunk, &log).weight(ItemId(0), ItemId(1)) - 2.0 / 7.0).abs() < 1e-6);
    }

    #[test]
    fn pairs_lose_weight_by_gap_and_window() {
        let log = three_items();
        let ten_days = HalfLife::from_days(10.0).ok();
        let fading = ItemKnnSettings { pair_half_life: ten_days, ..bare(Similarity::Counts) };
        assert!((fit(&fading, &log).weight(ItemId(1), ItemId(2)) - 0.5).abs() < 1e-6);
        let windowed = ItemKnnSettings { window: Some(5.0), ..bare(Similarity::Counts) };
        assert_eq!(fit(&windowed, &log).weight(ItemId(1), ItemId(2)), 0.0);
        assert_eq!(fit(&windowed, &log).weight(ItemId(0), ItemId(1)), 2.0);
    }

    #[test]
    fn reasons_sum_to_scores_and_the_saved_model_is_the_same() {
        let log = two_tastes();
        let settings = ItemKnnSettings { repeat: Some(0.5), neighbours: 4, ..ItemKnnSettings::default() };
        let model = fit(&settings, &log);
        let loaded = settings.load(model.parameters(), 12, log.event_types()).unwrap();
        for (_, history) in log.histories() {
            let as_of = Timestamp::from_millis(20 * crate::events::MILLIS_PER_DAY);
            let query = Query { history, as_of, candidates: None };
            let mut scores = Scores::new(12);
            model.score(&query, &mut scores);
            for item in (0..12).map(ItemId) {
                let why = loaded.explain(&query, item);
                let sum: f64 = why.reasons.iter().map(|reason| reason.share).sum();
                assert!((f64::from(scores.get(item)) - sum).abs() < 1e-5 * sum.abs() + 1e-12);
            }
        }
        assert!(settings.load(model.parameters(), 11, log.event_types()).is_err());
    }

    #[test]
    fn settings_are_checked() {
        let log = two_tastes();
        let wrong = ItemKnnSettings { window: Some(-1.0), ..ItemKnnSettings::default() };
        let error = wrong.fit(&Training::new(&log, None, 1)).unwrap_err();
        assert_eq!(error.to_string(), "setting `window`: expected a number of days above 0, got -1");
    }
}
