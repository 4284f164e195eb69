//! Intensity: how often a user acts on a category by themselves, and by how much and how long what they did raises that.
//!
//! The rate at which user u acts on category c is (Hawkes 1971)
//!
//! `lambda_uc(t) = mu_uc s(t) + sum_j alpha_k beta_k exp(-beta_k (t - t_j))`
//!
//! - over the user's earlier events j: those in the category feed the components of their event type, those **elsewhere**
//!   one of their own. `alpha` is the expected number of further events in the category that one event brings about, and
//!   `ln 2 / beta` the half-life of what it excites.
//! - An event has a type: of what comes of its own the share `p_0b` is of type b, of what component k excites `p_kb`. Who bought after
//!   a visit to the cart came because of it, which the times alone do not say: without types half-lives of rare ones came out too short.
//! - `s` is the rhythm of the week ([`Season`]), and `mu_uc` the user's base rate, one of a few nodes whose shares are fitted.
//!   So no form is assumed of how differently users want a category: most want nothing of it. Users whose first event is in the
//!   category have shares of their own: nothing excited it, so they want something here.
//!
//! Fitted by maximum likelihood, category by category, since nothing is shared between the rates of two categories but the
//! season. Season, types and rates are fitted in turn (expectation and maximization) until nothing is gained: a season that
//! is known by half makes busy hours look like excitement. Of large logs a sample of the users does for that, and for
//! errors; the rates are those of all. Intervals are those of the logarithms.
//!
//! Useful for: half-lives of interest, what is to come. Not useful for: goods that run out, whose return is no excitement
//! ([`survival`](super::survival)).

mod course;
mod fit;
mod likelihood;
mod outlook;
mod rounds;
mod season;
mod simulate;
mod streams;

use rayon::prelude::*;
use serde::Serialize;

use self::fit::{Top, approach, climb, covariance, inverse_curvature};
use self::likelihood::{DEGREE, Frame, Marks, Point, TILTS};
use self::streams::{ELSEWHERE, Exposures, Streams, Watched};
use super::survival::Interval;
use crate::error::{Error, Result};
use crate::events::{EventLog, EventTypeId, Timestamp};

pub use course::{Ahead, Course};
pub use outlook::Outlook;
pub use season::Season;

/// Base rates that users may have, in steps of a third around the mean of all users; 0 comes beside them.
const STEP: f64 = 1.32;
const NODES: std::ops::RangeInclusive<i32> = -15..=15;
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
    /// Shares of event types among what they excite, in the order of the components.
    pub next: Vec<f64>,
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
    /// Shares of event types among what nothing excites, in the order of the components.
    pub begins: Vec<f64>,
    /// Shares of the base rates among users whose first event was in the category: who begins here wants something here.
    pub base_of_openers: Vec<f64>,
    /// Of what users did after their first moment.
    pub log_likelihood: f64,
    /// Whether the top of the likelihood was reached, and season and event types had settled before.
    pub is_top: bool,
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
        let watched = Watched::new(log, categories, end);
        let exposures = watched.exposures(&season);
        let shape = |category: usize| Shape::of(category as u32, &watched.streams(category, &exposures, 1));
        let shapes: Vec<Shape> = (0..watched.n_categories()).into_par_iter().filter_map(shape).collect();
        if shapes.is_empty() {
            return Err(Error::Empty {
                what: "no user acted on a category at two different times".to_owned(),
                remedy: "Give a catalogue with a category column and a log that spans some time".to_owned(),
            });
        }
        let mut found: Vec<Fitted> = shapes.into_par_iter().map(Fitted::start).collect();
        let is_settled = rounds::settle(&watched, &mut season, &mut found);
        let exposures = watched.exposures(&season);
        let finish = |own: Fitted| own.finish(&watched, &exposures, &season);
        let mut categories: Vec<CategoryIntensity> = found.into_par_iter().map(finish).collect();
        categories.iter_mut().for_each(|own| own.is_top &= is_settled);
        Ok(Self { season, categories })
    }
}

/// What does not change while a category is fitted.
struct Shape {
    category: u32,
    /// What feeds each component, and how often it did.
    sources: Vec<(u16, u64)>,
    /// Base rates.
    nodes: Vec<f64>,
    /// Where the fit starts, and to where it is drawn.
    prior: Point,
    /// Users with events in the category.
    users: usize,
}

