//! Half-lives of interest, cell by cell: counted, described by a law, drawn toward their like, and watched over time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use rayon::prelude::*;
use serde::Serialize;

use crate::decay::engagement::{Engagement, EngagementLaw, Unit, engagement, engagement_of_type};
use crate::decay::survival::{
    Cell, Drift, FittedLaw, GROUPS, Gaps, Interval, Left, ReturnLaw, Returns, Watch, best_law, drift,
    kaplan_meier, median, shrink,
};
use crate::error::{Error, Result};
use crate::events::{EventLog, EventTypeId, ItemId, Timestamp};
use crate::interest::Catalogue;

/// Windows that a log is cut into for drift.
const WINDOWS: i64 = 4;
/// One in so many parts of the log's span is how long each gap is watched there.
const WATCHED: i64 = 10;

/// What, beside the event type, half-lives are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HalfLifeBy {
    /// Nothing: a user comes back to the shop.
    EventType,
    /// The most general category.
    Department,
    /// The whole category path.
    Category,
    /// The brand.
    Brand,
    /// The item itself.
    Item,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfLivesAsked {
    /// What cells are.
    pub by: HalfLifeBy,
    /// The law of all cells; none for the one that describes each best.
    pub law: Option<ReturnLaw>,
    /// Whether to look for drift.
    pub drift: bool,
    /// Whether to fit how activity falls with age, too.
    pub engagement: bool,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HalfLifeCell {
    /// The event type.
    pub event_type: String,
    /// The category, brand or item; none for all.
    pub key: Option<String>,
    /// Gaps that were counted.
    pub gaps: u64,
    /// Those that ended with another event.
    pub returned: u64,
    /// The age in days by which half have come back, without assuming a law; none where that was not seen.
    pub median_days: Option<Interval>,
    /// The law that describes the gaps; its half-life is of those who come back.
    pub law: Option<FittedLaw>,
    /// Why there is none.
    pub no_law: Option<String>,
    /// The half-life drawn toward those of the event type's other cells, as far as there are few gaps.
    pub half_life_days: Option<Interval>,
    /// Whether the pace of return has changed.
    pub drift: Option<Drift>,
    /// How activity falls with the age of the user's first event; none where it was not asked for, or does not halve
    /// while users are watched.
    pub engagement: Option<EngagementLaw>,
    /// The share that has not come back, by age.
    #[serde(skip)]
    pub curve: Vec<Left>,
}

/// Half-lives of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HalfLives {
    /// Event types over all cells.
    pub event_types: Vec<HalfLifeCell>,
    /// Cells, by event type and key; empty where cells are the event types.
    pub cells: Vec<HalfLifeCell>,
    /// When each window of [`HalfLifeCell::drift`] begins and ends; empty where drift was not asked for.
    pub windows: Vec<(Timestamp, Timestamp)>,
}

/// Counts, fits and shrinks; `advance` hears of each finished cell and of how many there are.
///
/// # Errors
/// [`Error::Setting`] where cells need a catalogue that is not there, [`Error::Empty`] where nothing came after anything.
pub fn half_lives(
    log: &EventLog,
    catalogue: Option<&Catalogue>,
    asked: HalfLivesAsked,
    advance: &(dyn Fn(u64, u64) + Sync),
) -> Result<HalfLives> {
    let keys = Keys::of(log, catalogue, asked.by)?;
    let (start, end) = log.span().unwrap_or((Timestamp::from_millis(0), Timestamp::from_millis(0)));
    let returns = Returns::fit_partial(log, &keys.of_item, &Watch::until(end));
    if returns.cells().is_empty() {
        return Err(Error::Empty {
            what: "no event that anything could have come after".to_owned(),
            remedy: "Give a log that spans some time, and a catalogue that knows its items".to_owned(),
        });
    }
    let windows = if asked.drift { windows(start, end) } else { Vec::new() };
    let drifts = drifts(log, &keys.of_item, &windows, (start, end));
    let (done, of) = (std::sync::atomic::AtomicU64::new(0), returns.cells().len() as u64);
    let cells: Vec<(&Cell, &Vec<Gaps>)> = returns.cells().iter().collect();
    let describe = |(cell, groups): &(&Cell, &Vec<Gaps>)| {
        let key = keys.names.get(cell.key as usize).cloned();
        let described = describe(log, cell.event_type, key, groups, drifts.get(*cell).cloned(), asked.law);
        advance(done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, of);
        described
    };
    let mut described: Vec<HalfLifeCell> = cells.par_iter().map(describe).collect();
    draw_together(&mut described);
    let activity = asked.engagement.then(|| Activity::of(log, &keys.of_item, end));
    if let Some(activity) = &activity {
        described.iter_mut().zip(&cells).for_each(|(own, (cell, _))| own.engagement = activity.law(cell));
    }
    let cells = described;
    if keys.names.is_empty() {
        return Ok(HalfLives { event_types: cells, cells: Vec::new(), windows });
    }
    let types: Vec<EventTypeId> =
        (0..log.event_types().len()).map(|place| EventTypeId(place as u8)).collect();
    let of_type = |&event_type: &EventTypeId| {
        let groups = returns.of_type(event_type);
        let is_used = groups.iter().any(|gaps| gaps.count() > 0);
        is_used.then(|| HalfLifeCell {
            engagement: activity.as_ref().and_then(|activity| activity.law_of_type(event_type)),
            ..describe_type(log, event_type, &groups, asked.law)
        })
    };
    Ok(HalfLives { event_types: types.par_iter().filter_map(of_type).collect(), cells, windows })
}

