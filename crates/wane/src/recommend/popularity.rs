//! Popularity: what everybody wants, of all time or lately.
//!
//! - all time: `score(j) = n_j / n`, the item's share of the training events
//! - decayed: `score(j, t) = sum over events e on j before t of k(a_e, t - t_e)`, counted at the moment of the question
//!   from strictly earlier events, so that the ranking of last spring is that of last spring
//!
//! The decayed sum of an exponential law is a running state: kept per item at each of its events, it is looked up by
//! binary search and aged by one multiplication. Other laws sum over the item's events.
//!
//! The score says nothing about the user; all of it is the remainder `popularity`.

use serde::{Deserialize, Serialize};

use super::{Array, Explanation, Parameters, Query, Range, Recommender, Remainder, Scores, Training, Values};
use crate::decay::{DecaySettings, HalfLife, Kernel, Law};
use crate::error::{Error, Result};
use crate::events::{EventTypeId, ItemId, Timestamp};

/// Settings of all-time popularity: there are none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PopularitySettings {}

/// All-time popularity, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Popularity {
    shares: Vec<f32>,
}

impl PopularitySettings {
    /// Counts.
    pub fn fit(&self, training: &Training<'_>) -> Popularity {
        let mut counts = vec![0u32; training.log.n_items()];
        training.log.events().items().iter().for_each(|item| counts[item.index()] += 1);
        let n = training.log.len().max(1) as f32;
        Popularity { shares: counts.into_iter().map(|count| count as f32 / n).collect() }
    }
}

impl Popularity {
    /// Restores a saved model.
    ///
    /// # Errors
    /// [`Error::Unknown`] when an array is missing.
    pub fn from_parameters(mut parameters: Parameters) -> Result<Self> {
        Ok(Self { shares: parameters.take_f32("shares")? })
    }

    /// Each item's share of the training events.
    pub fn shares(&self) -> &[f32] {
        &self.shares
    }
}

impl Recommender for Popularity {
    fn n_items(&self) -> usize {
        self.shares.len()
    }

    fn score(&self, _query: &Query<'_>, scores: &mut Scores) {
        scores.dense_mut().copy_from_slice(&self.shares);
    }

    fn explain(&self, _query: &Query<'_>, item: ItemId) -> Explanation {
        all_popularity(self.shares.get(item.index()).copied().unwrap_or(0.0))
    }

    fn parameters(&self) -> Parameters {
        Parameters::default().with("shares", Array::F32(self.shares.clone()))
    }
}

fn all_popularity(score: f32) -> Explanation {
    let remainders = vec![Remainder { name: "popularity", share: f64::from(score) }];
    Explanation { score, reasons: Vec::new(), remainders }
}

/// Settings of decayed popularity.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecayedPopularitySettings {
    /// How counts lose weight with age.
    pub decay: DecaySettings,
}

impl DecayedPopularitySettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[Range { name: "decay.half_life", values: Values::Log(0.05, 1_000.0) }];

    /// Sorts events by item and time; an automatic half-life is the one under which the last tenth of the training
    /// events is best predicted by the others.
    ///
    /// # Errors
    /// [`Error::Setting`] for decay settings out of range.
    pub fn fit(&self, training: &Training<'_>) -> Result<DecayedPopularity> {
        let events = EventsByItem::new(training);
        let auto = if self.decay.is_auto() { self.best_half_life(training, &events)? } else { HalfLife::DAY };
        let kernel = self.decay.resolve(training.log.event_types(), auto)?;
        Ok(DecayedPopularity::new(events, kernel, self.decay.law))
    }

    /// Maximises the mean log share of the items that came, over moments in the last tenth of the log.
    fn best_half_life(&self, training: &Training<'_>, events: &EventsByItem) -> Result<HalfLife> {
        let mut asked: Vec<(Timestamp, ItemId)> =
            training.log.events().iter().map(|event| (event.time, event.item)).collect();
        asked.sort_unstable();
        let last = asked.len() - asked.len() / 10;
        let step = (asked.len() / 10).div_ceil(QUESTIONS).max(1);
        let asked: Vec<_> = asked.into_iter().skip(last).step_by(step).collect();
        let mut best = (f64::NEG_INFINITY, HalfLife::from_days(30.0)?);
        for half_life in HalfLife::grid(training.log.span(), GRID) {
            let kernel = self.decay.resolve(training.log.event_types(), half_life)?;
            let model = DecayedPopularity::new(events.clone(), kernel, self.decay.law);
            let fit = model.log_share(&asked);
            if fit > best.0 {
                best = (fit, half_life);
            }
        }
        Ok(best.1)
    }
}