impl Shape {
    /// Nothing where there is nothing to fit.
    fn of(category: u32, streams: &Streams) -> Option<Self> {
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
        Some(Self {
            category,
            nodes: std::iter::once(0.0).chain(NODES.map(|step| mean * STEP.powi(step))).collect(),
            prior: start(streams, &sources),
            sources,
            users: streams.users.len(),
        })
    }

    /// Components that are fed by an event type.
    fn types(&self) -> usize {
        self.sources.iter().filter(|source| source.0 != ELSEWHERE).count()
    }
}

/// A category on the way to its top.
struct Fitted {
    shape: Shape,
    marks: Marks,
    top: Top,
    /// One in so many users is looked at.
    stride: usize,
}

impl Fitted {
    /// Before anything was looked at: what is excited is of the event types that all events are of.
    fn start(shape: Shape) -> Self {
        let types = shape.types();
        let counts: Vec<f64> = shape.sources[..types].iter().map(|source| source.1 as f64).collect();
        let marks = Marks::of_counts(&vec![counts; shape.sources.len() + 1], types);
        let top = Top::unseen(shape.prior.clone());
        Self { shape, marks, top, stride: 1 }
    }

    /// Looks at one in so many users from here on.
    fn sample(&mut self, stride: usize) {
        let former = std::mem::replace(&mut self.stride, stride);
        self.top = self.top.clone().with_users(former as f64 / stride as f64);
    }

    /// Comes near the top of the sample, and counts the event types there.
    fn approach(&mut self, watched: &Watched<'_>, exposures: &Exposures, season: &Season) {
        let streams = watched.streams(self.shape.category as usize, exposures, self.stride);
        self.top = approach(&self.frame(&streams, season), &self.shape.prior, self.top.clone());
        self.marks = Marks::of_counts(&self.top.sums.by_type, self.shape.types());
    }

    fn frame<'a>(&'a self, streams: &'a Streams, season: &'a Season) -> Frame<'a> {
        let Self { shape, marks, .. } = self;
        Frame { streams, season, sources: &shape.sources, nodes: &shape.nodes, marks }
    }

    /// The top of all, with intervals.
    fn finish(self, watched: &Watched<'_>, exposures: &Exposures, season: &Season) -> CategoryIntensity {
        let (&Shape { category, ref prior, .. }, stride) = (&self.shape, self.stride);
        // Errors are those of the sample: season and event types are known no better.
        let sample = watched.streams(category as usize, exposures, stride);
        let sample = self.frame(&sample, season);
        let mut top = climb(&sample, prior, self.top.clone());
        let inverse = inverse_curvature(&sample, prior, &top.at);
        if stride > 1 {
            let all = watched.streams(category as usize, exposures, 1);
            let from = top.with_inverse(inverse.clone()).with_users(stride as f64);
            top = climb(&self.frame(&all, season), prior, from);
        }
        let covariance = inverse.and_then(|own| covariance(&sample, prior, &top.at, &own));
        let interval = |place: usize, of: fn(f64) -> f64| {
            let value = top.at.values[place];
            let error = covariance.as_ref().map_or(f64::INFINITY, |own| own[(place, place)].sqrt());
            let (one, other) = (of(value - NORMAL * error), of(value + NORMAL * error));
            Interval { value: of(value), low: one.min(other), high: one.max(other) }
        };
        let component = |(place, &(source, events)): (usize, &(u16, u64))| Component {
            source: match source {
                ELSEWHERE => Source::Elsewhere,
                kind => Source::Type(EventTypeId(kind as u8)),
            },
            events,
            next: self.marks.excited[place].clone(),
            follow_ups: interval(2 * place, f64::exp),
            half_life: interval(2 * place + 1, |value| std::f64::consts::LN_2 * (-value).exp()),
        };
        let [others, openers] = sample.laws(&top.at).weights;
        CategoryIntensity {
            category,
            components: self.shape.sources.iter().enumerate().map(component).collect(),
            base: self.shape.nodes.iter().copied().zip(others.shares).collect(),
            base_of_openers: openers.shares,
            begins: self.marks.base.clone(),
            log_likelihood: top.log_likelihood,
            is_top: top.is_top,
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
    values.extend([(0.3 * n).ln(), 0.0, -4.0]);
    values.extend(std::iter::repeat_n(0.0, DEGREE - 2 + TILTS));
    Point { values }
}

#[cfg(test)]
mod tests;
