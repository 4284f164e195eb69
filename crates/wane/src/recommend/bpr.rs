//! BPR matrix factorisation: the static reference, to which time is nothing.
//!
//! - Training: vectors `p_u` of users and `q_i` of items such that `x = p_u . (q_i - q_j)` is high for an item i of
//!   the user and an item j that is not; each event once per epoch with one uniform negative, step along
//!   `sigma(-x)`, L2 penalty on what was touched. One thread in a seeded order: the same seed gives the same bits.
//! - A question: no table of users is kept; a user is the mean of the vectors of the history's items. On Beauty and
//!   MovieLens 100k that ranks as well as the users' own vectors do, within a standard error, and it serves a user
//!   who is unknown, or who acted since. The vectors of users exist in training only.
//! - So a score is a mean over events of `q_h . q_j`, and its reasons are exact. No decay: the same history in any
//!   order and at any moment gives the same scores.
//!
//! Steffen Rendle, Christoph Freudenthaler, Zeno Gantner and Lars Schmidt-Thieme, "BPR: Bayesian personalized
//! ranking from implicit feedback", UAI 2009.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{Array, Explanation, Parameters, Query, Range, Reason, Recommender, Scores, Training, Values};
use crate::error::{Error, Result};
use crate::events::{Event, EventLog, ItemId, UserId};

/// Settings of BPR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BprSettings {
    /// Length of the vectors, 1 to 512.
    pub factors: usize,
    /// Passes over the log, 1 to 1,000.
    pub epochs: usize,
    /// Step size, above 0, to 1.
    pub learning_rate: f32,
    /// L2 penalty on vectors, 0 to 1.
    pub regularisation: f32,
}

impl Default for BprSettings {
    fn default() -> Self {
        Self { factors: 64, epochs: 100, learning_rate: 0.05, regularisation: 0.01 }
    }
}

impl BprSettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "factors", values: Values::Count(16, 256) },
        Range { name: "epochs", values: Values::Count(20, 300) },
        Range { name: "learning_rate", values: Values::Log(0.01, 0.3) },
        Range { name: "regularisation", values: Values::Log(0.001, 0.1) },
    ];

    fn check(&self) -> Result<()> {
        let within = |name: &str, is_within: bool, expected: &str, got: &dyn std::fmt::Display| {
            if is_within { Ok(()) } else { Err(Error::setting(name, expected, got)) }
        };
        within("factors", (1..=512).contains(&self.factors), "1 to 512", &self.factors)?;
        within("epochs", (1..=1000).contains(&self.epochs), "1 to 1000", &self.epochs)?;
        within(
            "learning_rate",
            self.learning_rate > 0.0 && self.learning_rate <= 1.0,
            "above 0, to 1",
            &self.learning_rate,
        )?;
        let regularisation = self.regularisation;
        within("regularisation", (0.0..=1.0).contains(&regularisation), "0 to 1", &regularisation)
    }

    /// Learns item vectors from a log.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range, or a step so great that vectors grow beyond bounds.
    pub fn fit(&self, training: &Training<'_>) -> Result<Bpr> {
        self.check()?;
        let mut factors = Factors::start(training.log, self.factors, training.seed);
        factors.descend(training.log, self);
        if factors.items.iter().any(|value| !value.is_finite()) {
            return Err(Error::setting(
                "learning_rate",
                "a smaller step: vectors grew beyond bounds",
                self.learning_rate,
            ));
        }
        Ok(Bpr { dim: self.factors, items: factors.items })
    }

    /// The fitted model from its saved parameters.
    ///
    /// # Errors
    /// When the parameters are not those of this model with so many items.
    pub fn load(&self, mut parameters: Parameters, n_items: usize) -> Result<Bpr> {
        self.check()?;
        let items = parameters.take_f32("item_vectors")?;
        if items.len() != n_items * self.factors {
            let expected = format!("{n_items} vectors of {} numbers", self.factors);
            return Err(Error::setting("item_vectors", expected, format!("{} numbers", items.len())));
        }
        Ok(Bpr { dim: self.factors, items })
    }
}

/// Vectors during training, row by row.
struct Factors {
    dim: usize,
    users: Vec<f32>,
    items: Vec<f32>,
    random: StdRng,
}

impl Factors {
    fn start(log: &EventLog, dim: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let size = 0.1 / (dim as f32).sqrt();
        let mut vectors = |n: usize| (0..n * dim).map(|_| random.random_range(-size..size)).collect();
        let (users, items) = (vectors(log.n_users()), vectors(log.n_items()));
        Self { dim, users, items, random }
    }

    fn descend(&mut self, log: &EventLog, settings: &BprSettings) {
        let owned: Vec<Vec<ItemId>> = log.histories().map(|(_, history)| distinct(history.items())).collect();
        let mut pairs: Vec<(UserId, ItemId)> = (0u32..)
            .zip(&owned)
            .filter(|(_, items)| items.len() < log.n_items())
            .flat_map(|(user, items)| items.iter().map(move |&item| (UserId(user), item)))
            .collect();
        for _ in 0..settings.epochs {
            pairs.shuffle(&mut self.random);
            for &(user, item) in &pairs {
                let negative = self.negative(&owned[user.index()], log.n_items());
                self.step(user, item, negative, settings);
            }
        }
    }

