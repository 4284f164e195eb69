//! Content: what is written of items, and nothing else.
//!
//! - `score(j) = sum over the history's events i of k(a_i, s_i) cos(v_i, v_j)`, with `v` the catalogue's item vectors and `k` the kernel
//!   weight of an event of type `a_i` and age `s_i`.
//!
//! Nothing is learned but the half-life, so it can rank an item that nobody has touched yet, as soon as its text is encoded. It
//! does not know what people want: the floor under every model that reads texts.

use serde::{Deserialize, Serialize};

use super::hold_out::HoldOut;
use super::search::dot;
use super::{Array, Explanation, Parameters, Query, Range, Reason, Recommender, Scores, Training, Values};
use crate::decay::{DecaySettings, HalfLife, Kernel};
use crate::error::{Error, Result};
use crate::events::ItemId;
use crate::interest::Vectors;

/// Settings of content.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContentSettings {
    /// How events lose weight with age.
    pub decay: DecaySettings,
}

/// Content, fitted: vectors of length 1 and a kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    kernel: Kernel,
    vectors: Vectors,
}

impl ContentSettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "decay.half_life", values: Values::Log(0.05, 1_000.0) },
        Range { name: "decay.law", values: Values::Choice(&["exponential", "power", "hyperbolic"]) },
    ];

    /// Finds the half-life, if it is not given.
    ///
    /// # Errors
    /// [`Error::Setting`] for decay settings out of range; [`Error::Empty`] where the catalogue has no vectors.
    pub fn fit(&self, training: &Training<'_>) -> Result<Content> {
        let event_types = training.log.event_types();
        let kernel = self.decay.resolve(event_types, HalfLife::DAY)?;
        let vectors = training.catalogue.and_then(|catalogue| catalogue.vectors.as_ref());
        let vectors = vectors.ok_or_else(|| Error::Empty {
            what: "the model `content` has no vectors to work with".to_owned(),
            remedy: "Write them with wane encode CATALOGUE --out vectors.parquet, and give them as --vectors"
                .to_owned(),
        })?;
        let model = Content { kernel, vectors: of_length_1(vectors) };
        if !self.decay.is_auto() {
            return Ok(model);
        }
        let best = HoldOut::last_baskets(training.log).best_half_life(|half_life, query, scores| {
            if let Ok(kernel) = self.decay.resolve(event_types, half_life) {
                model.score_by(&kernel, query, scores);
            }
        })?;
        Ok(Content { kernel: self.decay.resolve(event_types, best)?, ..model })
    }

    /// Restores a saved model.
    ///
    /// # Errors
    /// [`Error::Unknown`] when an array is missing, [`Error::Setting`] when there are not as many vectors as items.
    pub fn load(
        &self,
        mut parameters: Parameters,
        event_types: &[String],
        n_items: usize,
    ) -> Result<Content> {
        parameters.check_n_items(n_items)?;
        let kernel = parameters.take_kernel(&self.decay, event_types)?;
        let data = parameters.take_f32("vectors")?;
        let dim = data.len() / n_items.max(1);
        if dim * n_items != data.len() {
            return Err(Error::setting("vectors", format!("{n_items} rows of one length"), data.len()));
        }
        Ok(Content { kernel, vectors: Vectors { dim, data } })
    }
}

