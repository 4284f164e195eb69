//! From what was known as gaps began to the covariates of a regression.
//!
//! - `log2(1 + n)` of the user's `n` earlier moments there: each doubling counts alike;
//! - the part of the day (night from 0 h, morning from 6 h, afternoon from 12 h, evening from 18 h, as the log writes its times), beside the
//!   commonest; Saturday and Sunday beside the other days;
//! - thirds of the price, beside the cheapest; the share of discounts.
//!
//! What a log cannot tell is left out and said: a covariate that is the same for all gaps of every cell.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{GapStart, ObservedGaps};
use crate::decay::survival::Cell;
use crate::events::{MILLIS_PER_DAY, Timestamp};

/// Returns at least, for a cell to have a baseline of its own: those with fewer share one per event type.
const FEWEST: usize = 10;
/// Parts of the day.
const PARTS: [&str; 4] =
    ["night (0 to 6 h)", "morning (6 to 12 h)", "afternoon (12 to 18 h)", "evening (18 to 24 h)"];

/// A covariate in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// What it is.
    pub name: String,
    /// What it is compared with.
    pub against: String,
}

/// A covariate that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// What it was.
    pub name: String,
    /// Why.
    pub why: String,
}

/// Covariates of gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// One per covariate.
    pub features: Vec<Feature>,
    /// What the log cannot tell.
    pub left_out: Vec<LeftOut>,
    /// The gaps with their covariates.
    pub gaps: ObservedGaps,
    /// Baselines.
    pub baselines: usize,
    /// Cells that share one because they have few returns.
    pub small_cells: usize,
}

/// A covariate before it is known whether it varies.
struct Column {
    feature: Feature,
    values: Vec<f64>,
}

impl Features {
    /// The covariates that some gaps support.
    pub fn of(starts: &[GapStart]) -> Self {
        let mut left_out = Vec::new();
        let mut columns = vec![column("each doubling of earlier times", "", starts, |own| {
            f64::from(1 + own.before).log2()
        })];
        columns.extend(day_parts(starts, &mut left_out));
        columns.push(column("weekend", "weekday", starts, |own| flag(own.begin.hour_of_week() >= 5 * 24)));
        columns.extend(prices(starts, &mut left_out));
        let (baseline, baselines, small_cells) = baselines(starts);
        let mut gaps = ObservedGaps {
            days: starts.iter().map(|own| own.millis as f64 / MILLIS_PER_DAY as f64).collect(),
            is_return: starts.iter().map(|own| own.is_return).collect(),
            baseline,
            user: starts.iter().map(|own| own.user.0).collect(),
            width: 1,
            covariates: Vec::new(),
        };
        let mut kept = Vec::new();
        for Column { feature, values } in columns {
            gaps.covariates = values;
            if gaps.varies(0) {
                kept.push((feature, std::mem::take(&mut gaps.covariates)));
            } else {
                let why = "the same for all gaps of each cell".to_owned();
                left_out.push(LeftOut { name: feature.name, why });
            }
        }
        gaps.width = kept.len();
        gaps.covariates =
            (0..starts.len()).flat_map(|gap| kept.iter().map(move |(_, values)| values[gap])).collect();
        let features = kept.into_iter().map(|(feature, _)| feature).collect();
        Self { features, left_out, gaps, baselines, small_cells }
    }
}

fn column(name: &str, against: &str, starts: &[GapStart], value: impl Fn(&GapStart) -> f64) -> Column {
    Column {
        feature: Feature { name: name.to_owned(), against: against.to_owned() },
        values: starts.iter().map(value).collect(),
    }
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// One covariate per part of the day but the commonest.
fn day_parts(starts: &[GapStart], left_out: &mut Vec<LeftOut>) -> Vec<Column> {
    let part = |begin: Timestamp| begin.hour_of_week() % 24 / 6;
    let mut counts = [0usize; PARTS.len()];
    starts.iter().for_each(|own| counts[part(own.begin)] += 1);
    let used: Vec<usize> = (0..PARTS.len()).filter(|&place| counts[place] > 0).collect();
    // The first of the commonest.
    let Some(&common) = used.iter().rev().max_by_key(|&&place| counts[place]) else { return Vec::new() };
    if used.len() == 1 {
        let why = format!("all gaps begin in the {}", PARTS[common]);
        left_out.push(LeftOut { name: "part of the day".to_owned(), why });
    }
    let others = used.into_iter().filter(|&place| place != common);
    let against = PARTS[common].split(' ').next().unwrap_or_default();
    others.map(|place| column(PARTS[place], against, starts, |own| flag(part(own.begin) == place))).collect()
}

/// Thirds of the price and the share of discounts.
fn prices(starts: &[GapStart], left_out: &mut Vec<LeftOut>) -> Vec<Column> {
    let mut known: Vec<f32> = starts.iter().filter_map(|own| own.price).collect();
    if known.is_empty() {
        let why = "no prices: they come from a --catalogue, or from values with --value-is-price".to_owned();
        left_out.push(LeftOut { name: "price and discount".to_owned(), why });
        return Vec::new();
    }
    known.sort_unstable_by(f32::total_cmp);
    let (low, high) = (known[(known.len() - 1) / 3], known[(known.len() - 1) * 2 / 3]);
    let against = format!("price up to {low:.2}");
    let bands = [
        (low, high, format!("price {low:.2} to {high:.2}")),
        (high, f32::INFINITY, format!("price above {high:.2}")),
    ];
    let band = |(above, up_to, name): &(f32, f32, String)| {
        let is_in = |own: &GapStart| own.price.is_some_and(|price| price > *above && price <= *up_to);
        column(name, &against, starts, |own| flag(is_in(own)))
    };
    // Where many prices are the same, a third may be empty.
    let is_used = |column: &Column| column.values.iter().any(|&value| value > 0.0);
    let mut columns: Vec<Column> = bands.iter().map(band).filter(is_used).collect();
    if columns.is_empty() {
        left_out.push(LeftOut { name: "price".to_owned(), why: format!("all known prices are {high:.2}") });
    }
    if known.len() < starts.len() {
        columns.push(column("price unknown", &against, starts, |own| flag(own.price.is_none())));
    }
    columns.push(column("all at a discount", "nothing at one", starts, |own| f64::from(own.discount)));
    columns
}

/// The baseline of each gap, how many there are, and how many cells share one.
fn baselines(starts: &[GapStart]) -> (Vec<u32>, usize, usize) {
    let mut returns: BTreeMap<Cell, usize> = BTreeMap::new();
    for own in starts {
        *returns.entry(own.cell).or_default() += usize::from(own.is_return);
    }
    let small_cells = returns.values().filter(|&&returns| returns < FEWEST).count();
    let shared = |cell: Cell| (cell.event_type, (returns[&cell] >= FEWEST).then_some(cell.key));
    let mut numbers = BTreeMap::new();
    let number = |own: &GapStart| {
        let next = numbers.len() as u32;
        *numbers.entry(shared(own.cell)).or_insert(next)
    };
    let baseline = starts.iter().map(number).collect();
    (baseline, numbers.len(), small_cells)
}
