//! Season, event types and rates, fitted in turn until nothing is gained.
//!
//! - A round looks for the rates of every category with the season and the event types that were found, and counts season and
//!   event types anew with these rates (expectation and maximization). The likelihood may fall by a little, for few counts are drawn to the mean.
//! - Such rounds creep, and always in the same direction, so three of them lead to a leap (SQUAREM; Varadhan and Roland 2008).
//! - A large log is looked at by a few users of each category until they have settled, then by more.

use rayon::prelude::*;

use super::streams::Watched;
use super::{Fitted, Season};

/// Users with events in a category who are looked at: first these, then those.
const SAMPLES: [usize; 3] = [400, 2_500, 20_000];
/// Rounds at most, with each sample.
const ROUNDS: usize = 40;
/// What a round gains, in nats per category, where the next would gain little.
const NEAR: f64 = 0.2;
/// What a round gains, in gains of the round before, where rounds creep.
const CREEPING: f64 = 0.4;
/// A leap over rounds, in rounds at most, and the least share that has a logarithm.
const FURTHEST: f64 = 16.0;
const LEAST: f64 = 1e-9;

/// Fits season, event types and rates in turn. Whether they settled.
pub(super) fn settle(watched: &Watched<'_>, season: &mut Season, found: &mut [Fitted]) -> bool {
    let mut is_settled = false;
    for sample in SAMPLES {
        let strides: Vec<usize> = found.iter().map(|own| own.shape.users.div_ceil(sample).max(1)).collect();
        let is_new = found.iter().zip(&strides).any(|(own, &stride)| own.stride != stride);
        if sample == SAMPLES[0] || is_new {
            found.iter_mut().zip(strides).for_each(|(own, stride)| own.sample(stride));
            is_settled = settle_sample(watched, season, found);
        }
    }
    is_settled
}

fn settle_sample(watched: &Watched<'_>, season: &mut Season, found: &mut [Fitted]) -> bool {
    let (mut last, mut gained, mut path) = (f64::NEG_INFINITY, f64::INFINITY, Vec::new());
    for _ in 0..ROUNDS {
        let exposures = watched.exposures(season);
        found.par_iter_mut().for_each(|own| own.approach(watched, &exposures, season));
        *season = season_of(found);
        path.push(logarithms(season, found));
        let now: f64 = found.iter().map(|own| own.top.log_likelihood).sum();
        let former = std::mem::replace(&mut gained, now - std::mem::replace(&mut last, now));
        if let [first, second, third] = &path[..] {
            // A leap may lead down, so two rounds come after it before anything is said of what one gains.
            if gained.abs() < NEAR * found.len() as f64 {
                return true;
            }
            if gained > CREEPING * former {
                let leap = leap(first, second, third);
                *season = put_back(&leap, found);
                path = vec![leap];
            } else {
                path.remove(0);
            }
        }
    }
    false
}

/// The rhythm of what nothing excites, over all categories.
fn season_of(found: &[Fitted]) -> Season {
    let mut counts = Season::no_counts();
    let (mut mean, mut noise) = (0.0, 0.0);
    for own in found {
        // A sample of the users stands for all, but varies by chance as the few that they are.
        let times = own.stride as f64;
        let own = &own.top.sums.base_hours;
        counts.iter_mut().zip(own).for_each(|(sum, count)| *sum += times * count);
        let events: f64 = own.iter().sum();
        (mean, noise) = (mean + times * events, noise + times * times * events);
    }
    let as_counted = if noise > 0.0 { mean / noise } else { 1.0 };
    counts.iter_mut().for_each(|count| *count *= as_counted);
    Season::of_counts(&counts)
}

/// Season and event types, which are fitted in turn with the rates, as one list of logarithms.
fn logarithms(season: &Season, found: &[Fitted]) -> Vec<f64> {
    let marks = found.iter().flat_map(|own| own.marks.rows().flatten());
    season.by_hour.iter().chain(marks).map(|share| share.max(LEAST).ln()).collect()
}

/// Puts such a list back, each part with its own sum.
fn put_back(logarithms: &[f64], found: &mut [Fitted]) -> Season {
    let mut rest = logarithms.iter().map(|log| log.exp());
    let season = Season::of_rates(rest.by_ref().take(Season::even().by_hour.len()).collect());
    for row in found.iter_mut().flat_map(|own| own.marks.rows_mut()) {
        row.iter_mut().zip(rest.by_ref()).for_each(|(share, new)| *share = new);
        let total: f64 = row.iter().sum();
        row.iter_mut().for_each(|share| *share /= total);
    }
    season
}

/// Where three rounds in a line lead to.
fn leap(first: &[f64], second: &[f64], third: &[f64]) -> Vec<f64> {
    let steps = || first.iter().zip(second).zip(third).map(|((a, b), c)| (b - a, (c - b) - (b - a)));
    let size = |pick: fn((f64, f64)) -> f64| steps().map(pick).map(|part| part * part).sum::<f64>().sqrt();
    let (step, bend) = (size(|step| step.0), size(|step| step.1));
    let length = if bend > 0.0 { (step / bend).clamp(1.0, FURTHEST) } else { 1.0 };
    let far = |(from, (step, bend)): (&f64, (f64, f64))| from + 2.0 * length * step + length * length * bend;
    first.iter().zip(steps()).map(far).collect()
}
