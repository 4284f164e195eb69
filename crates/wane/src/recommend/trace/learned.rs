//! What a trace model learned, in numbers that people can read.

use serde::Serialize;

use super::TraceModel;
use super::familiar::Familiarity;
use crate::events::{EventLog, History};
use crate::train::{Group, dot};

/// Ages at which relations are shown, in days: an hour to two years.
const AGES: [f64; 10] = [1.0 / 24.0, 0.25, 1.0, 3.0, 7.0, 14.0, 30.0, 60.0, 180.0, 730.0];

/// What a trace model learned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Learned {
    /// The time scales, fastest first.
    pub scales: Vec<LearnedScale>,
    /// Weights of the event types in the traces: by them an event speaks for similar items.
    pub event_types: Vec<LearnedType>,
    /// The relations by which events speak.
    pub relations: Vec<LearnedRelation>,
    /// The ages, in days, of [`LearnedRelation::by_age`].
    pub ages: Vec<f64>,
    /// Newer events (or baskets, where those are predicted) that come in a day, for the median user.
    pub pace: f64,
    /// How the wish for the same item again rises and wanes: of all items, then by department.
    pub departments: Vec<LearnedDepartment>,
    /// Popularity at several half-lives.
    pub popularity: Vec<LearnedPopularity>,
    /// What an item of the user's history is ahead of others, before anything speaks for it.
    pub familiar: f32,
}

/// A time scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LearnedScale {
    /// `ln 2 / lambda_m`, in days.
    pub half_life_days: f64,
    /// `delta_m`: what one newer event takes off the logarithm of an event's weight.
    pub displacement: f64,
    /// `exp(-delta_m)`: the share of an event's weight that one newer event leaves.
    pub kept_per_event: f64,
}

/// An event type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearnedType {
    /// Its name.
    pub event_type: String,
    /// `w[a, m]` in each time scale, in their order; 1 is where learning starts.
    pub weights: Vec<f32>,
}

/// A relation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearnedRelation {
    /// Its name.
    pub relation: String,
    /// Events, from the newest back, that speak by it.
    pub reach: u32,
    /// `g_r`: the gain of its saturated sum. The kernel has a size of its own, so relations are compared by `fresh`.
    pub gain: f32,
    /// `g_r sum_m kappa_r(a, 0, 0)` by event type: what a fresh event adds per unit of strength where little else speaks.
    pub fresh: Vec<f32>,
    /// What a lone event of the commonest type adds per unit of strength as it ages, by each of the ages asked for:
    /// `g_r asinh(kappa_r(s, pace s))`, with newer events coming at the usual pace. Not monotone where interest comes back.
    pub by_age: Vec<f32>,
}

/// How an event speaks for the same item again in the items of one department.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearnedDepartment {
    /// Its name; none for the items of no department.
    pub department: Option<String>,
    /// Age in days, from an hour on, at which a lone event speaks loudest: later than that where goods run out first.
    pub peak_days: f64,
    /// Age in days after the peak at which half of that is left; none where that is not seen within the log's span.
    pub half_life_days: Option<f64>,
    /// As [`LearnedRelation::by_age`].
    pub by_age: Vec<f32>,
}

/// Popularity at one half-life.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LearnedPopularity {
    /// The half-life in days; none where all time counts.
    pub half_life_days: Option<f64>,
    /// `p_h`.
    pub weight: f32,
    /// Its weight for the items of a user's history, `(1 + f_h) p_h`.
    pub familiar: f32,
}

