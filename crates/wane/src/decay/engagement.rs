//! Decayed engagement: the share of peak activity against age, and the simplest law through it, `y = alpha exp(-beta t)`.
//!
//! Age counts from a user's first event in a cell. At each whole age t, in [`Unit`]s, stands the share of the users still watched who
//! acted then; divided by its peak it is `y_t`. The law is fitted by least squares, each watched user counting once per age:
//! `min sum_t n_t (y_t - alpha exp(-beta t))^2`. For a given `beta` the best `alpha` is known, so the search is along one line.
//! Standard errors are those of nonlinear regression: `s^2 (J' N J)^-1`.
//!
//! It differs from the half-life of return (`survival`): that is the time until the **next** event of those who come back, this the age
//! at which **activity** has halved. Who comes every month for ten years returns within a month, and their engagement does not fall.
//!
//! Useful for: how long a title, a topic or a customer stays alive. Not useful for: when to remind.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::survival::{Cell, Interval};
use crate::events::{EventLog, EventTypeId, History, MILLIS_PER_DAY, Timestamp};

/// Users per piece of work.
const PIECE: usize = 4_096;
/// Share of a cell's users that must still be watched at an age that may be the peak.
const SEEN: f64 = 0.2;
/// Ages with activity that a law needs.
const LEAST_AGES: usize = 4;
/// Ages that are looked at, at most: what the law is to describe lies within the first of them.
const MOST_AGES: u32 = 2_000;
/// Ages between a user's first event and the middle of what follows, at least.
const APART: i64 = 10;
/// Rates that are tried before the best is closed in on.
const TRIED: u32 = 400;
/// Half of a 95 % interval, in standard errors.
const NORMAL: f64 = 1.96;

/// What ages are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Minutes, where a user is a session.
    Minute,
    /// Hours.
    Hour,
    /// Days, where users come back for weeks.
    Day,
}

/// How many users were watched and how many acted, by age.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Engagement {
    /// Users by the last whole age at which they were watched.
    watched: BTreeMap<u32, u64>,
    /// Users who acted, by age from 1.
    active: BTreeMap<u32, u64>,
}

/// The law `y = alpha exp(-beta t)` of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EngagementLaw {
    /// Share of the peak at age 0.
    pub alpha: Interval,
    /// Days until engagement has halved: `ln 2 / beta`.
    pub half_life_days: Interval,
    /// Share of the users who act at the peak.
    pub peak: f64,
    /// Share of the variation over ages that the law explains.
    pub r_squared: f64,
}

impl Unit {
    /// The largest in which half of what users do is ten ages or more after their first event.
    pub fn of(log: &EventLog) -> Self {
        let mut ages: Vec<i64> = Vec::new();
        for (_, history) in log.histories() {
            let first = history.times().first().map_or(0, |first| first.millis());
            ages.extend(history.times().iter().map(|time| time.millis() - first).filter(|&age| age > 0));
        }
        let middle = ages.len() / 2;
        let median = if ages.is_empty() { 0 } else { *ages.select_nth_unstable(middle).1 };
        let units = [Self::Day, Self::Hour, Self::Minute];
        units.into_iter().find(|unit| median >= APART * unit.millis()).unwrap_or(Self::Minute)
    }

    const fn millis(self) -> i64 {
        match self {
            Self::Minute => MILLIS_PER_DAY / 1_440,
            Self::Hour => MILLIS_PER_DAY / 24,
            Self::Day => MILLIS_PER_DAY,
        }
    }

    fn days(self) -> f64 {
        self.millis() as f64 / MILLIS_PER_DAY as f64
    }

    fn age(self, from: Timestamp, to: Timestamp) -> u32 {
        let age = to.millis().saturating_sub(from.millis()).max(0) / self.millis();
        u32::try_from(age).unwrap_or(u32::MAX)
    }
}

