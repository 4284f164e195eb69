//! The rhythm of the week: how much busier one hour is than another.

use crate::events::Timestamp;

/// Hours in a week.
const HOURS: usize = 168;

/// Visits by hour of the day, from midnight: quiet nights, a bump at noon, a peak in the evening.
const DAY: [f64; 24] = [
    0.30, 0.18, 0.12, 0.10, 0.10, 0.16, 0.32, 0.55, 0.80, 0.95, 1.05, 1.15, 1.30, 1.20, 1.10, 1.10, 1.15,
    1.25, 1.45, 1.70, 1.95, 1.90, 1.40, 0.72,
];

/// Visits by day of the week, from Monday.
const WEEK: [f64; 7] = [0.95, 0.92, 0.92, 0.95, 0.98, 1.12, 1.16];

/// Relative visit rate by hour of the week, of mean 1.
#[derive(Debug, Clone)]
pub(super) struct Season {
    by_hour: Vec<f64>,
    peak: f64,
}

impl Season {
    pub(super) fn new() -> Self {
        let raw: Vec<f64> = (0..HOURS).map(|hour| DAY[hour % 24] * WEEK[hour / 24]).collect();
        let mean = raw.iter().sum::<f64>() / HOURS as f64;
        let by_hour: Vec<f64> = raw.iter().map(|rate| rate / mean).collect();
        let peak = by_hour.iter().copied().fold(0.0, f64::max);
        Self { by_hour, peak }
    }

    /// The highest rate of the week.
    pub(super) fn peak(&self) -> f64 {
        self.peak
    }

    /// The rate at a moment as a share of the peak.
    pub(super) fn share_of_peak(&self, time: Timestamp) -> f64 {
        self.by_hour[time.hour_of_week()] / self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_over_a_week_is_one() {
        let season = Season::new();
        assert!((season.by_hour.iter().sum::<f64>() / HOURS as f64 - 1.0).abs() < 1e-12);
    }
}
