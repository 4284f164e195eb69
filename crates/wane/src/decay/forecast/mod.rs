//! Forecasts: how likely a user acts on a category within the coming days.
//!
//! Two views of the same log are put together:
//!
//! - **intensity** ([`Intensity`]): base rate and what past events excite;
//! - **return**: the hazard of coming back at this age of the last event, by the user's own pace (`renewal`).
//!
//! Beside them stand how often, how lately, how active the user is at all, and how readily users come back to that category and that
//! user to any (`surroundings`). A logistic regression weighs them (Platt 1999;
//! Wolpert 1992), on questions that the log itself answers: at [`CUTS`] earlier moments, one horizon apart, with laws that were
//! fitted before the first of them. So probabilities are calibrated on what really came.

mod logistic;
mod pairs;
mod renewal;
mod surroundings;

use std::collections::BTreeMap;

use self::renewal::Renewal;
use self::surroundings::Surroundings;
use super::intensity::{Course, Intensity, Outlook};
use crate::error::{Error, Result};
use crate::events::{EventLog, Timestamp, UserId};

pub use logistic::Logistic;
pub use pairs::{Pair, pairs};

/// Earlier moments whose outcomes teach the weights.
pub const CUTS: usize = 3;
/// Features of a pair.
const WIDTH: usize = OWN + 3;
/// Those of the pair alone.
const OWN: usize = 8 + MEMORIES.len();
/// Half-lives, in horizons, of the pair's own decayed days.
const MEMORIES: [f64; 3] = [0.5, 2.0, 8.0];
/// Logarithms of hazards stay above this.
const LEAST: f64 = 1e-9;

/// What is asked of a log.
#[derive(Debug, Clone, Copy)]
pub struct ForecastAsked<'a> {
    /// The category of each item; items without one are not asked about.
    pub keys: &'a [Option<u32>],
    /// The moment: only events before it are known.
    pub at: Timestamp,
    /// Days ahead.
    pub horizon: f64,
}

/// A forecast of one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Who, on what, and what is known of it.
    pub pair: Pair,
    /// The probability of an event within the horizon.
    pub probability: f64,
    /// What the intensity alone says.
    pub outlook: Outlook,
}

/// Both views, fitted to the events before a moment.
struct Laws {
    intensity: Intensity,
    renewal: Renewal,
}

/// Pairs at a moment, by user, then key, with what the intensity says of each, and rows of features.
struct Table {
    pairs: Vec<Pair>,
    outlooks: Vec<Outlook>,
    rows: Vec<f64>,
}

/// A fitted forecaster.
pub struct Forecaster<'a> {
    log: &'a EventLog,
    asked: ForecastAsked<'a>,
    laws: Laws,
    weights: Logistic,
}

impl<'a> Forecaster<'a> {
    /// Fits the events before the moment that is asked about.
    ///
    /// # Errors
    /// [`Error::Setting`] for a horizon of which the log has not enough, [`Error::Empty`] where nobody acted twice.
    pub fn fit(log: &'a EventLog, asked: ForecastAsked<'a>) -> Result<Self> {
        let start = log.span().map_or(asked.at, |span| span.0);
        let days = asked.at.days_since(start);
        let longest = days / (CUTS + 1) as f64;
        let is_within = asked.horizon > 0.0 && asked.horizon <= longest;
        if !is_within {
            let expected = format!("above 0, to {longest:.1} days: a part of the log's {days:.1}");
            return Err(Error::setting("horizon", expected, format!("{} days", asked.horizon)));
        }
        let cut = |number: usize| asked.at.plus_days(-asked.horizon * number as f64);
        let early = Laws::fit(log, ForecastAsked { at: cut(CUTS), ..asked })?;
        let taught: Vec<Table> =
            (1..=CUTS).map(|number| early.table(log, ForecastAsked { at: cut(number), ..asked })).collect();
        let rows: Vec<f64> = taught.iter().flat_map(|table| table.rows.iter().copied()).collect();
        let came: Vec<bool> =
            taught.iter().flat_map(|table| table.pairs.iter().map(|pair| pair.came)).collect();
        let weights = Logistic::fit(&rows, WIDTH, &came);
        Ok(Self { log, asked, laws: Laws::fit(log, asked)?, weights })
    }

