//! Personal frequency: what the user came back to before, most and latest first.
//!
//! `score(j) = sum over the user's past events i on j of k(a_i, s_i)`, with `k` the kernel weight of an event of type
//! `a_i` and age `s_i`. Without decay (`law = "none"`) it is the plain count, the strongest simple baseline of next-basket
//! prediction (Li et al., "A next basket recommendation reality check", 2023). It never recommends anything new.

use serde::{Deserialize, Serialize};

use super::hold_out::HoldOut;
use super::{Explanation, Parameters, Query, Range, Reason, Recommender, Scores, Training, Values};
use crate::decay::{DecaySettings, HalfLife, Kernel};
use crate::error::Result;
use crate::events::ItemId;

/// Settings of personal frequency.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PersonalFrequencySettings {
    /// How events lose weight with age.
    pub decay: DecaySettings,
}

/// Settings of the same without decay: event types may still weigh differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PersonalCountSettings {
    /// Weights of event types; the law is `none` unless set otherwise.
    pub decay: DecaySettings,
}

impl Default for PersonalCountSettings {
    fn default() -> Self {
        Self { decay: DecaySettings::without_decay() }
    }
}

impl PersonalCountSettings {
    /// Counts.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for decay settings out of range.
    pub fn fit(&self, training: &Training<'_>) -> Result<PersonalFrequency> {
        self.as_frequency().fit(training)
    }

    /// Restores a saved model.
    ///
    /// # Errors
    /// [`crate::Error::Unknown`] when an array is missing.
    pub fn load(
        &self,
        parameters: Parameters,
        event_types: &[String],
        n_items: usize,
    ) -> Result<PersonalFrequency> {
        self.as_frequency().load(parameters, event_types, n_items)
    }

    fn as_frequency(&self) -> PersonalFrequencySettings {
        PersonalFrequencySettings { decay: self.decay.clone() }
    }
}

/// Personal frequency, fitted: nothing but a kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonalFrequency {
    kernel: Kernel,
    n_items: usize,
}

impl PersonalFrequencySettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "decay.half_life", values: Values::Log(0.05, 1_000.0) },
        Range { name: "decay.law", values: Values::Choice(&["exponential", "power", "hyperbolic"]) },
    ];

    /// Finds the half-life, if it is not given.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for decay settings out of range.
    pub fn fit(&self, training: &Training<'_>) -> Result<PersonalFrequency> {
        let event_types = training.log.event_types();
        let auto = if self.decay.is_auto() { self.best_half_life(training)? } else { HalfLife::DAY };
        Ok(PersonalFrequency {
            kernel: self.decay.resolve(event_types, auto)?,
            n_items: training.log.n_items(),
        })
    }

    fn best_half_life(&self, training: &Training<'_>) -> Result<HalfLife> {
        self.decay.resolve(training.log.event_types(), HalfLife::DAY)?;
        HoldOut::last_baskets(training.log).best_half_life(|half_life, query, scores| {
            if let Ok(kernel) = self.decay.resolve(training.log.event_types(), half_life) {
                PersonalFrequency { kernel, n_items: training.log.n_items() }.score(query, scores);
            }
        })
    }

    /// Restores a saved model.
    ///
    /// # Errors
    /// [`crate::Error::Unknown`] when an array is missing.
    pub fn load(
        &self,
        mut parameters: Parameters,
        event_types: &[String],
        n_items: usize,
    ) -> Result<PersonalFrequency> {
        parameters.check_n_items(n_items)?;
        Ok(PersonalFrequency { kernel: parameters.take_kernel(&self.decay, event_types)?, n_items })
    }
}

impl Recommender for PersonalFrequency {
    fn n_items(&self) -> usize {
        self.n_items
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        for event in query.history.iter() {
            let weight = self.kernel.weight(event.event_type, query.as_of.days_since(event.time));
            if weight != 0.0 {
                scores.add(event.item, weight);
            }
        }
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        let own = query.history.iter().enumerate().filter(|(_, event)| event.item == item);
        let reasons = own.map(|(place, event)| {
            let age_days = query.as_of.days_since(event.time);
            Reason {
                event: place,
                relation: "self".into(),
                age_days,
                decay: self.kernel.decay(event.event_type, age_days),
                share: f64::from(self.kernel.weight(event.event_type, age_days)),
            }
        });
        Explanation::sum_of(reasons, Vec::new())
    }

    fn parameters(&self) -> Parameters {
        Parameters::default().with_n_items(self.n_items).with_kernel(&self.kernel)
    }

    fn kernel(&self) -> Option<&Kernel> {
        Some(&self.kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::HalfLifeSetting;
    use crate::events::{EventTypeId, History, Timestamp};

    #[test]
    fn recent_repeats_lead_and_shares_sum() {
        let decay = DecaySettings {
            half_life: HalfLifeSetting::Fixed(HalfLife::from_days(10.0).unwrap()),
            ..Default::default()
        };
        let kernel = decay.resolve(&["buy".into()], HalfLife::DAY).unwrap();
        let model = PersonalFrequency { kernel, n_items: 2 };
        let day = |n: i64| Timestamp::from_millis(n * 86_400_000);
        let items = [ItemId(0), ItemId(0), ItemId(1)];
        let times = [day(0), day(10), day(20)];
        let history = History::new(&items, &times, &[EventTypeId(0); 3]).unwrap();
        let query = Query { history, as_of: day(20), candidates: None };
        let mut scores = Scores::new(2);
        model.score(&query, &mut scores);
        assert_eq!(scores.values(), [0.75, 1.0]);
        let explanation = model.explain(&query, ItemId(0));
        assert_eq!(explanation.score, 0.75);
        assert_eq!(explanation.reasons.iter().map(|reason| reason.share).collect::<Vec<_>>(), [0.25, 0.5]);
    }
}