/// How activity falls with age, cell by cell.
struct Activity {
    cells: BTreeMap<Cell, Engagement>,
    unit: Unit,
}

impl Activity {
    fn of(log: &EventLog, keys: &[Option<u32>], end: Timestamp) -> Self {
        let unit = Unit::of(log);
        Self { cells: engagement(log, keys, unit, end), unit }
    }

    fn law(&self, cell: &Cell) -> Option<EngagementLaw> {
        self.cells.get(cell)?.law(self.unit)
    }

    fn law_of_type(&self, event_type: EventTypeId) -> Option<EngagementLaw> {
        engagement_of_type(&self.cells, event_type).law(self.unit)
    }
}

fn describe_type(
    log: &EventLog,
    event_type: EventTypeId,
    groups: &[Gaps],
    law: Option<ReturnLaw>,
) -> HalfLifeCell {
    let mut cell = describe(log, event_type, None, groups, None, law);
    cell.half_life_days = cell.law.as_ref().map(|law| law.half_life_days);
    cell
}

fn describe(
    log: &EventLog,
    event_type: EventTypeId,
    key: Option<String>,
    groups: &[Gaps],
    drift: Option<Drift>,
    law: Option<ReturnLaw>,
) -> HalfLifeCell {
    let gaps = Gaps::sum(groups);
    let fitted = match law {
        None => best_law(&gaps, &ReturnLaw::ALL),
        Some(law) => best_law(&gaps, &[law]),
    };
    let (law, no_law) = match fitted {
        Ok(law) => (Some(law.with_jackknife(groups)), None),
        Err(unfit) => (None, Some(unfit.to_string())),
    };
    let curve = kaplan_meier(&gaps);
    HalfLifeCell {
        event_type: log.event_types().get(event_type.index()).cloned().unwrap_or_default(),
        key,
        gaps: gaps.count(),
        returned: gaps.returned(),
        median_days: median(&curve),
        law,
        no_law,
        half_life_days: None,
        drift,
        engagement: None,
        curve,
    }
}

/// Draws the half-lives of each event type's cells toward each other.
fn draw_together(cells: &mut [HalfLifeCell]) {
    for of_type in cells.chunk_by_mut(|a, b| a.event_type == b.event_type) {
        let known = |cell: &HalfLifeCell| {
            cell.law.as_ref().map(|law| (law.half_life_days.value.ln(), law.log_half_life_error))
        };
        let known: Vec<_> = of_type.iter().map(known).collect();
        if let Some(shrunk) = shrink(&known) {
            of_type.iter_mut().zip(shrunk.half_lives).for_each(|(cell, own)| cell.half_life_days = Some(own));
        }
    }
}

/// For how long each gap is watched where paces are compared, in milliseconds.
fn watched(start: Timestamp, end: Timestamp) -> i64 {
    ((end.millis() - start.millis()) / WATCHED).max(1)
}

/// Windows of equal length that leave time to watch the gaps of the last.
fn windows(start: Timestamp, end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let length = (end.millis() - start.millis() - watched(start, end)) / WINDOWS;
    let begin = |place: i64| Timestamp::from_millis(start.millis() + place * length);
    (0..WINDOWS).map(|place| (begin(place), begin(place + 1))).collect()
}

/// Drift of each cell: gaps that begin in each window, all watched for as long.
fn drifts(
    log: &EventLog,
    keys: &[Option<u32>],
    windows: &[(Timestamp, Timestamp)],
    (start, end): (Timestamp, Timestamp),
) -> BTreeMap<Cell, Drift> {
    let count = |&(from, to): &(Timestamp, Timestamp)| {
        Returns::fit_partial(log, keys, &Watch { begins: from..to, end, most: watched(start, end) })
    };
    let windows: Vec<Returns> = windows.iter().map(count).collect();
    let cells = windows.first().into_iter().flat_map(|first| first.cells().keys());
    let of_cell = |cell: &Cell| {
        let gaps = windows.iter().map(|window| window.cells().get(cell).cloned());
        let gaps: Vec<Vec<Gaps>> =
            gaps.map(|gaps| gaps.unwrap_or_else(|| vec![Gaps::default(); GROUPS])).collect();
        Some((*cell, drift(&gaps)?))
    };
    cells.filter_map(of_cell).collect()
}