/// Counts all cells of a log, an event type on a key each, until `end`. `keys[item]` is the key of an item; items without one are
/// left out. The counts of any split of the users add up ([`Engagement::merge`]).
pub fn engagement(
    log: &EventLog,
    keys: &[Option<u32>],
    unit: Unit,
    end: Timestamp,
) -> BTreeMap<Cell, Engagement> {
    let histories: Vec<History<'_>> = log.histories().map(|(_, history)| history).collect();
    let of_piece = |piece: &[History<'_>]| {
        let mut cells: BTreeMap<Cell, Engagement> = BTreeMap::new();
        for history in piece {
            let mut own: BTreeMap<Cell, Vec<Timestamp>> = BTreeMap::new();
            for event in history.iter() {
                if let Some(key) = keys.get(event.item.index()).copied().flatten() {
                    own.entry(Cell { event_type: event.event_type, key }).or_default().push(event.time);
                }
            }
            for (cell, times) in own {
                cells.entry(cell).or_default().add(&times, unit, end);
            }
        }
        cells
    };
    let join = |mut one: BTreeMap<Cell, Engagement>, other: BTreeMap<Cell, Engagement>| {
        other.into_iter().for_each(|(cell, counts)| one.entry(cell).or_default().merge(&counts));
        one
    };
    histories.par_chunks(PIECE).map(of_piece).reduce(BTreeMap::new, join)
}

/// All keys of an event type together: a user is as many as the keys that they acted on.
pub fn engagement_of_type(cells: &BTreeMap<Cell, Engagement>, event_type: EventTypeId) -> Engagement {
    let mut sum = Engagement::default();
    cells.iter().filter(|(cell, _)| cell.event_type == event_type).for_each(|(_, own)| sum.merge(own));
    sum
}

impl Engagement {
    /// One user's times in the cell, in order.
    fn add(&mut self, times: &[Timestamp], unit: Unit, end: Timestamp) {
        let Some(&first) = times.first() else { return };
        *self.watched.entry(unit.age(first, end)).or_default() += 1;
        let mut ages: Vec<u32> = times.iter().map(|&time| unit.age(first, time)).collect();
        ages.dedup();
        for age in ages.into_iter().filter(|&age| age > 0) {
            *self.active.entry(age).or_default() += 1;
        }
    }

    /// Adds the counts of other users.
    pub fn merge(&mut self, other: &Self) {
        other.watched.iter().for_each(|(&age, users)| *self.watched.entry(age).or_default() += users);
        other.active.iter().for_each(|(&age, users)| *self.active.entry(age).or_default() += users);
    }

    /// Age, users watched throughout it, and the share of them who acted, from age 1 to the last, or the 2,000th.
    pub fn shares(&self) -> Vec<(u32, u64, f64)> {
        // The age at which watching ends is seen in part: it does not count.
        let last = self.watched.keys().next_back().copied().unwrap_or_default();
        let mut left: u64 = self.watched.values().sum();
        let mut ends = self.watched.iter().peekable();
        let mut shares = Vec::new();
        for age in 1..last.min(MOST_AGES) {
            while let Some((_, users)) = ends.next_if(|(end, _)| **end <= age) {
                left -= users;
            }
            if left == 0 {
                break;
            }
            let active = self.active.get(&age).copied().unwrap_or_default();
            shares.push((age, left, active as f64 / left as f64));
        }
        shares
    }

    /// The law through the shares; none where engagement does not halve while users are watched, or is too little.
    pub fn law(&self, unit: Unit) -> Option<EngagementLaw> {
        let shares = self.shares();
        let users: u64 = self.watched.values().sum();
        if shares.iter().filter(|share| share.2 > 0.0).count() < LEAST_AGES {
            return None;
        }
        let seen = shares.iter().filter(|share| share.1 as f64 >= SEEN * users as f64);
        let peak = seen.map(|share| share.2).fold(0.0, f64::max);
        let points: Vec<Point> = shares
            .iter()
            .map(|&(age, watched, share)| Point {
                age: f64::from(age),
                weight: watched as f64,
                y: share / peak,
            })
            .collect();
        (peak > 0.0).then(|| Regression::fit(&points))?.map(|fitted| fitted.law(unit, peak))
    }
}