fn of_length_1(vectors: &Vectors) -> Vectors {
    let mut data = vectors.data.clone();
    for row in data.chunks_exact_mut(vectors.dim.max(1)) {
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
    Vectors { dim: vectors.dim, data }
}

impl Content {
    fn vector(&self, item: ItemId) -> &[f32] {
        let dim = self.vectors.dim;
        self.vectors.data.get(item.index() * dim..(item.index() + 1) * dim).unwrap_or_default()
    }

    fn score_by(&self, kernel: &Kernel, query: &Query<'_>, scores: &mut Scores) {
        let mut wanted = vec![0.0; self.vectors.dim];
        for event in query.history.iter() {
            let weight = kernel.weight(event.event_type, query.as_of.days_since(event.time));
            wanted.iter_mut().zip(self.vector(event.item)).for_each(|(sum, x)| *sum += weight * x);
        }
        if wanted.iter().all(|x| *x == 0.0) {
            return;
        }
        let mut score = |item: ItemId| scores.add(item, dot(&wanted, self.vector(item)));
        match query.candidates {
            Some(candidates) => candidates.iter().copied().for_each(score),
            None => (0..self.n_items() as u32).map(ItemId).for_each(&mut score),
        }
    }
}

impl Recommender for Content {
    fn n_items(&self) -> usize {
        self.vectors.data.len() / self.vectors.dim.max(1)
    }

    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        self.score_by(&self.kernel, query, scores);
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        let own = self.vector(item);
        let reasons = query.history.iter().enumerate().map(|(place, event)| {
            let age_days = query.as_of.days_since(event.time);
            let weight = self.kernel.weight(event.event_type, age_days);
            Reason {
                event: place,
                relation: "text".into(),
                age_days,
                decay: self.kernel.decay(event.event_type, age_days),
                share: f64::from(weight * dot(self.vector(event.item), own)),
            }
        });
        Explanation::sum_of(reasons, Vec::new())
    }

    fn parameters(&self) -> Parameters {
        Parameters::default()
            .with_n_items(self.n_items())
            .with_kernel(&self.kernel)
            .with("vectors", Array::F32(self.vectors.data.clone()))
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
    use crate::interest::Catalogue;
    use crate::recommend::linear::two_tastes;

    #[test]
    fn alike_items_lead_and_shares_sum() {
        let decay = DecaySettings {
            half_life: HalfLifeSetting::Fixed(HalfLife::from_days(10.0).unwrap()),
            ..Default::default()
        };
        let kernel = decay.resolve(&["buy".into()], HalfLife::DAY).unwrap();
        let vectors = of_length_1(&Vectors { dim: 2, data: vec![2.0, 0.0, 3.0, 4.0, 0.0, 0.0] });
        let model = Content { kernel, vectors };
        let day = |n: i64| Timestamp::from_millis(n * 86_400_000);
        let (items, times) = ([ItemId(0), ItemId(1)], [day(0), day(10)]);
        let history = History::new(&items, &times, &[EventTypeId(0); 2]).unwrap();
        let query = Query { history, as_of: day(10), candidates: None };
        let mut scores = Scores::new(3);
        model.score(&query, &mut scores);
        // 0.5 * (1, 0) + (0.6, 0.8) = (1.1, 0.8).
        let expected = [1.1, 1.3, 0.0];
        scores.values().iter().zip(expected).for_each(|(found, own)| assert!((found - own).abs() < 1e-6));
        let explanation = model.explain(&query, ItemId(0));
        let shares: Vec<f64> = explanation.reasons.iter().map(|reason| reason.share).collect();
        assert!((shares[0] - 0.5).abs() < 1e-6 && (shares[1] - 0.6).abs() < 1e-6, "{shares:?}");
    }

    #[test]
    fn it_is_saved_and_loaded_and_needs_vectors() {
        let log = two_tastes();
        let data = (0..2 * log.n_items()).map(|x| x as f32).collect();
        let catalogue =
            Catalogue { vectors: Some(Vectors { dim: 2, data }), ..Catalogue::default() }.over(log.items());
        let settings = ContentSettings::default();
        assert!(settings.fit(&Training::new(&log, None, 1)).is_err());
        let catalogue =
            Catalogue { vectors: Some(Vectors { dim: 2, data: vec![1.0; 2 * log.n_items()] }), ..catalogue };
        let model = settings.fit(&Training::new(&log, Some(&catalogue), 1)).unwrap();
        let load = |n_items| settings.load(model.parameters(), log.event_types(), n_items);
        assert_eq!(load(log.n_items()).unwrap(), model);
        assert!(load(log.n_items() + 1).is_err());
    }
}
