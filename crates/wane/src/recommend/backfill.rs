//! Backfill: popularity, far below everything that a model has to say.
//!
//! `score'(j) = score(j) + 1e-6 * n_j / n`, `n_j / n` being the item's share of the training events.
//!
//! A neighbourhood model is silent on most items, and silence is a tie: a user without neighbours would be shown the
//! first ids of the vocabulary. The summand is smaller than any score that means something, so it orders what is tied
//! and changes nothing else.
//!
//! To keep a sparse score table sparse, only the `reach` most popular items get it (or the candidates, where a
//! question names them): no list is longer, and beyond them one rarely wanted item is as good a guess as another.

use serde::{Deserialize, Serialize};

use super::{
    Array, Explanation, Parameters, PopularitySettings, Query, Recommender, Remainder, Scores, Training,
};
use crate::error::{Error, Result};
use crate::events::ItemId;

/// What a share of 1 of all training events adds to a score.
const SUMMAND: f32 = 1e-6;

/// Name of the shares among a model's saved arrays.
const SHARES: &str = "backfill_shares";

/// Settings of a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackfillSettings {
    /// Most popular items that are backed, 1 and up; at least the longest list, with what filters may take out of it.
    pub reach: usize,
}

impl Default for BackfillSettings {
    fn default() -> Self {
        Self { reach: 1_000 }
    }
}

/// A fitted model with popularity behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Backfill<R> {
    model: R,
    /// Each item's share of the training events.
    shares: Vec<f32>,
    /// The items within reach, most popular first.
    popular: Vec<ItemId>,
    is_popular: Vec<bool>,
}

impl BackfillSettings {
    fn check(self) -> Result<()> {
        if self.reach > 0 { Ok(()) } else { Err(Error::setting("reach", "1 or more", self.reach)) }
    }

    /// Puts the popularity of a training log behind a model that was fitted on it.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range, or a model of another number of items.
    pub fn fit<R: Recommender>(self, model: R, training: &Training<'_>) -> Result<Backfill<R>> {
        self.check()?;
        Backfill::new(model, PopularitySettings::default().fit(training).shares().to_vec(), self.reach)
    }

    /// Restores a saved model; `load` restores what is behind it from the other arrays.
    ///
    /// # Errors
    /// [`Error::Unknown`] when the shares are missing, [`Error::Setting`] when they do not fit the model, and the
    /// errors of `load`.
    pub fn load<R: Recommender>(
        self,
        mut parameters: Parameters,
        load: impl FnOnce(Parameters) -> Result<R>,
    ) -> Result<Backfill<R>> {
        self.check()?;
        let shares = parameters.take_f32(SHARES)?;
        Backfill::new(load(parameters)?, shares, self.reach)
    }
}

impl<R: Recommender> Backfill<R> {
    fn new(model: R, shares: Vec<f32>, reach: usize) -> Result<Self> {
        if shares.len() != model.n_items() {
            return Err(Error::setting(SHARES, format!("{} shares", model.n_items()), shares.len()));
        }
        let mut popular: Vec<ItemId> = (0u32..).zip(&shares).map(|(item, _)| ItemId(item)).collect();
        // A stable sort: of equally popular items the lower id stays first.
        popular.sort_by(|a, b| shares[b.index()].total_cmp(&shares[a.index()]));
        popular.truncate(reach);
        popular.retain(|item| shares[item.index()] > 0.0);
        let mut is_popular = vec![false; shares.len()];
        popular.iter().for_each(|item| is_popular[item.index()] = true);
        Ok(Self { model, shares, popular, is_popular })
    }

    /// The model in front.
    pub const fn model(&self) -> &R {
        &self.model
    }

    fn summand(&self, query: &Query<'_>, item: ItemId) -> f32 {
        let place = item.index();
        let is_backed = query.candidates.is_some() || self.is_popular.get(place).copied().unwrap_or(false);
        if is_backed { SUMMAND * self.shares.get(place).copied().unwrap_or(0.0) } else { 0.0 }
    }
}

impl<R: Recommender> Recommender for Backfill<R> {
    fn n_items(&self) -> usize {
        self.model.n_items()
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        self.model.score(query, scores);
        let backed = query.candidates.unwrap_or(&self.popular);
        for &item in backed.iter().filter(|item| item.index() < self.n_items()) {
            scores.add(item, self.summand(query, item));
        }
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        let mut explanation = self.model.explain(query, item);
        let summand = self.summand(query, item);
        if summand > 0.0 {
            explanation.score += summand;
            explanation.remainders.push(Remainder { name: "popularity", share: f64::from(summand) });
        }
        explanation
    }

