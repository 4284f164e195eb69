//! TIFU-KNN: a user's own baskets, waned, blended with those of like users.
//!
//! - Baskets are counted back from the newest, in groups of `g`. A basket at place `p` of its group, in the `q`-th group (both
//!   from 0, newest first), weighs `r_b^p * r_g^q / (baskets in the group * groups)`, times the kernel at its age.
//! - A user's vector is the weighted sum of its baskets (each a 0/1 vector of items).
//! - `score = alpha * own vector + (1 - alpha) * mean vector of the k nearest users` (Euclidean distance, among the users
//!   that share an item).
//!
//! Hu, He, Gao and Zhang, "Modeling personalized item frequency information for next-basket recommendation", SIGIR 2020.
//! They wane by the number of newer baskets alone; the kernel adds the clock and is off (`law = "none"`) by default.
//! Vectors of neighbours are sparse and found through an index from items to users.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{
    Array, Explanation, Parameters, Query, Range, Reason, Recommender, Remainder, Scores, Training, Values,
};
use crate::decay::{DecaySettings, HalfLife, Kernel};
use crate::error::{Error, Result};
use crate::events::{History, ItemId, Timestamp};

/// Settings of TIFU-KNN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TifuKnnSettings {
    /// `k`: like users, 0 and up.
    pub neighbours: usize,
    /// `g`: baskets in a group, 1 and up.
    pub group_size: u32,
    /// `r_b`: what each newer basket of the group leaves, above 0 to 1.
    pub basket_decay: f64,
    /// `r_g`: what each newer group leaves, above 0 to 1.
    pub group_decay: f64,
    /// `alpha`: the weight of the user's own vector, 0 to 1.
    pub own_weight: f64,
    /// Decay by the clock, beside that by newer baskets.
    pub decay: DecaySettings,
}

impl Default for TifuKnnSettings {
    fn default() -> Self {
        Self {
            neighbours: 300,
            group_size: 7,
            basket_decay: 0.9,
            group_decay: 0.7,
            own_weight: 0.7,
            decay: DecaySettings::without_decay(),
        }
    }
}

/// TIFU-KNN, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct TifuKnn {
    settings: TifuKnnSettings,
    kernel: Kernel,
    /// Vectors of users in rows, items ascending.
    offsets: Vec<usize>,
    items: Vec<ItemId>,
    weights: Vec<f32>,
    /// Squared length of each vector.
    norms: Vec<f32>,
    /// Users of each item with their weight for it, in rows.
    by_item: Vec<Vec<(u32, f32)>>,
}

