//! The rhythm of the week: how much likelier one hour is than another for what nothing excites.

use crate::events::{MILLIS_PER_DAY, Timestamp};

/// Hours of a week, from Monday 0 h UTC.
const HOURS: usize = 168;
const MILLIS_PER_HOUR: i64 = MILLIS_PER_DAY / 24;

/// Rates by hour of the week, of mean 1.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Season {
    /// From Monday 0 h UTC.
    pub by_hour: Vec<f64>,
}

impl Season {
    /// No rhythm: every hour is like another.
    pub fn even() -> Self {
        Self { by_hour: vec![1.0; HOURS] }
    }

    /// The rhythm of counted events. Rates are taken as gamma distributed around 1 with the variance that the counts have beyond
    /// chance, so that few events make no rhythm.
    pub(super) fn of_counts(counts: &[f64]) -> Self {
        let mean = counts.iter().sum::<f64>() / HOURS as f64;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (HOURS - 1) as f64;
        // Poisson counts of rates with the shape k vary by mean + mean^2 / k.
        let shape = mean * mean / (variance - mean).max(0.0);
        let rate = |count: &f64| if shape.is_finite() { (count + shape) / (mean + shape) } else { 1.0 };
        Self { by_hour: counts.iter().map(rate).collect() }
    }

    /// The rhythm of rates by hour, whatever their mean.
    pub(super) fn of_rates(rates: Vec<f64>) -> Self {
        let mean = rates.iter().sum::<f64>() / HOURS as f64;
        Self { by_hour: rates.into_iter().map(|rate| rate / mean).collect() }
    }

    pub(super) fn no_counts() -> Vec<f64> {
        vec![0.0; HOURS]
    }

    /// The rate at a moment.
    pub fn at(&self, time: Timestamp) -> f64 {
        self.by_hour.get(time.hour_of_week()).copied().unwrap_or(1.0)
    }

    /// The highest rate.
    pub fn peak(&self) -> f64 {
        self.by_hour.iter().copied().fold(0.0, f64::max)
    }

    /// The integral of the rate over a time, in days; 0 where it ends before it starts.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> f64 {
        let (from, to) = (from.millis(), to.millis());
        if to <= from {
            return 0.0;
        }
        let hours = to.div_euclid(MILLIS_PER_HOUR) - from.div_euclid(MILLIS_PER_HOUR);
        let place = |millis: i64| Timestamp::from_millis(millis).hour_of_week();
        let in_hour = |millis: i64| millis.rem_euclid(MILLIS_PER_HOUR) as f64 / MILLIS_PER_HOUR as f64;
        let rate = |hour: usize| self.by_hour.get(hour % HOURS).copied().unwrap_or(1.0);
        let (first, weeks) = (place(from), hours / HOURS as i64);
        let rest = (0..(hours % HOURS as i64) as usize).map(|hour| rate(first + hour)).sum::<f64>();
        let whole = weeks as f64 * self.by_hour.iter().sum::<f64>() + rest;
        (whole + in_hour(to) * rate(place(to)) - in_hour(from) * rate(first)) / 24.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_integral_is_the_sum_of_the_rates(start in -2e10..2e10f64, days in 0.0..20.0f64) {
            let season = Season::of_counts(&(0..168).map(|hour| f64::from(hour % 24)).collect::<Vec<_>>());
            let from = Timestamp::from_millis(start as i64);
            let to = from.plus_days(days);
            let steps = 20_000;
            let at = |step: i32| from.plus_days(days * (f64::from(step) + 0.5) / f64::from(steps));
            let sum: f64 = (0..steps).map(|step| season.at(at(step))).sum::<f64>() * days / f64::from(steps);
            prop_assert!((season.between(from, to) - sum).abs() < 2e-3 * (1.0 + sum));
        }
    }

    #[test]
    fn a_week_has_seven_days() {
        let season = Season::of_counts(&(0..168).map(f64::from).collect::<Vec<_>>());
        let from = Timestamp::from_millis(1_234_567_890_123);
        assert!((season.between(from, from.plus_days(7.0)) - 7.0).abs() < 1e-9);
        assert_eq!(season.between(from, from.plus_days(-1.0)), 0.0);
        assert_eq!(Season::even().between(from, from.plus_days(2.5)), 2.5);
    }
}