/// Moments at which a half-life is tried out, and half-lives tried.
const QUESTIONS: usize = 200;
const GRID: usize = 12;

/// Events in rows by item, oldest first.
#[derive(Debug, Clone, PartialEq)]
struct EventsByItem {
    offsets: Vec<usize>,
    times: Vec<Timestamp>,
    types: Vec<EventTypeId>,
}

impl EventsByItem {
    fn new(training: &Training<'_>) -> Self {
        let mut events: Vec<_> =
            training.log.events().iter().map(|event| (event.item, event.time, event.event_type)).collect();
        events.sort_unstable();
        let mut offsets = vec![0; training.log.n_items() + 1];
        events.iter().for_each(|event| offsets[event.0.index() + 1] += 1);
        for item in 1..offsets.len() {
            offsets[item] += offsets[item - 1];
        }
        Self {
            offsets,
            times: events.iter().map(|event| event.1).collect(),
            types: events.iter().map(|event| event.2).collect(),
        }
    }

    fn n_items(&self) -> usize {
        self.offsets.len() - 1
    }
}

/// Decayed popularity, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct DecayedPopularity {
    events: EventsByItem,
    kernel: Kernel,
    /// Decayed count at each event, that event included, where all types share one exponential law.
    running: Option<Vec<f64>>,
}

impl DecayedPopularity {
    fn new(events: EventsByItem, kernel: Kernel, law: Law) -> Self {
        let mut model = Self { events, kernel, running: None };
        if law == Law::Exponential && model.kernel.is_uniform() {
            model.running = Some(model.running_counts());
        }
        model
    }

    /// Restores a saved model.
    ///
    /// # Errors
    /// [`Error::Unknown`] when an array is missing, [`Error::Setting`] when the arrays do not fit each other.
    pub fn from_parameters(
        settings: &DecayedPopularitySettings,
        event_types: &[String],
        mut parameters: Parameters,
    ) -> Result<Self> {
        let kernel = parameters.take_kernel(&settings.decay, event_types)?;
        let offsets: Vec<usize> = parameters
            .take_u64("offsets")?
            .iter()
            .filter_map(|&offset| usize::try_from(offset).ok())
            .collect();
        let times: Vec<_> = parameters.take_i64("times")?.into_iter().map(Timestamp::from_millis).collect();
        let types: Vec<_> =
            parameters.take_u32("types")?.into_iter().map(|place| EventTypeId(place as u8)).collect();
        let sound = offsets.first() == Some(&0)
            && offsets.is_sorted()
            && offsets.last() == Some(&times.len())
            && types.len() == times.len();
        if !sound {
            return Err(Error::setting("offsets", "rows that cover all events", "arrays of another form"));
        }
        Ok(Self::new(EventsByItem { offsets, times, types }, kernel, settings.decay.law))
    }

    fn running_counts(&self) -> Vec<f64> {
        let mut running = Vec::with_capacity(self.events.times.len());
        for row in self.events.offsets.windows(2) {
            let (mut count, mut last) = (0.0, None);
            for place in row[0]..row[1] {
                let (time, event_type) = (self.events.times[place], self.events.types[place]);
                let aged =
                    last.map_or(0.0, |last| count * self.kernel.decay(event_type, time.days_since(last)));
                count = aged + f64::from(self.kernel.fresh_weight(event_type));
                last = Some(time);
                running.push(count);
            }
        }
        running
    }

    /// The decayed count of an item at a moment, from strictly earlier events.
    fn count(&self, item: ItemId, as_of: Timestamp) -> f64 {
        let bound = |place: usize| self.events.offsets.get(place).copied().unwrap_or(self.events.times.len());
        let (start, end) = (bound(item.index()), bound(item.index() + 1));
        let end = start + self.events.times[start..end].partition_point(|&time| time < as_of);
        match (&self.running, end.checked_sub(1)) {
            _ if end == start => 0.0,
            (Some(running), Some(last)) => {
                running[last]
                    * self.kernel.decay(self.events.types[last], as_of.days_since(self.events.times[last]))
            }
            _ => (start..end)
                .map(|place| {
                    let age = as_of.days_since(self.events.times[place]);
                    f64::from(self.kernel.weight(self.events.types[place], age))
                })
                .sum(),
        }
    }