impl TifuKnnSettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "neighbours", values: Values::Count(20, 900) },
        Range { name: "group_size", values: Values::Count(2, 20) },
        Range { name: "basket_decay", values: Values::Linear(0.5, 1.0) },
        Range { name: "group_decay", values: Values::Linear(0.3, 1.0) },
        Range { name: "own_weight", values: Values::Linear(0.0, 1.0) },
        Range { name: "decay.law", values: Values::Choice(&["none", "exponential", "power"]) },
        Range { name: "decay.half_life", values: Values::Log(1.0, 1_000.0) },
    ];

    fn check(&self) -> Result<()> {
        let share = |name: &str, value: f64, least: f64| {
            if value >= least && value <= 1.0 {
                Ok(())
            } else {
                Err(Error::setting(name, format!("a number from {least} to 1"), value))
            }
        };
        share("basket_decay", self.basket_decay, 1e-6)?;
        share("group_decay", self.group_decay, 1e-6)?;
        share("own_weight", self.own_weight, 0.0)?;
        if self.group_size == 0 {
            return Err(Error::setting("group_size", "a whole number above 0", self.group_size));
        }
        Ok(())
    }

    /// Computes every training user's vector at the end of the log.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range.
    pub fn fit(&self, training: &Training<'_>) -> Result<TifuKnn> {
        self.check()?;
        let auto = HalfLife::from_days(
            training.log.span().map_or(1.0, |(first, last)| last.days_since(first) / 4.0).max(1e-3),
        )?;
        let kernel = self.decay.resolve(training.log.event_types(), auto)?;
        let end = training.log.span().map_or(Timestamp::from_millis(0), |span| span.1);
        let mut rows = Rows::default();
        for (_, history) in training.log.histories() {
            rows.push(&self.vector(&kernel, history, end));
        }
        Ok(TifuKnn::index(self.clone(), kernel, rows, training.log.n_items()))
    }

    /// Restores a saved model.
    ///
    /// # Errors
    /// [`Error::Unknown`] when an array is missing, [`Error::Setting`] when arrays do not fit each other.
    pub fn load(
        &self,
        mut parameters: Parameters,
        event_types: &[String],
        n_items: usize,
    ) -> Result<TifuKnn> {
        self.check()?;
        parameters.check_n_items(n_items)?;
        let kernel = parameters.take_kernel(&self.decay, event_types)?;
        let offsets: Vec<usize> = parameters
            .take_u64("offsets")?
            .iter()
            .filter_map(|&offset| usize::try_from(offset).ok())
            .collect();
        let items: Vec<ItemId> = parameters.take_u32("items")?.into_iter().map(ItemId).collect();
        let weights = parameters.take_f32("weights")?;
        let sound = offsets.first() == Some(&0)
            && offsets.is_sorted()
            && offsets.last() == Some(&items.len())
            && items.len() == weights.len()
            && items.iter().all(|item| item.index() < n_items);
        if !sound {
            return Err(Error::setting("vectors", "rows of known items", "arrays of another form"));
        }
        Ok(TifuKnn::index(self.clone(), kernel, Rows { offsets, items, weights }, n_items))
    }

    /// What each event of a history adds to its item in the user's vector; of a repeated item within one basket only the
    /// last event counts.
    fn event_weights(&self, kernel: &Kernel, history: History<'_>, as_of: Timestamp) -> Vec<f64> {
        let mut weights = vec![0.0; history.len()];
        let baskets: Vec<_> = history.baskets().collect();
        let group = self.group_size as usize;
        let groups = baskets.len().div_ceil(group).max(1);
        for (age, basket) in baskets.iter().rev().enumerate() {
            let in_group = group.min(baskets.len() - age / group * group);
            let decay =
                self.basket_decay.powi((age % group) as i32) * self.group_decay.powi((age / group) as i32);
            let weight = decay / (in_group * groups) as f64;
            let mut seen = Vec::with_capacity(basket.len());
            for place in basket.clone().rev() {
                if let Some(event) = history.get(place).filter(|event| !seen.contains(&event.item)) {
                    seen.push(event.item);
                    let left = kernel.weight(event.event_type, as_of.days_since(event.time));
                    weights[place] = weight * f64::from(left);
                }
            }
        }
        weights
    }

    /// The vector of a history: items ascending with their weights.
    fn vector(&self, kernel: &Kernel, history: History<'_>, as_of: Timestamp) -> Vec<(ItemId, f32)> {
        let weights = self.event_weights(kernel, history, as_of);
        let mut cells: Vec<(ItemId, f64)> = history.items().iter().copied().zip(weights).collect();
        cells.sort_by_key(|cell| cell.0);
        cells
            .chunk_by(|a, b| a.0 == b.0)
            .map(|run| (run[0].0, run.iter().map(|cell| cell.1).sum::<f64>() as f32))
            .filter(|cell| cell.1 != 0.0)
            .collect()
    }
}

/// Sparse rows of users' vectors.
struct Rows {
    offsets: Vec<usize>,
    items: Vec<ItemId>,
    weights: Vec<f32>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { offsets: vec![0], items: Vec::new(), weights: Vec::new() }
    }
}

impl Rows {
    fn push(&mut self, row: &[(ItemId, f32)]) {
        self.items.extend(row.iter().map(|cell| cell.0));
        self.weights.extend(row.iter().map(|cell| cell.1));
        self.offsets.push(self.items.len());
    }
}

