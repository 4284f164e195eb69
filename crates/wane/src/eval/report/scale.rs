//! From numbers to places on an axis, with ticks at numbers that people like.

/// How numbers are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spread {
    Linear,
    Log,
}

/// An axis: numbers from `low` to `high` on places from `start` to `end`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    spread: Spread,
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// A linear axis. An empty or senseless range becomes 0 to 1, so that every picture can be drawn.
    pub(super) fn linear(low: f64, high: f64, start: f64, end: f64) -> Self {
        let sound = low.is_finite() && high.is_finite() && high > low && (high - low).is_finite();
        let (low, high) = if sound { (low, high) } else { (0.0, 1.0) };
        Self { spread: Spread::Linear, low, high, start, end }
    }

    /// A logarithmic axis; what is not above zero lies at its start. A senseless range becomes 1 to 10.
    pub(super) fn log(low: f64, high: f64, start: f64, end: f64) -> Self {
        let sound = low > 0.0 && high > low && high.is_finite();
        let (low, high) = if sound { (low, high) } else { (1.0, 10.0) };
        Self { spread: Spread::Log, low, high, start, end }
    }

    /// The place of a number, kept within the axis; what is not a number lies at the start.
    pub(super) fn place(&self, number: f64) -> f64 {
        let share = match self.spread {
            Spread::Linear => (number - self.low) / (self.high - self.low),
            Spread::Log => (number / self.low).max(f64::MIN_POSITIVE).ln() / (self.high / self.low).ln(),
        };
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self.start + share * (self.end - self.start)
    }

    /// The place where the axis starts.
    pub(super) const fn start(&self) -> f64 {
        self.start
    }

    /// The place where the axis ends.
    pub(super) const fn end(&self) -> f64 {
        self.end
    }

    /// The least number on the axis.
    pub(super) const fn low(&self) -> f64 {
        self.low
    }

    /// The greatest number on the axis.
    pub(super) const fn high(&self) -> f64 {
        self.high
    }

    /// Whether a number is on the axis.
    pub(super) fn holds(&self, number: f64) -> bool {
        (self.low..=self.high).contains(&number)
    }

    /// About `wanted` ticks at 1, 2 or 5 times a power of ten (Heckbert's nice numbers, Graphics Gems 1990).
    pub(super) fn ticks(&self, wanted: usize) -> Vec<f64> {
        let step = nice_step((self.high - self.low) / wanted.max(1) as f64);
        let first = (self.low / step - 1e-9).ceil();
        let last = (self.high / step + 1e-9).floor();
        (0..=(last - first).max(0.0) as usize).map(|n| (first + n as f64) * step).collect()
    }
}

/// The nearest of 1, 2, 5 times a power of ten at or above `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| rough <= factor * power * 1.000_001);
    factor.unwrap_or(10.0) * power
}

/// Decimals that tell ticks of this distance apart.
pub(super) fn tick_decimals(ticks: &[f64]) -> usize {
    let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    if step.is_finite() && step > 0.0 { (-(step.log10() + 1e-9).floor()).clamp(0.0, 8.0) as usize } else { 2 }
}

/// Lengths of time that an axis of ages is ticked at: (days, name).
const AGES: [(f64, &str); 13] = [
    (1.0 / 86_400.0, "1 s"),
    (10.0 / 86_400.0, "10 s"),
    (1.0 / 1440.0, "1 min"),
    (10.0 / 1440.0, "10 min"),
    (1.0 / 24.0, "1 h"),
    (6.0 / 24.0, "6 h"),
    (1.0, "1 day"),
    (7.0, "1 week"),
    (30.0, "30 days"),
    (90.0, "90 days"),
    (365.25, "1 year"),
    (1826.25, "5 years"),
    (7305.0, "20 years"),
];

/// Ticks of a logarithmic axis of ages in days.
pub(super) fn age_ticks(scale: &Scale) -> Vec<(f64, &'static str)> {
    AGES.into_iter().filter(|(days, _)| scale.holds(*days)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_nice() {
        assert_eq!(Scale::linear(0.0, 0.37, 0.0, 1.0).ticks(4), [0.0, 0.1, 0.2, 0.30000000000000004]);
        assert_eq!(tick_decimals(&[0.0, 0.05, 0.1]), 2);
        assert_eq!(tick_decimals(&[0.0, 20.0]), 0);
    }

    #[test]
    fn ends_of_a_log_axis() {
        let scale = Scale::log(1.0, 100.0, 0.0, 10.0);
        assert_eq!([0.0, 1.0, 10.0, 1e9, f64::NAN].map(|x| scale.place(x)), [0.0, 0.0, 5.0, 10.0, 0.0]);
    }

    proptest! {
        #[test]
        fn every_axis_can_be_drawn(low: f64, high: f64, x: f64) {
            for scale in [Scale::linear(low, high, 10.0, 90.0), Scale::log(low, high, 10.0, 90.0)] {
                prop_assert!((10.0..=90.0).contains(&scale.place(x)));
                prop_assert!(scale.ticks(5).len() <= 12, "{:?}", scale.ticks(5));
            }
        }
    }
}
