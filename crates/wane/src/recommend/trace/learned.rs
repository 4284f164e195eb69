//! What a trace model learned, in numbers that people can read.

use serde::Serialize;

use super::TraceModel;
use crate::train::Group;

/// What a trace model learned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Learned {
    /// The time scales, fastest first.
    pub scales: Vec<LearnedScale>,
    /// Weights of the event types in the traces: by them an event speaks for similar items.
    pub event_types: Vec<LearnedType>,
    /// The relations by which events speak.
    pub relations: Vec<LearnedRelation>,
    /// Popularity at several half-lives.
    pub popularity: Vec<LearnedPopularity>,
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
}

/// Popularity at one half-life.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LearnedPopularity {
    /// The half-life in days; none where all time counts.
    pub half_life_days: Option<f64>,
    /// `p_h`.
    pub weight: f32,
}

impl TraceModel {
    /// What was learned, for a log with these event types.
    pub fn learned(&self, event_types: &[String]) -> Learned {
        let mut order: Vec<usize> = (0..self.basis.len()).collect();
        order.sort_by(|&a, &b| self.basis.rates[b].total_cmp(&self.basis.rates[a]));
        let type_weights = self.weights.group(Group::Types).chunks_exact(self.basis.len().max(1));
        let event_types = event_types.iter().zip(type_weights).map(|(name, weights)| LearnedType {
            event_type: name.clone(),
            weights: order.iter().map(|&scale| weights[scale]).collect(),
        });
        Learned {
            scales: order.iter().map(|&scale| self.learned_scale(scale)).collect(),
            event_types: event_types.collect(),
            relations: (0..self.links.len()).map(|link| self.learned_relation(link)).collect(),
            popularity: self.learned_popularity(),
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

    fn learned_relation(&self, place: usize) -> LearnedRelation {
        let (link, gain) = (&self.links[place], self.weights.group(Group::Gains)[place]);
        let size = self.weights.shape.types * self.weights.shape.scales;
        let kernels = &self.weights.group(Group::Kernels)[place * size..][..size];
        let of_types = kernels.chunks_exact(self.weights.shape.scales.max(1));
        LearnedRelation {
            relation: link.name.clone(),
            reach: link.reach,
            gain,
            fresh: of_types.map(|coefficients| gain * coefficients.iter().sum::<f32>()).collect(),
        }
    }

    fn learned_popularity(&self) -> Vec<LearnedPopularity> {
        let weights = self.weights.group(Group::Fashions);
        let of_rate = |(&rate, &weight): (&f32, &f32)| LearnedPopularity {
            half_life_days: (rate > 0.0).then(|| std::f64::consts::LN_2 / f64::from(rate)),
            weight,
        };
        self.popularity.rates().iter().zip(weights).map(of_rate).collect()
    }
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
        let learned = model.learned(log.event_types());
        assert!(learned.scales.is_sorted_by(|a, b| a.half_life_days <= b.half_life_days));
        assert!(learned.event_types.iter().all(|of_type| of_type.weights.len() == 3));
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
}