/// Numbers of keys by item, and their names; no names where all items are alike.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keys {
    pub(super) of_item: Vec<Option<u32>>,
    pub(super) names: Vec<String>,
}

impl Keys {
    pub(super) fn of(log: &EventLog, catalogue: Option<&Catalogue>, by: HalfLifeBy) -> Result<Self> {
        let items = (0..log.n_items() as u32).map(ItemId);
        let needs =
            || Error::setting("by", "event-type or item where no --catalogue says more of items", by.name());
        let names: Vec<Option<String>> = match by {
            HalfLifeBy::EventType => {
                return Ok(Self { of_item: vec![Some(0); log.n_items()], names: Vec::new() });
            }
            HalfLifeBy::Item => items.map(|item| Some(log.items().name(item.index()).to_owned())).collect(),
            HalfLifeBy::Department => {
                let catalogue = catalogue.ok_or_else(needs)?;
                items.map(|item| catalogue.top_category(item).map(str::to_owned)).collect()
            }
            HalfLifeBy::Category => {
                let catalogue = catalogue.ok_or_else(needs)?;
                let path = |item| catalogue.category_path(item).collect::<Vec<_>>().join(" > ");
                items.map(path).map(|path| (!path.is_empty()).then_some(path)).collect()
            }
            HalfLifeBy::Brand => {
                let catalogue = catalogue.ok_or_else(needs)?;
                items.map(|item| catalogue.brand.get(item.index()).cloned().flatten()).collect()
            }
        };
        let mut sorted: Vec<String> = names.iter().flatten().cloned().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let place = |name: &Option<String>| Some(sorted.binary_search(name.as_ref()?).ok()? as u32);
        Ok(Self { of_item: names.iter().map(place).collect(), names: sorted })
    }
}

impl HalfLifeBy {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EventType => "event-type",
            Self::Department => "department",
            Self::Category => "category",
            Self::Brand => "brand",
            Self::Item => "item",
        }
    }
}

impl HalfLives {
    /// All cells as a table, the event types first.
    ///
    /// # Errors
    /// [`Error::Limit`] when the table is too large for one batch.
    pub fn table(&self) -> Result<RecordBatch> {
        let rows = || self.event_types.iter().chain(&self.cells);
        let text = |value: fn(&HalfLifeCell) -> Option<&str>| -> ArrayRef {
            Arc::new(rows().map(value).collect::<StringArray>())
        };
        let count = |value: fn(&HalfLifeCell) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(rows().map(value)))
        };
        let number = |value: fn(&HalfLifeCell) -> Option<f64>| -> ArrayRef {
            Arc::new(rows().map(value).collect::<Float64Array>())
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("event_type", text(|cell| Some(&cell.event_type))),
            ("key", text(|cell| cell.key.as_deref())),
            ("gaps", count(|cell| cell.gaps)),
            ("returned", count(|cell| cell.returned)),
            ("half_life_days", number(|cell| Some(cell.half_life_days?.value))),
            ("half_life_low", number(|cell| Some(cell.half_life_days?.low))),
            ("half_life_high", number(|cell| Some(cell.half_life_days?.high))),
            ("law", text(|cell| Some(cell.law.as_ref()?.law.name()))),
            ("never_returns", number(|cell| Some(cell.law.as_ref()?.never_returns?.value))),
            ("bump_days", number(|cell| cell.law.as_ref()?.bump_days)),
            ("misfit", number(|cell| Some(cell.law.as_ref()?.misfit))),
            ("median_days", number(|cell| Some(cell.median_days?.value))),
            ("drift_p", number(|cell| Some(cell.drift.as_ref()?.p_value))),
            ("engagement_half_life_days", number(|cell| Some(cell.engagement?.half_life_days.value))),
            ("engagement_half_life_low", number(|cell| Some(cell.engagement?.half_life_days.low))),
            ("engagement_half_life_high", number(|cell| Some(cell.engagement?.half_life_days.high))),
            ("engagement_alpha", number(|cell| Some(cell.engagement?.alpha.value))),
            ("engagement_r_squared", number(|cell| Some(cell.engagement?.r_squared))),
        ];
        RecordBatch::try_from_iter(columns).map_err(|_| Error::Limit {
            what: "cells of one table of half-lives",
            limit: u64::from(u32::MAX),
            got: rows().count() as u64,
            remedy: "Ask by a more general key",
        })
    }
}
