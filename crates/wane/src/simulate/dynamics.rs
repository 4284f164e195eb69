//! The laws of the shop: how long each kind of interest lives, and what it brings about.
//!
//! The half-life of a cell is `type half-life * category pace * exp(spread * z)`, `z` standard normal. A drift
//! multiplies all half-lives of a category by [`DRIFT_FACTOR`], or divides them by it, from one moment on.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::ShopSettings;
use super::truth::{HalfLifeDrift, RepeatCycle, TrueHalfLife};
use super::words::LEAVES;
use crate::decay::HalfLife;
use crate::error::{Error, Result};

/// By how much a drift stretches or shrinks half-lives.
const DRIFT_FACTOR: f64 = 2.5;

/// Spread of repeat cycles: standard deviation of the logarithm.
const CYCLE_SPREAD: f64 = 0.25;

/// An average event must bring about clearly less than one other, or the shop never comes to rest.
const MAX_BRANCHING: f64 = 0.95;

/// Decay of one event type in one category, per day.
#[derive(Debug, Clone, Copy)]
struct Cell {
    rate: f64,
    later_rate: f64,
}

/// Cumulative shares, for drawing a place.
#[derive(Debug, Clone)]
pub(super) struct Shares(Vec<f64>);

impl Shares {
    pub(super) fn new(shares: impl IntoIterator<Item = f64>) -> Self {
        let running = shares.into_iter().scan(0.0, |total, share| {
            *total += share;
            Some(*total)
        });
        Self(running.collect())
    }

    /// A place with a probability by its share; `None` where all shares are 0.
    pub(super) fn draw<R: Rng>(&self, rng: &mut R) -> Option<usize> {
        let total = self.0.last().copied().filter(|&total| total > 0.0)?;
        let level = rng.random::<f64>() * total;
        Some(self.0.partition_point(|&end| end <= level).min(self.0.len() - 1))
    }
}

/// The laws by category and event type.
#[derive(Debug, Clone)]
pub(super) struct Dynamics {
    cells: Vec<Vec<Cell>>,
    /// Day of the drift of each category; infinite where there is none.
    drift_days: Vec<f64>,
    /// Types of visits, and of the follow-ups of each type.
    pub(super) starts: Shares,
    pub(super) next: Vec<Shares>,
    /// Expected number of events that a visit brings about, itself included.
    pub(super) cluster_size: f64,
}

impl Dynamics {
    /// Draws the laws.
    pub(super) fn draw(settings: &ShopSettings, rng: &mut Xoshiro256PlusPlus) -> Result<Self> {
        let drift_days = draw_drift_days(settings, rng);
        let cells = (0..settings.categories)
            .map(|category| draw_cells(settings, category, drift_days[category].is_finite(), rng))
            .collect();
        Ok(Self {
            cells,
            drift_days,
            starts: Shares::new(settings.types.iter().map(|kind| kind.start_share)),
            next: settings.types.iter().map(|kind| Shares::new(kind.next.iter().copied())).collect(),
            cluster_size: cluster_size(settings)?,
        })
    }

    /// The decay rate, per day, of an event that happens on `day`.
    pub(super) fn rate(&self, category: usize, kind: usize, day: f64) -> f64 {
        let cell = self.cells[category][kind];
        if day < self.drift_days[category] { cell.rate } else { cell.later_rate }
    }

    /// The planted half-lives, by category, then type.
    pub(super) fn true_half_lives(&self, settings: &ShopSettings) -> Result<Vec<TrueHalfLife>> {
        let cells =
            (0..settings.categories).flat_map(|c| (0..settings.types.len()).map(move |kind| (c, kind)));
        cells.map(|(category, kind)| self.true_half_life(settings, category, kind)).collect()
    }

    fn true_half_life(&self, settings: &ShopSettings, category: usize, kind: usize) -> Result<TrueHalfLife> {
        let half_life = |rate: f64| HalfLife::from_days(std::f64::consts::LN_2 / rate);
        let (cell, day) = (self.cells[category][kind], self.drift_days[category]);
        let drift = if day.is_finite() {
            let half_life_days = half_life(cell.later_rate)?;
            Some(HalfLifeDrift { at: settings.start.plus_days(day), half_life_days })
        } else {
            None
        };
        Ok(TrueHalfLife {
            department: LEAVES[category].department.to_owned(),
            category: LEAVES[category].name.to_owned(),
            event_type: settings.types[kind].name.clone(),
            half_life_days: half_life(cell.rate)?,
            follow_ups: settings.types[kind].follow_ups,
            drift,
        })
    }
}

/// The rhythm of a category, where its items are used up and the shop lets people buy again.
pub(super) fn repeat_cycle(settings: &ShopSettings, category: usize) -> Option<RepeatCycle> {
    let leaf = &LEAVES[category];
    (settings.repeat_probability > 0.0).then_some(())?;
    leaf.cycle_days.map(|cycle_days| RepeatCycle {
        category: leaf.name.to_owned(),
        cycle_days,
        spread: CYCLE_SPREAD,
        probability: settings.repeat_probability,
    })
}

/// The category that complements another: its neighbour in the table.
pub(super) fn complement(settings: &ShopSettings, category: usize) -> Option<usize> {
    Some(category ^ 1).filter(|&other| other < settings.categories && settings.complement_follow_ups > 0.0)
}

