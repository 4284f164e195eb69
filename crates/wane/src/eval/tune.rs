//! Search for a model's settings by their validation score.
//!
//! Random search over declared ranges (Bergstra and Bengio 2012): with few settings that matter and many that do not,
//! it finds as good a place as a grid with far fewer trials, and each trial stands alone. The draw of trial `n` depends
//! on the seed and `n` only, so a search that was interrupted goes on where it stopped and ends as if it had not been.
//!
//! Trial 0 is the model's defaults: a search never ends below them on the validation part. The test part is not an
//! argument here, so it cannot be tuned on.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Monitor;
use crate::error::{Error, Result};
use crate::recommend::Range;

/// What is searched, and how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Search<'a> {
    /// Tells this search from others in one trial log: the model, the metric and whatever else a score depends on.
    pub name: &'a str,
    /// What may be changed.
    pub ranges: &'a [Range],
    /// Number of trials, the defaults among them; at least 1.
    pub trials: u64,
    /// Seed of the draws.
    pub seed: u64,
}

/// One trial: a line of the trial log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// [`Search::name`].
    pub search: String,
    /// Number of the trial, from 0.
    pub trial: u64,
    /// The settings that differ from the defaults, as a table.
    pub settings: Value,
    /// The validation score: higher is better.
    pub score: f64,
}

/// Runs the trials that are not `done` yet, and returns the best of all; of equals the earliest.
///
/// `score` fits with the given settings and judges on the validation part. `record` is called after each new trial, for
/// writing it down at once; `done` is what earlier runs wrote (trials of other searches in it are left alone).
///
/// # Errors
/// Those of `score` and `record`; [`Error::Setting`] for no trials, for a score that is no number, and when `done` holds
/// a trial under this name that this search would not make.
pub fn tune(
    search: &Search<'_>,
    done: &[Trial],
    mut score: impl FnMut(&Value) -> Result<f64>,
    mut record: impl FnMut(&Trial) -> Result<()>,
    monitor: &dyn Monitor,
) -> Result<Trial> {
    monitor.begin(&format!("tuning {}", search.name), search.trials);
    let mut best: Option<Trial> = None;
    for number in 0..search.trials {
        let settings = search.settings(number);
        let trial = match search.find(done, number, &settings)? {
            Some(trial) => trial,
            None => {
                let trial = search.trial(number, settings, &mut score)?;
                record(&trial)?;
                trial
            }
        };
        monitor.advance(1);
        if best.as_ref().is_none_or(|best| trial.score > best.score) {
            best = Some(trial);
        }
    }
    best.ok_or_else(|| Error::setting("tune", "at least 1 trial", search.trials))
}

impl Search<'_> {
    /// The settings of a trial: none for the defaults, else one draw from every range.
    fn settings(&self, number: u64) -> Value {
        let mut table = Map::new();
        if number > 0 {
            let mut random = StdRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            for range in self.ranges {
                let value = range.draw(&mut random);
                insert(&mut table, range.name, value);
            }
        }
        Value::Object(table)
    }

    fn trial(
        &self,
        number: u64,
        settings: Value,
        score: &mut impl FnMut(&Value) -> Result<f64>,
    ) -> Result<Trial> {
        let score = score(&settings)?;
        if !score.is_finite() {
            return Err(Error::setting(
                "tune",
                "finite validation scores",
                format!("{score} for {settings}"),
            ));
        }
        Ok(Trial { search: self.name.to_owned(), trial: number, settings, score })
    }

    fn find(&self, done: &[Trial], number: u64, settings: &Value) -> Result<Option<Trial>> {
        let found = done.iter().find(|trial| trial.search == self.name && trial.trial == number);
        match found {
            Some(trial) if !is_same(&trial.settings, settings) => Err(Error::setting(
                "trial log",
                format!("{settings} as trial {number} of {} with seed {}", self.name, self.seed),
                format!("{}: it is of another seed or other ranges; give another file", trial.settings),
            )),
            found => Ok(found.cloned()),
        }
    }
}