    /// Mean log share of each item asked for at its moment; one event's worth is spread over all items.
    fn log_share(&self, asked: &[(Timestamp, ItemId)]) -> f64 {
        let spread = 1.0 / self.events.n_items().max(1) as f64;
        let share = |&(time, item): &(Timestamp, ItemId)| {
            let total: f64 =
                (0..self.events.n_items()).map(|item| self.count(ItemId(item as u32), time)).sum();
            ((self.count(item, time) + spread) / (total + 1.0)).ln()
        };
        asked.iter().map(share).sum::<f64>() / asked.len().max(1) as f64
    }
}

impl Recommender for DecayedPopularity {
    fn n_items(&self) -> usize {
        self.events.n_items()
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        match query.candidates {
            Some(candidates) => {
                candidates.iter().for_each(|&item| scores.set(item, self.count(item, query.as_of) as f32));
            }
            None => (0u32..)
                .zip(scores.dense_mut())
                .for_each(|(item, score)| *score = self.count(ItemId(item), query.as_of) as f32),
        }
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        all_popularity(self.count(item, query.as_of) as f32)
    }

    fn parameters(&self) -> Parameters {
        let offsets = self.events.offsets.iter().map(|&offset| offset as u64).collect();
        Parameters::default()
            .with_kernel(&self.kernel)
            .with("offsets", Array::U64(offsets))
            .with("times", Array::I64(self.events.times.iter().map(|time| time.millis()).collect()))
            .with("types", Array::U32(self.events.types.iter().map(|place| u32::from(place.0)).collect()))
    }

    fn kernel(&self) -> Option<&Kernel> {
        Some(&self.kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::HalfLifeSetting;
    use crate::events::{EventColumns, EventLog, History};
    use proptest::prelude::*;

    fn log(events: &[(u32, i64)]) -> EventLog {
        EventLog::from_columns(EventColumns {
            users: vec![0; events.len()],
            items: events.iter().map(|event| event.0).collect(),
            times: events.iter().map(|event| Timestamp::from_millis(event.1 * 86_400_000)).collect(),
            types: vec![EventTypeId(0); events.len()],
            user_names: vec!["u".into()],
            item_names: vec!["a".into(), "b".into()],
            event_types: vec!["view".into()],
            ..EventColumns::default()
        })
        .unwrap()
    }

    fn fitted(events: &[(u32, i64)], law: Law) -> DecayedPopularity {
        let half_life = HalfLifeSetting::Fixed(HalfLife::from_days(2.0).unwrap());
        let decay = DecaySettings { law, half_life, ..DecaySettings::default() };
        let log = log(events);
        DecayedPopularitySettings { decay }.fit(&Training::new(&log, None, 0)).unwrap()
    }

    fn scores(model: &dyn Recommender, day: i64) -> Vec<f32> {
        let history = History::new(&[], &[], &[]).unwrap();
        let as_of = Timestamp::from_millis(day * 86_400_000);
        let mut scores = Scores::new(2);
        model.score(&Query { history, as_of, candidates: None }, &mut scores);
        scores.values().to_vec()
    }

    #[test]
    fn counts_age_and_know_no_future() {
        let model = fitted(&[(0, 0), (0, 2), (1, 4), (1, 4)], Law::Exponential);
        assert_eq!(scores(&model, 4), [0.75, 0.0]);
        assert_eq!(scores(&model, 6), [0.375, 1.0]);
    }

    #[test]
    fn a_saved_model_comes_back() {
        let model = fitted(&[(0, 0), (1, 2)], Law::Power);
        let settings =
            DecayedPopularitySettings { decay: DecaySettings { law: Law::Power, ..Default::default() } };
        let back =
            DecayedPopularity::from_parameters(&settings, &["view".into()], model.parameters()).unwrap();
        assert_eq!(back, model);
    }

    #[test]
    fn an_automatic_half_life_follows_the_fashion() {
        // What is wanted changes every ten days, so only the last days tell.
        let events: Vec<_> = (0..200).map(|day| (u32::from(day / 10 % 2 == 0), day)).collect();
        let log = log(&events);
        let training = Training::new(&log, None, 0);
        let model = DecayedPopularitySettings::default().fit(&training).unwrap();
        assert!(model.kernel.common_half_life().days() < 5.0, "{:?}", model.kernel.common_half_life());
    }

    proptest! {
        #[test]
        fn the_running_count_is_the_sum(events in proptest::collection::vec((0u32..2, 0i64..30), 1..40), day in 0i64..40) {
            let fast = fitted(&events, Law::Exponential);
            let slow = DecayedPopularity { running: None, ..fast.clone() };
            for (a, b) in scores(&fast, day).into_iter().zip(scores(&slow, day)) {
                prop_assert!((a - b).abs() <= 1e-5 * b.abs().max(1e-3), "{} and {}", a, b);
            }
        }
    }
}