fn draw_drift_days(settings: &ShopSettings, rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    let drifting = (settings.half_life_drift * settings.categories as f64).round() as usize;
    let mut days = vec![f64::INFINITY; settings.categories];
    for place in rand::seq::index::sample(rng, settings.categories, drifting) {
        days[place] = settings.days * rng.random_range(0.4..0.6);
    }
    days
}

fn draw_cells(
    settings: &ShopSettings,
    category: usize,
    drifts: bool,
    rng: &mut Xoshiro256PlusPlus,
) -> Vec<Cell> {
    let stretch = if rng.random_bool(0.5) { DRIFT_FACTOR } else { DRIFT_FACTOR.recip() };
    let cell = |base: f64| {
        let noise: f64 = rng.sample(StandardNormal);
        let half_life = base * LEAVES[category].pace * (settings.half_life_spread * noise).exp();
        let rate = std::f64::consts::LN_2 / half_life;
        Cell { rate, later_rate: if drifts { rate / stretch } else { rate } }
    };
    settings.types.iter().map(|kind| kind.half_life_days).map(cell).collect()
}

/// Expected size of a cluster: `pi . (I + M + M^2 + ...) . 1`, where `M[a][b]` is the expected number of `b` after
/// an `a`. Repeats and complements count in full, the cut at the end of the log does not.
fn cluster_size(settings: &ShopSettings) -> Result<f64> {
    let starts = normalised(settings.types.iter().map(|kind| kind.start_share).collect());
    let matrix: Vec<Vec<f64>> =
        (0..settings.types.len()).map(|kind| expected_follow_ups(settings, kind, &starts)).collect();
    let (mut generation, mut size) = (starts, 1.0);
    let mut growth = 0.0;
    for _ in 0..200 {
        let before: f64 = generation.iter().sum();
        generation = (0..generation.len())
            .map(|b| generation.iter().zip(&matrix).map(|(count, row)| count * row[b]).sum())
            .collect();
        let after: f64 = generation.iter().sum();
        growth = if after > 0.0 { after / before } else { 0.0 };
        size += after;
        if growth == 0.0 {
            break;
        }
    }
    if growth <= MAX_BRANCHING {
        Ok(size)
    } else {
        let expected = format!("an average event that brings about at most {MAX_BRANCHING} others");
        Err(Error::setting("types.follow_ups", expected, format!("{growth:.2}")))
    }
}

/// Row of the branching matrix: expected follow-ups of each type after one event of type `kind`.
fn expected_follow_ups(settings: &ShopSettings, kind: usize, starts: &[f64]) -> Vec<f64> {
    let parent = &settings.types[kind];
    let consumable = (0..settings.categories).filter(|&c| LEAVES[c].cycle_days.is_some()).count();
    let consumable_share = consumable as f64 / settings.categories as f64;
    let bought = f64::from(u8::from(parent.bought));
    normalised(parent.next.clone())
        .iter()
        .enumerate()
        .map(|(b, share)| {
            let repeat = if b == kind { settings.repeat_probability * consumable_share } else { 0.0 };
            let complement = settings.complement_follow_ups * starts[b];
            share * parent.follow_ups + bought * (repeat + complement)
        })
        .collect()
}

fn normalised(mut shares: Vec<f64>) -> Vec<f64> {
    let total: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= total);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::TypeSettings;
    use rand::SeedableRng;

    fn one_type(follow_ups: f64) -> ShopSettings {
        let kind = TypeSettings {
            name: "event".to_owned(),
            start_share: 1.0,
            half_life_days: 2.0,
            follow_ups,
            next: vec![1.0],
            bought: false,
        };
        ShopSettings { types: vec![kind], ..ShopSettings::default() }
    }

    #[test]
    fn a_cluster_of_one_type_is_a_geometric_series() {
        assert!((cluster_size(&one_type(0.6)).unwrap() - 2.5).abs() < 1e-9);
        assert_eq!(cluster_size(&one_type(0.0)).unwrap(), 1.0);
    }

    #[test]
    fn an_exploding_shop_is_refused() {
        let message = cluster_size(&one_type(1.0)).unwrap_err().to_string();
        assert!(message.contains("at most 0.95 others, got 1.00"), "{message}");
    }

    #[test]
    fn drift_changes_the_rate_by_its_factor() {
        let settings = ShopSettings { half_life_drift: 1.0, ..ShopSettings::default() };
        let dynamics = Dynamics::draw(&settings, &mut Xoshiro256PlusPlus::seed_from_u64(1)).unwrap();
        let factor = dynamics.rate(0, 0, 0.0) / dynamics.rate(0, 0, settings.days);
        assert!((factor.max(factor.recip()) - DRIFT_FACTOR).abs() < 1e-9);
    }

    #[test]
    fn shares_are_drawn_in_proportion() {
        let shares = Shares::new([1.0, 0.0, 3.0]);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        let mut counts = [0usize; 3];
        for _ in 0..10_000 {
            counts[shares.draw(&mut rng).unwrap()] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((counts[2] as f64 / 10_000.0 - 0.75).abs() < 0.02);
        assert_eq!(Shares::new([0.0]).draw(&mut rng), None);
    }
}
