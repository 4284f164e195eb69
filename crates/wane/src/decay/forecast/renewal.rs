//! How likely a user comes back now, by their own pace.
//!
//! A gap is measured in units of the mean gap of that user in that category, which is drawn toward the category's own where there are
//! few gaps. In these units the hazard of coming back is constant within bands: what runs out comes back around 1, what
//! was a fancy comes back soon or never. It is counted over all categories, and per category drawn toward all:
//! `hazard_b = (returns_b + k) / (time_b + k / hazard of all)`. Counts of any split of the pairs add up.

use std::collections::BTreeMap;

use super::Pair;

/// Gaps' worth of the category's mean in each own mean.
const SHRINKAGE: f64 = 2.0;
/// Returns' worth of the hazard over all categories in each band of one.
const BORROWED: f64 = 20.0;

/// Upper ends of the bands, in own mean gaps; the last has none.
const BANDS: [f64; 31] = [
    0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.25, 2.5, 3.0,
    3.5, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0, 30.0, 50.0,
];

/// Returns and time in each band.
#[derive(Debug, Clone, Default)]
struct Counts(Vec<(f64, f64)>);

/// Hazards of coming back, category by category.
#[derive(Debug, Clone)]
pub(super) struct Renewal {
    /// Mean gap of each category, in days.
    means: BTreeMap<u32, f64>,
    mean: f64,
    hazards: BTreeMap<u32, Vec<f64>>,
    hazard: Vec<f64>,
}

impl Renewal {
    /// Counts the gaps of pairs, the last of which are open.
    pub(super) fn fit(pairs: &[Pair]) -> Self {
        let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
        for pair in pairs {
            let own = sums.entry(pair.key).or_default();
            pair.gaps().for_each(|gap| *own = (own.0 + gap, own.1 + 1.0));
        }
        let total = sums.values().fold((0.0, 0.0), |total, own| (total.0 + own.0, total.1 + own.1));
        let mean = if total.1 > 0.0 { total.0 / total.1 } else { 30.0 };
        let means = sums
            .iter()
            .map(|(&key, (sum, count))| (key, (sum + SHRINKAGE * mean) / (count + SHRINKAGE)))
            .collect();
        let mut renewal = Self { means, mean, hazards: BTreeMap::new(), hazard: Vec::new() };
        let mut all = Counts::default();
        let mut by_key: BTreeMap<u32, Counts> = BTreeMap::new();
        for pair in pairs {
            let unit = renewal.pace(pair);
            let own = by_key.entry(pair.key).or_default();
            pair.gaps().for_each(|gap| own.add(gap / unit, true));
            own.add(pair.recency() / unit, false);
        }
        by_key.values().for_each(|own| all.join(own));
        renewal.hazard = all.hazards(None);
        renewal.hazards =
            by_key.iter().map(|(&key, own)| (key, own.hazards(Some(&renewal.hazard)))).collect();
        renewal
    }

    /// The pair's mean gap in days.
    pub(super) fn pace(&self, pair: &Pair) -> f64 {
        let common = self.means.get(&pair.key).copied().unwrap_or(self.mean);
        let (sum, count) = pair.gaps().fold((0.0, 0.0), |total, gap| (total.0 + gap, total.1 + 1.0));
        ((sum + SHRINKAGE * common) / (count + SHRINKAGE)).max(1e-3)
    }

    /// The cumulative hazard of coming back within the next days.
    pub(super) fn ahead(&self, pair: &Pair, days: f64) -> f64 {
        let unit = self.pace(pair);
        let hazard = self.hazards.get(&pair.key).unwrap_or(&self.hazard);
        let since = pair.recency() / unit;
        let (mut sum, mut low) = (0.0, 0.0);
        for (rate, high) in hazard.iter().zip(BANDS.into_iter().chain([f64::INFINITY])) {
            sum += rate * ((since + days / unit).min(high) - since.max(low)).max(0.0);
            low = high;
        }
        sum
    }
}

impl Counts {
    fn add(&mut self, length: f64, returned: bool) {
        self.0.resize(BANDS.len() + 1, (0.0, 0.0));
        let mut low = 0.0;
        for (band, high) in self.0.iter_mut().zip(BANDS.into_iter().chain([f64::INFINITY])) {
            band.1 += (length.min(high) - low).max(0.0);
            if returned && length > low && length <= high {
                band.0 += 1.0;
            }
            low = high;
        }
    }

    fn join(&mut self, other: &Self) {
        self.0.resize(BANDS.len() + 1, (0.0, 0.0));
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own = (own.0 + other.0, own.1 + other.1);
        }
    }

    fn hazards(&self, of_all: Option<&[f64]>) -> Vec<f64> {
        let total = self.0.iter().fold((0.0, 0.0), |total, own| (total.0 + own.0, total.1 + own.1));
        let even = (total.0 + 0.5) / (total.1 + 1.0);
        let of_all = |place: usize| of_all.map_or(even, |all| all[place]);
        let hazard = |(place, (returns, time)): (usize, &(f64, f64))| {
            (returns + BORROWED) / (time + BORROWED / of_all(place))
        };
        self.0.iter().enumerate().map(hazard).collect()
    }
}