impl TraceModel {
    /// What was learned from a log.
    pub fn learned(&self, log: &EventLog) -> Learned {
        let event_types = log.event_types();
        let mut order: Vec<usize> = (0..self.basis.len()).collect();
        order.sort_by(|&a, &b| self.basis.rates[b].total_cmp(&self.basis.rates[a]));
        let type_weights = self.weights.group(Group::Types).chunks_exact(self.basis.len().max(1));
        let event_types = event_types.iter().zip(type_weights).map(|(name, weights)| LearnedType {
            event_type: name.clone(),
            weights: order.iter().map(|&scale| weights[scale]).collect(),
        });
        let days = log.span().map_or(0.0, |(first, last)| last.days_since(first));
        let ages: Vec<f64> = AGES.into_iter().filter(|&age| age <= days).collect();
        let (common, pace) = (commonest_type(log), self.pace(log));
        Learned {
            scales: order.iter().map(|&scale| self.learned_scale(scale)).collect(),
            event_types: event_types.collect(),
            relations: (0..self.links.len())
                .map(|link| self.learned_relation(link, common, &ages, pace))
                .collect(),
            departments: self.learned_departments(common, &ages, pace, days),
            ages,
            pace,
            popularity: self.learned_popularity(),
            familiar: Familiarity::of(&self.weights).bonus,
        }
    }

    fn learned_scale(&self, scale: usize) -> LearnedScale {
        let displacement = f64::from(self.basis.displacements[scale]);
        LearnedScale {
            half_life_days: std::f64::consts::LN_2 / f64::from(self.basis.rates[scale]),
            displacement,
            kept_per_event: (-displacement).exp(),
        }
    }

    /// Places per day of the median user, among users with more than one.
    fn pace(&self, log: &EventLog) -> f64 {
        let pace = |history: History<'_>| {
            let days = history.times().last()?.days_since(*history.times().first()?);
            let places = *self.goal.steps(history).last()?;
            (days > 0.0).then(|| f64::from(places) / days)
        };
        let mut paces: Vec<f64> = log.histories().filter_map(|(_, history)| pace(history)).collect();
        paces.sort_by(f64::total_cmp);
        paces.get(paces.len() / 2).copied().unwrap_or_default()
    }

    fn learned_relation(&self, place: usize, common: usize, ages: &[f64], pace: f64) -> LearnedRelation {
        let (link, gain) = (&self.links[place], self.weights.group(Group::Gains)[place]);
        let size = self.weights.shape.types * self.weights.shape.scales;
        let kernels = &self.weights.group(Group::Kernels)[place * size..][..size];
        let of_types = kernels.chunks_exact(self.weights.shape.scales.max(1));
        LearnedRelation {
            by_age: self.by_age(place, common, None, ages, pace),
            relation: link.name.clone(),
            reach: link.reach,
            gain,
            fresh: of_types.map(|coefficients| gain * coefficients.iter().sum::<f32>()).collect(),
        }
    }

    /// What a lone event adds by a relation at each age.
    fn by_age(
        &self,
        link: usize,
        kind: usize,
        department: Option<usize>,
        ages: &[f64],
        pace: f64,
    ) -> Vec<f32> {
        let gain = self.weights.group(Group::Gains)[link];
        let [common, own] = self.coefficients_of(link, kind, department);
        let mut decays = vec![0.0; self.basis.len()];
        let at = |&age: &f64| {
            self.basis.weights(age as f32, (age * pace) as f32, &mut decays);
            gain * (dot(common, &decays) + dot(own, &decays)).asinh()
        };
        ages.iter().map(at).collect()
    }

    fn learned_departments(&self, kind: usize, ages: &[f64], pace: f64, span: f64) -> Vec<LearnedDepartment> {
        let mut links = self.links.iter().enumerate();
        let own = links.find_map(|(place, link)| Some((place, link.departments()?.names())));
        let Some((link, names)) = own else { return Vec::new() };
        // From an hour, before which is the same errand still, to the log's span, by steps of a fiftieth.
        let ages_from_an_hour = std::iter::successors(Some(AGES[0]), |age| Some(age * 1.02));
        let later = ages_from_an_hour.skip(1).take_while(|&age| age < span);
        let course: Vec<f64> = std::iter::once(AGES[0]).chain(later).collect();
        let of_department = |department: Option<usize>| {
            let heights = self.by_age(link, kind, department, &course, pace);
            let peak =
                (0..heights.len()).rev().max_by(|&a, &b| heights[a].total_cmp(&heights[b])).unwrap_or(0);
            let half = (peak..heights.len()).find(|&place| heights[place] <= heights[peak] / 2.0);
            LearnedDepartment {
                department: department.map(|place| names[place].clone()),
                peak_days: course[peak],
                half_life_days: half.map(|half| course[half] - course[peak]),
                by_age: self.by_age(link, kind, department, ages, pace),
            }
        };
        std::iter::once(None).chain((0..names.len()).map(Some)).map(of_department).collect()
    }

    fn learned_popularity(&self) -> Vec<LearnedPopularity> {
        let weights = self.weights.group(Group::Fashions);
        let of_rate = |((&rate, &weight), more): ((&f32, &f32), &f32)| LearnedPopularity {
            half_life_days: (rate > 0.0).then(|| std::f64::consts::LN_2 / f64::from(rate)),
            weight,
            familiar: (1.0 + more) * weight,
        };
        let more = Familiarity::of(&self.weights).fashions;
        self.popularity.rates().iter().zip(weights).zip(more).map(of_rate).collect()
    }
}