    /// The forecasts of all pairs, by user, then key.
    pub fn forecasts(&self) -> Vec<Forecast> {
        let table = self.laws.table(self.log, self.asked);
        let parts = table.pairs.into_iter().zip(table.outlooks).zip(table.rows.chunks_exact(WIDTH));
        parts
            .map(|((pair, outlook), row)| Forecast {
                probability: self.weights.probability(row),
                pair,
                outlook,
            })
            .collect()
    }
}

impl Forecaster<'_> {
    /// The courses, `back` days before the moment and one horizon after, of one user's interest in each category.
    pub fn courses(&self, user: UserId, back: f64) -> Vec<Course> {
        let span = (back, self.asked.horizon);
        self.laws.intensity.courses(self.log, self.asked.keys, user, self.asked.at, span)
    }
}

impl Laws {
    fn fit(log: &EventLog, asked: ForecastAsked<'_>) -> Result<Self> {
        let known = pairs(log, asked.keys, asked.at, asked.horizon);
        if known.is_empty() {
            return Err(Error::Empty {
                what: "nobody acted on anything before the moments that teach the forecast".to_owned(),
                remedy: "Give a longer log or a shorter --horizon".to_owned(),
            });
        }
        Ok(Self { intensity: Intensity::fit(log, asked.keys, asked.at)?, renewal: Renewal::fit(&known) })
    }

    fn table(&self, log: &EventLog, asked: ForecastAsked<'_>) -> Table {
        let outlooks = self.intensity.outlooks(log, asked.keys, asked.at, asked.horizon);
        let mut places: BTreeMap<(u32, u32), Outlook> =
            outlooks.into_iter().map(|own| ((own.user.0, own.category), own)).collect();
        let mut table = Table { pairs: Vec::new(), outlooks: Vec::new(), rows: Vec::new() };
        let known = pairs(log, asked.keys, asked.at, asked.horizon);
        let surroundings = Surroundings::of(&known, asked.horizon);
        for pair in known {
            let outlook = places.remove(&(pair.user.0, pair.key)).unwrap_or(Outlook {
                user: pair.user,
                category: pair.key,
                base_per_day: 0.0,
                excited_per_day: 0.0,
                expected: 0.0,
                probability: 0.0,
                half_life_days: None,
            });
            table.rows.extend(self.features(&pair, &outlook, asked.horizon));
            table.rows.extend(surroundings.say(&pair));
            table.outlooks.push(outlook);
            table.pairs.push(pair);
        }
        table
    }

    fn features(&self, pair: &Pair, outlook: &Outlook, horizon: f64) -> [f64; OWN] {
        let excited = -(-outlook.probability.min(1.0 - 1e-12)).ln_1p();
        let remembered = |half_life: f64| {
            let weights = pair.ages.iter().map(|&age| (-(age as f64) / (half_life * horizon)).exp2());
            weights.sum::<f64>().max(LEAST).ln()
        };
        let [short, middle, long] = MEMORIES.map(remembered);
        [
            excited.max(LEAST).ln(),
            self.renewal.ahead(pair, horizon).max(LEAST).ln(),
            (pair.ages.len() as f64).ln(),
            (pair.recency() + 1.0).ln(),
            (horizon / self.renewal.pace(pair)).ln(),
            f64::from(pair.active).ln_1p(),
            (pair.away as f64 + 1.0).ln(),
            (pair.watched as f64 + 1.0).ln(),
            short,
            middle,
            long,
        ]
    }
}

#[cfg(test)]
mod tests;