    fn parameters(&self) -> Parameters {
        self.model.parameters().with(SHARES, Array::F32(self.shares.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::DecaySettings;
    use crate::events::{EventColumns, EventLog, EventTypeId, History, Timestamp, UserId};
    use crate::recommend::{PersonalFrequency, PersonalFrequencySettings, top_k};
    use proptest::prelude::*;

    const N_ITEMS: u32 = 6;

    fn log(events: &[(u32, u32)]) -> EventLog {
        EventLog::from_columns(EventColumns {
            users: events.iter().map(|event| event.0).collect(),
            items: events.iter().map(|event| event.1).collect(),
            times: (0..events.len()).map(|place| Timestamp::from_millis(place as i64)).collect(),
            types: vec![EventTypeId(0); events.len()],
            user_names: vec!["u".into(), "v".into()],
            item_names: (0..N_ITEMS).map(|item| format!("i{item}")).collect(),
            event_types: vec!["view".into()],
            ..EventColumns::default()
        })
        .unwrap()
    }

    fn settings() -> PersonalFrequencySettings {
        PersonalFrequencySettings { decay: DecaySettings::without_decay() }
    }

    fn fitted(log: &EventLog, reach: usize) -> Backfill<PersonalFrequency> {
        let training = Training { log, catalogue: None, seed: 0 };
        BackfillSettings { reach }.fit(settings().fit(&training).unwrap(), &training).unwrap()
    }

    fn list(model: &dyn Recommender, history: History<'_>, candidates: Option<&[ItemId]>) -> Vec<u32> {
        let query = Query { history, as_of: Timestamp::from_millis(1_000), candidates };
        let mut scores = Scores::new(model.n_items());
        model.score(&query, &mut scores);
        top_k(&scores, 4, |_| true).into_iter().map(|scored| scored.item.0).collect()
    }

    #[test]
    fn what_the_model_says_comes_first_then_what_is_popular() {
        let log = log(&[(0, 1), (1, 4), (1, 4), (1, 4), (1, 3), (1, 3)]);
        let model = fitted(&log, 2);
        assert_eq!(list(&model, log.history(UserId(0)), None), [1, 4, 3, 0]);
        assert_eq!(list(&model, log.history(UserId(9)), None), [4, 3, 0, 1]);
    }

    #[test]
    fn candidates_are_backed_beyond_the_reach() {
        let log = log(&[(1, 4), (1, 4), (1, 4), (1, 3), (1, 3), (1, 2)]);
        let candidates = [ItemId(5), ItemId(2), ItemId(3)];
        assert_eq!(list(&fitted(&log, 1), log.history(UserId(9)), Some(&candidates))[..2], [3, 2]);
    }

    #[test]
    fn settings_and_arrays_that_do_not_fit_are_refused() {
        let log = log(&[(0, 1)]);
        let training = Training { log: &log, catalogue: None, seed: 0 };
        let model = || settings().fit(&training).unwrap();
        assert!(BackfillSettings { reach: 0 }.fit(model(), &training).is_err());
        let short = Parameters::default().with(SHARES, Array::F32(vec![1.0]));
        let error = BackfillSettings::default().load(short, |_| Ok(model())).unwrap_err();
        assert_eq!(error.to_string(), "setting `backfill_shares`: expected 6 shares, got 1");
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_score_and_a_saved_model_scores_alike(
            events in proptest::collection::vec((0u32..2, 0u32..N_ITEMS), 1..30), reach in 1usize..8,
        ) {
            let log = log(&events);
            let model = fitted(&log, reach);
            let load = |parameters| settings().load(parameters, log.event_types(), log.n_items());
            let back = BackfillSettings { reach }.load(model.parameters(), load).unwrap();
            let query = Query { history: log.history(UserId(0)), as_of: Timestamp::from_millis(99), candidates: None };
            let (mut scores, mut again) = (Scores::new(log.n_items()), Scores::new(log.n_items()));
            model.score(&query, &mut scores);
            back.score(&query, &mut again);
            for item in (0..N_ITEMS).map(ItemId) {
                let score = scores.get(item);
                prop_assert_eq!(again.get(item), score);
                let explanation = model.explain(&query, item);
                prop_assert_eq!(explanation.score, score);
                let sum: f64 = explanation.reasons.iter().map(|reason| reason.share).sum::<f64>()
                    + explanation.remainders.iter().map(|remainder| remainder.share).sum::<f64>();
                prop_assert!((sum - f64::from(score)).abs() <= 1e-5 * f64::from(score.abs()));
            }
        }
    }
}
