//! A figure with its interval.

use serde::{Deserialize, Serialize};

/// A figure with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub lo: f64,
    /// Upper end of the 95 % interval.
    pub hi: f64,
}

impl Estimate {
    /// The share `hits / of` with its score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical
    /// inference", 1927), which stays within 0 and 1 and holds for few cases too; none of no cases.
    ///
    /// `(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)`
    pub fn share(hits: u64, of: u64) -> Option<Self> {
        const Z: f64 = 1.959_963_984_540_054;
        let (n, value) = (of as f64, hits as f64 / of as f64);
        let (middle, size) = (value + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
        let half = Z * (value * (1.0 - value) / n + Z * Z / (4.0 * n * n)).sqrt();
        (of > 0).then(|| Self {
            value,
            lo: ((middle - half) / size).max(0.0),
            hi: ((middle + half) / size).min(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Estimate;

    /// `scipy.stats.binomtest(k, n).proportion_ci(method="wilson")`.
    #[test]
    fn intervals_of_shares_are_wilsons() {
        for (hits, of, lo, hi) in [
            (0, 10, 0.0, 0.277_532_799_862_889_26),
            (3, 50, 0.020_614_970_348_973_957, 0.162_170_916_888_381_7),
            (7, 7, 0.645_669_564_933_312_6, 1.0),
        ] {
            let found = Estimate::share(hits, of).unwrap();
            assert!((found.lo - lo).abs() < 1e-12 && (found.hi - hi).abs() < 1e-12, "{found:?}");
        }
        assert_eq!(Estimate::share(0, 0), None);
    }
}
