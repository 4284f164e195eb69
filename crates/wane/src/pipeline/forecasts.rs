//! Who will want what within the coming days, and how good such forecasts would have been.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use serde::Serialize;

use super::half_lives::{HalfLifeBy, Keys};
use crate::decay::activity::{BgNbd, Visit, Visits};
use crate::decay::forecast::{CUTS, Forecast, ForecastAsked, Forecaster, Logistic, Pair, pairs};
use crate::error::{Error, Result};
use crate::eval::{ForecastResult, judge_forecasts};
use crate::events::{EventLog, Timestamp};
use crate::interest::Catalogue;

/// Half-lives in days that the baseline of one half-life chooses from.
const HALF_LIVES: [f64; 10] = [1.0, 2.0, 4.0, 7.0, 14.0, 30.0, 60.0, 120.0, 240.0, 480.0];

/// The forecast of one user and category.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InterestForecast {
    /// The user's id.
    pub user: String,
    /// The category, brand or item; none where all are one.
    pub key: Option<String>,
    /// Days on which the user acted on it so far.
    pub days: u64,
    /// Days since the last of them.
    pub last_seen_days: f64,
    /// Expected events per day now: the strength of the interest.
    pub per_day: f64,
    /// Probability of an event within the horizon.
    pub probability: f64,
    /// Expected events within the horizon, by the intensity.
    pub expected: f64,
    /// Days until what past events excite has halved; none where nothing is excited.
    pub half_life_days: Option<f64>,
}

/// Forecasts of all users and categories of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InterestForecasts {
    /// Days that are looked ahead.
    pub horizon_days: f64,
    /// By user and key.
    pub interests: Vec<InterestForecast>,
}

/// How good forecasts are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForecastEvaluation {
    /// The moment of the forecast: the end of the log less the horizon.
    pub at: Timestamp,
    /// Days ahead.
    pub horizon_days: f64,
    /// Pairs of a user and a category that the user had acted on.
    pub pairs: u64,
    /// Share of them in which an event came.
    pub came: f64,
    /// Wane first, then the baselines.
    pub models: Vec<ForecastResult>,
}

/// Forecasts at the end of a log.
///
/// # Errors
/// [`Error::Setting`] where keys need a catalogue that is not there, or for a horizon too long for the log; [`Error::Empty`] where
/// nobody acted twice.
pub fn interest_forecasts(
    log: &EventLog,
    catalogue: Option<&Catalogue>,
    by: HalfLifeBy,
    horizon: f64,
) -> Result<InterestForecasts> {
    forecasts_as_of(log, catalogue, by, None, horizon)
}

/// The same at a moment; see [`moment`].
pub(super) fn forecasts_as_of(
    log: &EventLog,
    catalogue: Option<&Catalogue>,
    by: HalfLifeBy,
    as_of: Option<Timestamp>,
    horizon: f64,
) -> Result<InterestForecasts> {
    let keys = Keys::of(log, catalogue, by)?;
    let at = moment(log, as_of)?;
    // Nothing after the moment may be known to a fit, whatever it looks at.
    let known = log.before(at);
    let forecasts = Forecaster::fit(&known, ForecastAsked { keys: &keys.of_item, at, horizon })?.forecasts();
    let interests = forecasts.iter().map(|own| InterestForecast::of(own, log, &keys)).collect();
    Ok(InterestForecasts { horizon_days: horizon, interests })
}

/// The moment that is asked about; none for the one just after the log. A day after it nobody knows any more what was done since.
pub(super) fn moment(log: &EventLog, as_of: Option<Timestamp>) -> Result<Timestamp> {
    let last = after(log);
    match as_of {
        Some(at) if at > last.plus_days(1.0) => {
            let expected = format!("a moment before {last}, where the log ends (further ahead: --horizon)");
            Err(Error::setting("as_of", expected, at))
        }
        as_of => Ok(as_of.unwrap_or(last)),
    }
}

impl InterestForecast {
    pub(super) fn of(forecast: &Forecast, log: &EventLog, keys: &Keys) -> Self {
        Self {
            user: log.users().name(forecast.pair.user.index()).to_owned(),
            key: keys.names.get(forecast.pair.key as usize).cloned(),
            days: forecast.pair.ages.len() as u64,
            last_seen_days: forecast.pair.recency(),
            per_day: forecast.outlook.base_per_day + forecast.outlook.excited_per_day,
            probability: forecast.probability,
            expected: forecast.outlook.expected,
            half_life_days: forecast.outlook.half_life_days,
        }
    }
}

/// The moment just after a log.
fn after(log: &EventLog) -> Timestamp {
    let last = log.span().map_or(0, |(_, last)| last.millis());
    Timestamp::from_millis(last.saturating_add(1))
}

