//! Intensity: how often a user acts on a category by themselves, and by how much and how long what they did raises that.
//!
//! The rate at which user u acts on category c is (Hawkes 1971)
//!
//! `lambda_uc(t) = mu_uc s(t) + sum_j alpha_k beta_k exp(-beta_k (t - t_j))`
//!
//! - over the user's earlier events j: those in the category feed the components of their event type, those **elsewhere**
//!   one of their own. `alpha` is the expected number of further events in the category that one event brings about, and
//!   `ln 2 / beta` the half-life of what it excites.
//! - `s` is the rhythm of the week ([`Season`]), and `mu_uc` the user's base rate, one of a few nodes whose shares are fitted.
//!   So no form is assumed of how differently users want a category: most want nothing of it.
//!
//! Fitted by maximum likelihood, category by category, since nothing is shared between the rates of two categories but the
//! season. Intervals are those of the logarithms.
//!
//! Useful for: half-lives of interest, what is to come. Not useful for: goods that run out, whose return is no excitement
//! ([`survival`](super::survival)).

mod course;
mod fit;
mod likelihood;
mod outlook;
mod season;
mod simulate;
mod streams;

use rayon::prelude::*;
use serde::Serialize;

use self::fit::climb;
use self::likelihood::{DEGREE, Frame, Point};
use self::streams::{ELSEWHERE, Streams, Watched};
use super::survival::Interval;
use crate::error::{Error, Result};
use crate::events::{EventLog, EventTypeId, Timestamp};

pub use course::{Ahead, Course};
pub use outlook::Outlook;
pub use season::Season;

/// Base rates that users may have, in steps of a third around the mean of all users; 0 comes beside them.
const STEP: f64 = 1.32;
const NODES: std::ops::RangeInclusive<i32> = -15..=15;
/// Rounds in which season and categories are fitted in turn.
const ROUNDS: usize = 2;
/// Half of a 95 % interval, in standard errors.
const NORMAL: f64 = 1.96;

/// What feeds a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Events of a type in the category.
    Type(EventTypeId),
    /// The user's events in other categories.
    Elsewhere,
}

/// What events of one source excite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Component {
    /// Which events.
    pub source: Source,
    /// How many they were.
    pub events: u64,
    /// Expected further events in the category that one event brings about (`alpha`).
    pub follow_ups: Interval,
    /// Days after which what an event excites has halved (`ln 2 / beta`).
    pub half_life: Interval,
}

impl Component {
    /// `beta`, per day.
    fn rate(&self) -> f64 {
        std::f64::consts::LN_2 / self.half_life.value
    }
}

/// What was learned of a category.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CategoryIntensity {
    /// The category, as numbered by the caller.
    pub category: u32,
    /// What excites it.
    pub components: Vec<Component>,
    /// Base rates per day, with the share of users that have them.
    pub base: Vec<(f64, f64)>,
    /// Of what users did after their first moment.
    pub log_likelihood: f64,
    /// Whether the top of the likelihood was reached.
    pub is_top: bool,
}

impl CategoryIntensity {
    /// Events in the category.
    fn own_events(&self) -> f64 {
        let own = self.components.iter().filter(|own| own.source != Source::Elsewhere);
        own.map(|own| own.events as f64).sum()
    }
}

/// What was learned of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Intensity {
    /// The rhythm of the week.
    pub season: Season,
    /// Categories with events.
    pub categories: Vec<CategoryIntensity>,
}

impl Intensity {
    /// Fits the events before `end`. `categories[item]` is the category of an item; events without one excite as events
    /// elsewhere do.
    ///
    /// # Errors
    /// [`Error::Empty`] when no event has a category or all events are at one moment.
    pub fn fit(log: &EventLog, categories: &[Option<u32>], end: Timestamp) -> Result<Self> {
        let mut season = Season::even();
        let mut found: Vec<Fitted> = Vec::new();
        for _ in 0..ROUNDS {
            let watched = Watched::new(log, categories, end, &season);
            let fit = |category: usize| {
                let streams = watched.streams(category);
                let former = found.iter().find(|former| former.category == category as u32);
                Fitted::of(category as u32, &streams, &season, former)
            };
            found = (0..watched.n_categories()).into_par_iter().filter_map(fit).collect();
            let mut counts = Season::no_counts();
            for category in &found {
                counts.iter_mut().zip(&category.base_hours).for_each(|(sum, count)| *sum += count);
            }
            season = Season::of_counts(&counts);
        }
        if found.is_empty() {
            return Err(Error::Empty {
                what: "no user acted on a category at two different times".to_owned(),
                remedy: "Give a catalogue with a category column and a log that spans some time".to_owned(),
            });
        }
        Ok(Self { season, categories: found.into_iter().map(Fitted::finish).collect() })
    }
}