impl TifuKnn {
    fn index(settings: TifuKnnSettings, kernel: Kernel, rows: Rows, n_items: usize) -> Self {
        let mut by_item = vec![Vec::new(); n_items];
        let mut norms = Vec::with_capacity(rows.offsets.len());
        for (user, row) in (0u32..).zip(rows.offsets.windows(2)) {
            let cells = rows.items[row[0]..row[1]].iter().zip(&rows.weights[row[0]..row[1]]);
            cells.clone().for_each(|(item, &weight)| by_item[item.index()].push((user, weight)));
            norms.push(cells.map(|(_, weight)| weight * weight).sum());
        }
        Self {
            settings,
            kernel,
            offsets: rows.offsets,
            items: rows.items,
            weights: rows.weights,
            norms,
            by_item,
        }
    }

    fn cells(&self, user: u32) -> impl Iterator<Item = (ItemId, f32)> + '_ {
        let row = self.offsets[user as usize]..self.offsets[user as usize + 1];
        self.items[row.clone()].iter().copied().zip(self.weights[row].iter().copied())
    }

    /// The nearest users that share an item with the vector, in a fixed order.
    fn neighbours(&self, vector: &[(ItemId, f32)]) -> Vec<u32> {
        let mut products: HashMap<u32, f32> = HashMap::new();
        for (item, weight) in vector {
            for &(user, other) in self.by_item.get(item.index()).map_or(&[][..], Vec::as_slice) {
                *products.entry(user).or_insert(0.0) += weight * other;
            }
        }
        let mut near: Vec<(f32, u32)> = products
            .into_iter()
            .map(|(user, product)| (self.norms[user as usize] - 2.0 * product, user))
            .collect();
        let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if near.len() > self.settings.neighbours {
            near.select_nth_unstable_by(self.settings.neighbours, order);
            near.truncate(self.settings.neighbours);
        }
        let mut users: Vec<u32> = near.into_iter().map(|neighbour| neighbour.1).collect();
        users.sort_unstable();
        users
    }

    fn others_weight(&self, neighbours: &[u32]) -> f32 {
        ((1.0 - self.settings.own_weight) / neighbours.len().max(1) as f64) as f32
    }
}

impl Recommender for TifuKnn {
    fn n_items(&self) -> usize {
        self.by_item.len()
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        let vector = self.settings.vector(&self.kernel, query.history, query.as_of);
        for &(item, weight) in &vector {
            scores.add(item, self.settings.own_weight as f32 * weight);
        }
        let neighbours = self.neighbours(&vector);
        let share = self.others_weight(&neighbours);
        for user in neighbours {
            self.cells(user).for_each(|(item, weight)| scores.add(item, share * weight));
        }
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        let weights = self.settings.event_weights(&self.kernel, query.history, query.as_of);
        let newest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let own = query.history.iter().zip(&weights).enumerate().filter(|(_, (event, _))| event.item == item);
        let reasons = own.map(|(place, (event, weight))| Reason {
            event: place,
            relation: "self".into(),
            age_days: query.as_of.days_since(event.time),
            decay: weight / newest,
            share: self.settings.own_weight * weight,
        });
        let vector = self.settings.vector(&self.kernel, query.history, query.as_of);
        let neighbours = self.neighbours(&vector);
        let share = self.others_weight(&neighbours);
        let others = neighbours.iter().flat_map(|&user| self.cells(user)).filter(|cell| cell.0 == item);
        let remainder =
            Remainder { name: "neighbours", share: others.map(|cell| f64::from(share * cell.1)).sum() };
        Explanation::sum_of(reasons, vec![remainder])
    }

    fn parameters(&self) -> Parameters {
        Parameters::default()
            .with_n_items(self.n_items())
            .with_kernel(&self.kernel)
            .with("offsets", Array::U64(self.offsets.iter().map(|&offset| offset as u64).collect()))
            .with("items", Array::U32(self.items.iter().map(|item| item.0).collect()))
            .with("weights", Array::F32(self.weights.clone()))
    }

    fn kernel(&self) -> Option<&Kernel> {
        Some(&self.kernel)
    }
}