struct Point {
    age: f64,
    weight: f64,
    y: f64,
}

/// The least squares through points.
struct Regression {
    alpha: f64,
    beta: f64,
    alpha_error: f64,
    beta_error: f64,
    r_squared: f64,
}

impl Regression {
    fn fit(points: &[Point]) -> Option<Self> {
        let last = points.last().map_or(1.0, |point| point.age);
        // Half-lives from a seventh of an age to the longest: beyond it nobody was watched.
        let (low, high) = ((std::f64::consts::LN_2 / last).ln(), 5f64.ln());
        let place = |step: u32| low + (high - low) * f64::from(step) / f64::from(TRIED);
        let of = |step: &u32| residue(points, place(*step).exp()).1;
        let best = (0..=TRIED).min_by(|one, other| of(one).total_cmp(&of(other)))?;
        if best == 0 || best == TRIED {
            return None;
        }
        let beta = closed_in(place(best - 1), place(best + 1), |ln| residue(points, ln.exp()).1).exp();
        let (alpha, rest) = residue(points, beta);
        let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
        for point in points {
            let (e, weight) = ((-beta * point.age).exp(), point.weight);
            let along_beta = -alpha * point.age * e;
            aa += weight * e * e;
            ab += weight * e * along_beta;
            bb += weight * along_beta * along_beta;
        }
        let (scale, determinant) = (rest / (points.len() as f64 - 2.0), aa * bb - ab * ab);
        let total: f64 = points.iter().map(|point| point.weight).sum();
        let mean = points.iter().map(|point| point.weight * point.y).sum::<f64>() / total;
        let spread: f64 = points.iter().map(|point| point.weight * (point.y - mean).powi(2)).sum();
        let is_sound = alpha > 0.0 && determinant > 0.0 && spread > 0.0;
        is_sound.then(|| Self {
            alpha,
            beta,
            alpha_error: (scale * bb / determinant).sqrt(),
            beta_error: (scale * aa / determinant).sqrt(),
            r_squared: 1.0 - rest / spread,
        })
    }

    fn law(&self, unit: Unit, peak: f64) -> EngagementLaw {
        let half_life = |beta: f64| {
            if beta > 0.0 { std::f64::consts::LN_2 / beta * unit.days() } else { f64::INFINITY }
        };
        let reach = NORMAL * self.beta_error;
        EngagementLaw {
            alpha: Interval {
                value: self.alpha,
                low: self.alpha - NORMAL * self.alpha_error,
                high: self.alpha + NORMAL * self.alpha_error,
            },
            half_life_days: Interval {
                value: half_life(self.beta),
                low: half_life(self.beta + reach),
                high: half_life(self.beta - reach),
            },
            peak,
            r_squared: self.r_squared,
        }
    }
}

/// The best `alpha` for a `beta`, and the weighted squares that it leaves.
fn residue(points: &[Point], beta: f64) -> (f64, f64) {
    let (mut ye, mut ee) = (0.0, 0.0);
    for point in points {
        let e = (-beta * point.age).exp();
        ye += point.weight * point.y * e;
        ee += point.weight * e * e;
    }
    let alpha = if ee > 0.0 { ye / ee } else { 0.0 };
    let left =
        points.iter().map(|point| point.weight * (point.y - alpha * (-beta * point.age).exp()).powi(2));
    (alpha, left.sum())
}

/// The least value between two places, by the golden section.
fn closed_in(mut low: f64, mut high: f64, of: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    for _ in 0..80 {
        let (one, other) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        if of(one) < of(other) { high = other } else { low = one }
    }
    0.5 * (low + high)
}