    /// A uniform item that the user does not have.
    fn negative(&mut self, owned: &[ItemId], n_items: usize) -> ItemId {
        loop {
            let item = ItemId(self.random.random_range(0..n_items as u32));
            if owned.binary_search(&item).is_err() {
                return item;
            }
        }
    }

    fn step(&mut self, user: UserId, wanted: ItemId, other: ItemId, settings: &BprSettings) {
        let (rate, penalty) = (settings.learning_rate, settings.regularisation);
        let dim = self.dim;
        let place = |item: ItemId| item.index() * dim..(item.index() + 1) * dim;
        let user = &mut self.users[user.index() * dim..][..dim];
        let Ok([wanted, other]) = self.items.get_disjoint_mut([place(wanted), place(other)]) else { return };
        let margin: f32 = user.iter().zip(&*wanted).zip(&*other).map(|((p, q), r)| p * (q - r)).sum();
        let pull = 1.0 / (1.0 + margin.exp());
        for ((p, q), r) in user.iter_mut().zip(wanted).zip(other) {
            let (old_p, old_q, old_r) = (*p, *q, *r);
            *p += rate * (pull * (old_q - old_r) - penalty * old_p);
            *q += rate * (pull * old_p - penalty * old_q);
            *r += rate * (-pull * old_p - penalty * old_r);
        }
    }
}

fn distinct(items: &[ItemId]) -> Vec<ItemId> {
    let mut items = items.to_vec();
    items.sort_unstable();
    items.dedup();
    items
}

/// Fitted BPR: item vectors only.
#[derive(Debug, Clone)]
pub struct Bpr {
    dim: usize,
    /// One vector per item, row by row.
    items: Vec<f32>,
}

impl Bpr {
    fn vector(&self, item: ItemId) -> &[f32] {
        self.items.get(item.index() * self.dim..(item.index() + 1) * self.dim).unwrap_or_default()
    }

    /// The mean of the history's vectors.
    fn user(&self, query: &Query<'_>) -> Vec<f32> {
        let mut mean = vec![0.0; self.dim];
        let share = 1.0 / query.history.len().max(1) as f32;
        for item in query.history.items() {
            mean.iter_mut().zip(self.vector(*item)).for_each(|(mean, value)| *mean += share * value);
        }
        mean
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Recommender for Bpr {
    fn n_items(&self) -> usize {
        self.items.len() / self.dim
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        if query.history.is_empty() {
            return;
        }
        let user = self.user(query);
        if let Some(candidates) = query.candidates {
            for &item in candidates.iter().filter(|&&item| item.index() < self.n_items()) {
                scores.add(item, dot(&user, self.vector(item)));
            }
        } else {
            let table = scores.dense_mut().iter_mut().zip(self.items.chunks_exact(self.dim));
            table.for_each(|(score, vector)| *score = dot(&user, vector));
        }
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        let share = 1.0 / query.history.len().max(1) as f64;
        let reason = |(place, event): (usize, Event)| Reason {
            event: place,
            relation: "similar".into(),
            age_days: query.as_of.days_since(event.time),
            decay: 1.0,
            share: share * f64::from(dot(self.vector(event.item), self.vector(item))),
        };
        let reasons =
            query.history.iter().enumerate().map(reason).filter(|reason| reason.share != 0.0).collect();
        Explanation { score: dot(&self.user(query), self.vector(item)), reasons, remainders: Vec::new() }
    }

    fn parameters(&self) -> Parameters {
        Parameters::default().with("item_vectors", Array::F32(self.items.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::linear::two_tastes;

    #[test]
    fn two_tastes_are_told_apart_and_the_seed_decides_every_bit() {
        let log = two_tastes();
        let training = Training::new(&log, None, 7);
        let settings = BprSettings { factors: 8, ..BprSettings::default() };
        let model = settings.fit(&training).unwrap();
        let history = log.history(UserId(0)).first(1);
        let (own, as_of) = (history.items()[0], history.times()[0]);
        let query = Query { history, as_of, candidates: None };
        let mut scores = Scores::new(log.n_items());
        model.score(&query, &mut scores);
        let mean = |alike: bool| {
            let of = (0..12u32).filter(|i| *i != own.0 && (i % 2 == own.0 % 2) == alike);
            of.map(|i| scores.get(ItemId(i))).sum::<f32>()
        };
        assert!(mean(true) > mean(false) + 0.5, "{} {}", mean(true), mean(false));
        assert_eq!(model.parameters(), settings.fit(&training).unwrap().parameters());
    }

    #[test]
    fn settings_and_parameters_are_checked() {
        let message = BprSettings { factors: 0, ..BprSettings::default() }.check().unwrap_err().to_string();
        assert_eq!(message, "setting `factors`: expected 1 to 512, got 0");
        let short = Parameters::default().with("item_vectors", Array::F32(vec![0.0; 3]));
        assert!(BprSettings::default().load(short, 2).is_err());
    }
}
