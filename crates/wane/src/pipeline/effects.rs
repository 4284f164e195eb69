//! What makes interest return sooner or later: gaps of a log with covariates from the log itself, under two regressions.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::Serialize;

use super::HalfLifeBy;
use super::half_lives::Keys;
use crate::decay::survival::effects::{
    Coefficient, Features, HalfLifeRegression, LeftOut, ObservedGaps, Prices, ProportionalHazards,
    gap_starts, half_life_regression, proportional_hazards,
};
use crate::decay::survival::{Interval, ReturnLaw, Unfit, Watch};
use crate::error::{Error, Result};
use crate::events::{EventLog, History, Timestamp, UserId};
use crate::interest::Catalogue;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectsAsked {
    /// What cells are: gaps run to the same user's next event in one, and each has a baseline of its own.
    pub by: HalfLifeBy,
    /// The law of half-life regression, exponential or Weibull; none for the one with the lesser Bayesian criterion.
    pub law: Option<ReturnLaw>,
    /// Whether values of events are prices.
    pub value_is_price: bool,
    /// Gaps at most: where there are more, a sample of users is looked at.
    pub most_gaps: usize,
    /// Seed of the sample.
    pub seed: u64,
}

/// One covariate and what goes along with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// What it is.
    pub feature: String,
    /// What it is compared with.
    pub against: String,
    /// How many times as likely a return is at any age, with its 95 % interval.
    pub hazard_ratio: Interval,
    /// How many times as long the half-life is, with its 95 % interval.
    pub half_life_factor: Interval,
    /// The logarithm of the hazard ratio with its errors.
    pub log_hazard_ratio: Coefficient,
    /// The logarithm of the half-life's factor with its errors.
    pub log_half_life_factor: Coefficient,
    /// Whether the data set no bound and a ridge had to hold it: all such gaps ended or none did, or another feature says the same.
    pub is_held: bool,
}

/// What goes along with early and late returns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effects {
    /// What cells are.
    pub by: &'static str,
    /// Gaps that were looked at.
    pub gaps: u64,
    /// Those that ended with another event.
    pub returned: u64,
    /// Users who were looked at.
    pub users: u64,
    /// Users of the log: more where a sample was looked at.
    pub of_users: u64,
    /// Baselines: gaps are compared within one.
    pub baselines: u64,
    /// Cells with few returns, which share a baseline per event type.
    pub small_cells: u64,
    /// How often the gap with the higher hazard ends first: 0.5 is chance.
    pub concordance: f64,
    /// Logarithm of the partial likelihood of proportional hazards.
    pub log_partial_likelihood: f64,
    /// The law of half-life regression.
    pub law: ReturnLaw,
    /// Its shape; none for the exponential.
    pub shape: Option<Interval>,
    /// Logarithm of its likelihood, in densities per day.
    pub log_likelihood: f64,
    /// Whether intervals let the gaps of a user resemble each other; fewer than ten users say too little for that.
    pub has_robust_errors: bool,
    /// Features with their effects.
    pub effects: Vec<Effect>,
    /// Features that this log cannot tell.
    pub left_out: Vec<LeftOut>,
}

/// Finds what goes along with early and late returns.
///
/// # Errors
/// [`Error::Setting`] for a law that no half-life regression has, or cells that need a catalogue; [`Error::Empty`] where there is too
/// little to compare.
pub fn effects(log: &EventLog, catalogue: Option<&Catalogue>, asked: EffectsAsked) -> Result<Effects> {
    if let Some(law) = asked.law.filter(|law| !matches!(law, ReturnLaw::Exponential | ReturnLaw::Weibull)) {
        return Err(Error::setting("law", "best, exponential or weibull for effects", law.name()));
    }
    let keys = Keys::of(log, catalogue, asked.by)?;
    let prices = Prices::of(log, catalogue, asked.value_is_price);
    let end = log.span().map_or(Timestamp::from_millis(0), |span| span.1);
    let gaps_of =
        |users: &[UserId], prices: &Prices| gap_starts(log, users, &keys.of_item, &Watch::until(end), prices);
    let users = sample(log, asked.most_gaps, asked.seed, |user| gaps_of(&[user], &Prices::default()).len());
    let starts = gaps_of(&users, &prices);
    let features = Features::of(&starts);
    let gaps = &features.gaps;
    if features.features.is_empty() {
        return Err(too_little("no gaps that differ in anything that this log tells"));
    }
    let unfit = |unfit: Unfit| too_little(&format!("no effects can be told: {unfit}"));
    let hazards = proportional_hazards(gaps).map_err(unfit)?;
    let half_lives = regression(gaps, asked.law).map_err(unfit)?;
    Ok(Effects {
        by: asked.by.name(),
        gaps: gaps.days.len() as u64,
        returned: gaps.is_return.iter().filter(|&&is_return| is_return).count() as u64,
        users: users.len() as u64,
        of_users: log.histories().filter(|(_, history)| !history.is_empty()).count() as u64,
        baselines: features.baselines as u64,
        small_cells: features.small_cells as u64,
        concordance: hazards.concordance,
        log_partial_likelihood: hazards.log_likelihood,
        law: half_lives.law,
        shape: half_lives.log_shape.map(|shape| shape.factor()),
        log_likelihood: half_lives.log_likelihood,
        has_robust_errors: hazards.coefficients.iter().all(|own| own.robust_error.is_some()),
        effects: paired(&features, &hazards, &half_lives),
        left_out: features.left_out,
    })
}