/// A fitted category with what the next round needs.
struct Fitted {
    category: u32,
    components: Vec<(Source, u64)>,
    base: Vec<(f64, f64)>,
    top: fit::Top,
    base_hours: Vec<f64>,
}

impl Fitted {
    fn of(category: u32, streams: &Streams, season: &Season, former: Option<&Self>) -> Option<Self> {
        let wishes = streams.moments.iter().filter(|moment| moment.source != ELSEWHERE).count() as f64;
        let exposure: f64 = streams.users.iter().map(|user| user.exposure).sum::<f64>()
            + streams.quiet.iter().map(|(exposure, users)| exposure * users).sum::<f64>();
        if wishes == 0.0 || exposure <= 0.0 {
            return None;
        }
        let mut sources: Vec<(u16, u64)> = Vec::new();
        for moment in &streams.moments {
            match sources.iter_mut().find(|(source, _)| *source == moment.source) {
                Some((_, count)) => *count += 1,
                None => sources.push((moment.source, 1)),
            }
        }
        sources.sort_unstable();
        // Half of what comes is taken to be excited.
        let mean = 0.5 * wishes / exposure;
        let nodes: Vec<f64> = std::iter::once(0.0).chain(NODES.map(|step| mean * STEP.powi(step))).collect();
        let prior = start(streams, &sources);
        let own: Vec<u16> = sources.iter().map(|source| source.0).collect();
        let frame = Frame { streams, season, sources: &own, nodes: &nodes };
        let top = climb(&frame, &prior, former.map_or(&prior, |former| &former.top.at));
        let base_hours = top.base_hours.clone();
        let source = |place: u16| match place {
            ELSEWHERE => Source::Elsewhere,
            kind => Source::Type(EventTypeId(kind as u8)),
        };
        let components = sources.into_iter().map(|(place, count)| (source(place), count)).collect();
        Some(Self {
            category,
            components,
            base: nodes.iter().copied().zip(frame.laws(&top.at).weights).collect(),
            top,
            base_hours,
        })
    }

    fn finish(self) -> CategoryIntensity {
        let interval = |place: usize, of: fn(f64) -> f64| {
            let value = self.top.at.values[place];
            let error = self.top.covariance.as_ref().map_or(f64::INFINITY, |own| own[(place, place)].sqrt());
            let (one, other) = (of(value - NORMAL * error), of(value + NORMAL * error));
            Interval { value: of(value), low: one.min(other), high: one.max(other) }
        };
        let component = |(place, &(source, events)): (usize, &(Source, u64))| Component {
            source,
            events,
            follow_ups: interval(2 * place, f64::exp),
            half_life: interval(2 * place + 1, |value| std::f64::consts::LN_2 * (-value).exp()),
        };
        CategoryIntensity {
            category: self.category,
            components: self.components.iter().enumerate().map(component).collect(),
            base: self.base,
            log_likelihood: self.top.log_likelihood,
            is_top: self.top.is_top,
        }
    }
}

/// Where to start: half-lives of the median gap between a user's moments in the category.
fn start(streams: &Streams, sources: &[(u16, u64)]) -> Point {
    let mut gaps: Vec<f64> = streams
        .users
        .iter()
        .flat_map(|user| {
            let own =
                streams.moments[user.first..user.last].iter().filter(|moment| moment.source != ELSEWHERE);
            let days: Vec<f64> = own.map(|moment| moment.day).collect();
            days.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
        })
        .filter(|&gap| gap > 0.0)
        .collect();
    gaps.sort_by(f64::total_cmp);
    let gap = gaps.get(gaps.len() / 2).copied().unwrap_or(streams.end / 10.0).max(1e-6);
    let of_source = |(source, _): &(u16, u64)| {
        let follow_ups = if *source == ELSEWHERE { 0.02f64 } else { 0.3 };
        [follow_ups.ln(), (std::f64::consts::LN_2 / gap).ln()]
    };
    let mut values: Vec<f64> = sources.iter().flat_map(of_source).collect();
    // Half of the users want nothing; the others' base rates lie around the mean.
    let n = NODES.count() as f64;
    values.extend([(0.3 * n).ln(), 0.0, -1.5]);
    values.extend(std::iter::repeat_n(0.0, DEGREE - 2));
    Point { values }
}

#[cfg(test)]
mod tests;