/// Forecasts what the last days of a log would bring from what came before, and compares with baselines that learn from the
/// same earlier moments.
///
/// # Errors
/// As [`interest_forecasts`].
pub fn evaluate_forecasts(
    log: &EventLog,
    catalogue: Option<&Catalogue>,
    by: HalfLifeBy,
    horizon: f64,
    seed: u64,
) -> Result<ForecastEvaluation> {
    let keys = Keys::of(log, catalogue, by)?;
    let at = after(log).plus_days(-horizon);
    let asked = ForecastAsked { keys: &keys.of_item, at, horizon };
    // Nothing after the moment may be known to a fit, whatever it looks at.
    let known = log.before(at);
    let forecasts = Forecaster::fit(&known, asked)?.forecasts();
    let asked_pairs = pairs(log, &keys.of_item, at, horizon);
    let came: Vec<bool> = asked_pairs.iter().map(|pair| pair.came).collect();
    let users: Vec<u32> = asked_pairs.iter().map(|pair| pair.user.0).collect();
    if came.is_empty() {
        return Err(Error::Empty {
            what: "nobody acted on anything before the moment of the forecast".to_owned(),
            remedy: "Give a longer log or a shorter --horizon".to_owned(),
        });
    }
    let cut = |number: usize| at.plus_days(-horizon * number as f64);
    let taught: Vec<Pair> =
        (1..=CUTS).flat_map(|number| pairs(&known, &keys.of_item, cut(number), horizon)).collect();
    let mut models = vec![
        ("wane".to_owned(), forecasts.iter().map(|own| own.probability).collect()),
        ("intensity alone".to_owned(), forecasts.iter().map(|own| own.outlook.probability).collect()),
    ];
    let contest = Contest { taught: &taught, asked: &asked_pairs, horizon };
    models.push(("recency, frequency (logistic)".to_owned(), contest.recency_frequency()));
    models.push(("one half-life for all".to_owned(), contest.one_half_life()));
    models.extend(contest.bg_nbd().map(|own| ("BG/NBD".to_owned(), own)));
    Ok(ForecastEvaluation {
        at,
        horizon_days: horizon,
        pairs: came.len() as u64,
        came: came.iter().filter(|came| **came).count() as f64 / came.len() as f64,
        models: judge_forecasts(&users, &came, &models, seed),
    })
}

/// Baselines: what they learn from, and what they are asked.
struct Contest<'a> {
    taught: &'a [Pair],
    asked: &'a [Pair],
    horizon: f64,
}

impl Contest<'_> {
    /// Fits a logistic regression on features of pairs; returns its mean log-likelihood there, and what it says of the asked.
    fn logistic<const N: usize>(&self, features: impl Fn(&Pair) -> [f64; N]) -> (f64, Vec<f64>) {
        let rows: Vec<f64> = self.taught.iter().flat_map(&features).collect();
        let came: Vec<bool> = self.taught.iter().map(|pair| pair.came).collect();
        let model = Logistic::fit(&rows, N, &came);
        let likelihood = rows.chunks_exact(N).zip(&came).map(|(row, came)| {
            let p = model.probability(row);
            (if *came { p } else { 1.0 - p }).max(1e-12).ln()
        });
        let mean = likelihood.sum::<f64>() / came.len().max(1) as f64;
        (mean, self.asked.iter().map(|pair| model.probability(&features(pair))).collect())
    }

    fn recency_frequency(&self) -> Vec<f64> {
        let features = |pair: &Pair| {
            [(pair.recency() + 1.0).ln(), (pair.ages.len() as f64).ln(), (pair.watched as f64 + 1.0).ln()]
        };
        self.logistic(features).1
    }

    /// The sum of the decayed days, through a logistic curve; the half-life that explains the earlier moments best.
    fn one_half_life(&self) -> Vec<f64> {
        let with = |half_life: f64| {
            self.logistic(move |pair| {
                let weight = |age: &i64| (-(*age as f64) / half_life).exp2();
                [pair.ages.iter().map(weight).sum::<f64>().max(1e-9).ln()]
            })
        };
        let best = HALF_LIVES.into_iter().map(with).max_by(|one, other| one.0.total_cmp(&other.0));
        best.map_or_else(Vec::new, |best| best.1)
    }

    /// Each pair as a customer of its own: the probability of a visit if visits come at their expected rate.
    fn bg_nbd(&self) -> Option<Vec<f64>> {
        let visit = |pair: &Pair| Visit {
            repeats: pair.ages.len() as u32 - 1,
            recency_days: pair.age() - pair.recency(),
            age_days: pair.age(),
        };
        let visits: Vec<Visit> = self.asked.iter().map(visit).collect();
        let model = BgNbd::fit(&Visits::new(visits.iter().copied())).ok()?;
        let probability = |visit: &Visit| 1.0 - (-model.expected(visit, self.horizon)).exp();
        Some(visits.iter().map(probability).collect())
    }
}

impl InterestForecasts {
    /// The forecasts as a table.
    ///
    /// # Errors
    /// [`Error::Limit`] when the table is too large for one batch.
    pub fn table(&self) -> Result<RecordBatch> {
        let rows = || self.interests.iter();
        let number = |value: fn(&InterestForecast) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(rows().map(value)))
        };
        let columns: [(&str, ArrayRef); 8] = [
            ("user", Arc::new(StringArray::from_iter_values(rows().map(|own| &own.user)))),
            ("key", Arc::new(rows().map(|own| own.key.as_deref()).collect::<StringArray>())),
            ("days", Arc::new(UInt64Array::from_iter_values(rows().map(|own| own.days)))),
            ("last_seen_days", number(|own| own.last_seen_days)),
            ("per_day", number(|own| own.per_day)),
            ("probability", number(|own| own.probability)),
            ("expected", number(|own| own.expected)),
            ("half_life_days", Arc::new(rows().map(|own| own.half_life_days).collect::<Float64Array>())),
        ];
        RecordBatch::try_from_iter(columns).map_err(|_| Error::Limit {
            what: "rows of one table of forecasts",
            limit: u64::from(u32::MAX),
            got: self.interests.len() as u64,
            remedy: "Give fewer users at once",
        })
    }
}