fn too_little(what: &str) -> Error {
    let remedy = "Give a log in which users come back at least ten times, or ask --by something more general";
    Error::Empty { what: what.to_owned(), remedy: remedy.to_owned() }
}

/// All users with events, or as many drawn ones as have no more gaps than that, in order.
fn sample(
    log: &EventLog,
    most_gaps: usize,
    seed: u64,
    n_gaps: impl Fn(UserId) -> usize + Sync,
) -> Vec<UserId> {
    let has_events = |(user, history): (UserId, History<'_>)| (!history.is_empty()).then_some(user);
    let all: Vec<UserId> = log.histories().filter_map(has_events).collect();
    if log.len() <= most_gaps {
        return all;
    }
    let mut users: Vec<(UserId, usize)> = all.par_iter().map(|&user| (user, n_gaps(user))).collect();
    users.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut gaps = 0;
    let fits = users.iter().take_while(|(_, n)| {
        gaps += n;
        gaps <= most_gaps
    });
    let fits = fits.count().max(1);
    users.truncate(fits);
    users.sort_unstable();
    users.into_iter().map(|(user, _)| user).collect()
}

/// Under the law that was asked for, or the better of both.
fn regression(gaps: &ObservedGaps, law: Option<ReturnLaw>) -> Result<HalfLifeRegression, Unfit> {
    if let Some(law) = law {
        return half_life_regression(gaps, law);
    }
    let exponential = half_life_regression(gaps, ReturnLaw::Exponential);
    match (exponential, half_life_regression(gaps, ReturnLaw::Weibull)) {
        (Ok(exponential), Ok(weibull)) if weibull.bic < exponential.bic => Ok(weibull),
        (Ok(exponential), _) => Ok(exponential),
        (Err(_), weibull) => weibull,
    }
}

fn paired(
    features: &Features,
    hazards: &ProportionalHazards,
    half_lives: &HalfLifeRegression,
) -> Vec<Effect> {
    let effect = |place: usize| {
        let (feature, hazard, half_life) =
            (&features.features[place], &hazards.coefficients[place], &half_lives.coefficients[place]);
        Effect {
            feature: feature.name.clone(),
            against: feature.against.clone(),
            hazard_ratio: hazard.factor(),
            half_life_factor: half_life.factor(),
            log_hazard_ratio: *hazard,
            log_half_life_factor: *half_life,
            is_held: hazards.held.contains(&place) || half_lives.held.contains(&place),
        }
    };
    (0..features.features.len()).map(effect).collect()
}

impl Effects {
    /// The effects as a table.
    ///
    /// # Errors
    /// [`Error::Limit`] when the table is too large for one batch.
    pub fn table(&self) -> Result<RecordBatch> {
        let text = |value: fn(&Effect) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.effects.iter().map(value)))
        };
        let number = |value: fn(&Effect) -> Option<f64>| -> ArrayRef {
            Arc::new(self.effects.iter().map(value).collect::<Float64Array>())
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("feature", text(|own| &own.feature)),
            ("against", text(|own| &own.against)),
            ("hazard_ratio", number(|own| Some(own.hazard_ratio.value))),
            ("hazard_ratio_low", number(|own| Some(own.hazard_ratio.low))),
            ("hazard_ratio_high", number(|own| Some(own.hazard_ratio.high))),
            ("half_life_factor", number(|own| Some(own.half_life_factor.value))),
            ("half_life_factor_low", number(|own| Some(own.half_life_factor.low))),
            ("half_life_factor_high", number(|own| Some(own.half_life_factor.high))),
            ("log_hazard_ratio", number(|own| Some(own.log_hazard_ratio.value))),
            ("log_hazard_ratio_error", number(|own| Some(own.log_hazard_ratio.standard_error))),
            ("log_hazard_ratio_robust_error", number(|own| own.log_hazard_ratio.robust_error)),
            ("log_half_life_factor", number(|own| Some(own.log_half_life_factor.value))),
            ("log_half_life_factor_error", number(|own| Some(own.log_half_life_factor.standard_error))),
            ("log_half_life_factor_robust_error", number(|own| own.log_half_life_factor.robust_error)),
        ];
        RecordBatch::try_from_iter(columns).map_err(|_| Error::Limit {
            what: "features of one table of effects",
            limit: u64::from(u32::MAX),
            got: self.effects.len() as u64,
            remedy: "Ask for fewer",
        })
    }
}