/// Writes a value under a name in which dots part the names of nested tables.
fn insert(table: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            table.insert(name.to_owned(), value);
        }
        Some((outer, inner)) => {
            let nested = table.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(nested) = nested {
                insert(nested, inner, value);
            }
        }
    }
}

/// Equality up to what a number loses on its way through JSON text.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| is_same(value, other)))
        }
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
            _ => a == b,
        },
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Unmonitored;
    use crate::recommend::Values;

    const RANGES: &[Range] = &[
        Range { name: "decay.half_life", values: Values::Log(0.1, 1000.0) },
        Range { name: "neighbours", values: Values::Count(10, 500) },
        Range { name: "norm", values: Values::Choice(&["l1", "l2"]) },
    ];

    fn search(trials: u64, seed: u64) -> Search<'static> {
        Search { name: "toy ndcg@10", ranges: RANGES, trials, seed }
    }

    /// Best at a half-life of ten days; the defaults are bad.
    fn toy(settings: &Value) -> Result<f64> {
        let half_life = settings["decay"]["half_life"].as_f64();
        Ok(half_life.map_or(-9.0, |days| -(days.log10() - 1.0).abs()))
    }

    fn run(search: &Search<'_>, done: &[Trial]) -> (Trial, Vec<Trial>) {
        let mut recorded = Vec::new();
        let record = |trial: &Trial| {
            recorded.push(trial.clone());
            Ok(())
        };
        let best = tune(search, done, toy, record, &Unmonitored).unwrap();
        (best, recorded)
    }

    #[test]
    fn finds_a_good_place_and_repeats_it() {
        let (best, recorded) = run(&search(60, 7), &[]);
        assert!(best.score > -0.15, "{best:?}");
        assert_eq!((recorded.len(), &recorded[0].settings), (60, &Value::Object(Map::new())));
        assert_eq!(run(&search(60, 7), &[]), (best, recorded));
    }

    #[test]
    fn goes_on_where_it_stopped() {
        let (best, whole) = run(&search(12, 1), &[]);
        let text: Vec<String> =
            whole[..5].iter().map(|trial| serde_json::to_string(trial).unwrap()).collect();
        let mut done: Vec<Trial> = text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let other = Trial { search: "another".into(), trial: 3, settings: Value::Null, score: 99.0 };
        done.insert(0, other);
        let (resumed, rest) = run(&search(12, 1), &done);
        assert_eq!((resumed.trial, resumed.score), (best.trial, best.score));
        assert_eq!(rest, whole[5..]);
    }

    #[test]
    fn a_log_of_another_seed_is_refused() {
        let (_, done) = run(&search(3, 1), &[]);
        let message = tune(&search(3, 2), &done, toy, |_| Ok(()), &Unmonitored).unwrap_err().to_string();
        assert!(message.contains("another seed or other ranges"), "{message}");
    }

    #[test]
    fn defaults_win_when_nothing_is_better_and_nonsense_is_refused() {
        let flat = tune(&search(5, 1), &[], |_| Ok(0.5), |_| Ok(()), &Unmonitored).unwrap();
        assert_eq!(flat.trial, 0);
        assert!(tune(&search(5, 1), &[], |_| Ok(f64::NAN), |_| Ok(()), &Unmonitored).is_err());
        assert!(tune(&search(0, 1), &[], toy, |_| Ok(()), &Unmonitored).is_err());
    }

    #[test]
    fn draws_stay_in_their_ranges() {
        for number in 1..200 {
            let settings = search(200, 3).settings(number);
            assert!((0.1..=1000.0001).contains(&settings["decay"]["half_life"].as_f64().unwrap()));
            assert!((10..=500).contains(&settings["neighbours"].as_u64().unwrap()));
            assert!(["l1", "l2"].contains(&settings["norm"].as_str().unwrap()));
        }
    }
}