/// The event type with the most events.
fn commonest_type(log: &EventLog) -> usize {
    let mut counts = vec![0usize; log.event_types().len()];
    log.events().event_types().iter().for_each(|kind| counts[kind.index()] += 1);
    (0..counts.len()).rev().max_by_key(|&kind| counts[kind]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::events::{History, ItemId, Timestamp};
    use crate::recommend::linear::two_tastes;
    use crate::recommend::{Query, Recommender, TraceSettings, Training};

    #[test]
    fn a_fresh_event_adds_what_is_said_of_its_relation() {
        let log = two_tastes();
        let settings = TraceSettings { epochs: 2, scales: 3, dim: 4, ..TraceSettings::default() };
        let model = settings.fit(&Training::new(&log, None, 1)).unwrap();
        let learned = model.learned(&log);
        assert!(learned.scales.is_sorted_by(|a, b| a.half_life_days <= b.half_life_days));
        assert!(learned.event_types.iter().all(|of_type| of_type.weights.len() == 3));
        assert!(learned.relations.iter().all(|relation| relation.by_age.len() == learned.ages.len()));
        let own = learned.relations.iter().find(|relation| relation.relation == "self").unwrap();
        let (items, times) = ([ItemId(0)], [Timestamp::from_millis(0)]);
        let kinds = [log.history(crate::events::UserId(0)).event_types()[0]];
        let history = History::new(&items, &times, &kinds).unwrap();
        let reasons = model.explain(&Query { history, as_of: times[0], candidates: None }, ItemId(0)).reasons;
        let share = reasons.iter().find(|reason| reason.relation == "self").unwrap().share;
        // One event of strength 1: the share is g asinh(kappa), and `fresh` is g kappa.
        let gain = f64::from(own.gain);
        let expected = gain * (f64::from(own.fresh[kinds[0].index()]) / gain).asinh();
        assert!((share - expected).abs() < 1e-6, "{share} is not {expected}");
    }

    #[test]
    fn what_a_relation_adds_by_age_is_what_a_lone_event_adds() {
        let log = two_tastes();
        // Without displacement the pace of newer events does not matter.
        let settings =
            TraceSettings { epochs: 2, scales: 3, dim: 4, displacement: false, ..TraceSettings::default() };
        let model = settings.fit(&Training::new(&log, None, 1)).unwrap();
        let learned = model.learned(&log);
        assert!(!learned.ages.is_empty() && learned.pace > 0.0);
        let own = learned.relations.iter().find(|relation| relation.relation == "self").unwrap();
        let kinds = [crate::events::EventTypeId(super::commonest_type(&log) as u8)];
        let (items, times) = ([ItemId(0)], [Timestamp::from_millis(0)]);
        let history = History::new(&items, &times, &kinds).unwrap();
        for (&age, &expected) in learned.ages.iter().zip(&own.by_age) {
            let as_of = times[0].plus_days(age);
            let reasons = model.explain(&Query { history, as_of, candidates: None }, ItemId(0)).reasons;
            let share = reasons.iter().find(|reason| reason.relation == "self").unwrap().share;
            assert!((share - f64::from(expected)).abs() < 1e-4, "{age} days: {share} is not {expected}");
        }
    }
}
