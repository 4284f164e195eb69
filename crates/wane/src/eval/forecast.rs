//! How good probabilities are, on pairs of a user and a category.
//!
//! - **Brier score**: mean of `(p - y)^2`; **log-likelihood**: mean of `ln p` of what came; both with intervals over users, and
//!   differences to the first model on the same draws.
//! - **ECE**: mean distance of the mean probability from the share that came, in 15 bins of equally many pairs.
//! - **AUC**: the probability that a pair that came was found likelier than one that did not; ties count half.

use serde::Serialize;

use super::Estimate;
use super::bootstrap::{Draws, Sample};

/// Bins of the reliability curve.
const BINS: usize = 15;
/// A probability is taken to be no nearer to 0 or 1.
const SURE: f64 = 1e-6;

/// One bin of a reliability curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Mean probability.
    pub probability: f64,
    /// Share that came.
    pub came: f64,
    /// Pairs.
    pub pairs: u64,
    /// Standard deviation of the share that comes, were every probability true.
    pub by_chance: f64,
}

/// How good the probabilities of a model are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForecastResult {
    /// The model.
    pub model: String,
    /// Brier score: the lower, the better.
    pub brier: Estimate,
    /// Mean log-likelihood: the higher, the better.
    pub log_likelihood: Estimate,
    /// Expected calibration error.
    pub ece: f64,
    /// What it would be in the mean if every probability were true: few pairs never come as was said. Each share misses by
    /// `sqrt(2 / pi)` standard deviations, as normal numbers do.
    pub ece_by_chance: f64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Brier score less that of the first model; none for itself.
    pub brier_difference: Option<Estimate>,
    /// Log-likelihood less that of the first model; none for itself.
    pub log_likelihood_difference: Option<Estimate>,
    /// From the least probability to the greatest.
    pub reliability: Vec<Bin>,
}

/// Judges the probabilities of models for pairs, of which those of one user are adjacent. The first model is what the others are
/// compared with.
pub fn judge_forecasts(
    users: &[u32],
    came: &[bool],
    models: &[(String, Vec<f64>)],
    seed: u64,
) -> Vec<ForecastResult> {
    let draws: Vec<Draws> = models
        .iter()
        .map(|(_, probabilities)| {
            let row = |(p, came): (&f64, &bool)| {
                let (p, y) = (p.clamp(SURE, 1.0 - SURE), f64::from(u8::from(*came)));
                [(p - y).powi(2) as f32, (if *came { p } else { 1.0 - p }).ln() as f32]
            };
            let rows: Vec<[f32; 2]> = probabilities.iter().zip(came).map(row).collect();
            Sample::new(2, users.iter().zip(rows.iter().map(|row| Some(row.as_slice())))).draw(seed)
        })
        .collect();
    models
        .iter()
        .zip(&draws)
        .enumerate()
        .map(|(place, ((model, probabilities), own))| {
            let (estimates, reliability) = (own.estimates(), reliability(probabilities, came));
            let differences = draws.first().filter(|_| place > 0).map(|first| own.minus(first));
            let difference = |column: usize| differences.as_ref().map(|both| both[column]);
            ForecastResult {
                model: model.clone(),
                brier: estimates[0],
                log_likelihood: estimates[1],
                ece: ece(&reliability, |bin| (bin.probability - bin.came).abs()),
                ece_by_chance: ece(&reliability, |bin| std::f64::consts::FRAC_2_PI.sqrt() * bin.by_chance),
                auc: auc(probabilities, came),
                brier_difference: difference(0),
                log_likelihood_difference: difference(1),
                reliability,
            }
        })
        .collect()
}

/// Places from the least probability to the greatest.
fn order(probabilities: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]).then(a.cmp(&b)));
    order
}

fn reliability(probabilities: &[f64], came: &[bool]) -> Vec<Bin> {
    let order = order(probabilities);
    let size = order.len().div_ceil(BINS).max(1);
    let bin = |places: &[usize]| {
        let n = places.len() as f64;
        Bin {
            probability: places.iter().map(|&place| probabilities[place]).sum::<f64>() / n,
            came: places.iter().filter(|&&place| came[place]).count() as f64 / n,
            pairs: places.len() as u64,
            by_chance: {
                let variance = |&place: &usize| probabilities[place] * (1.0 - probabilities[place]);
                places.iter().map(variance).sum::<f64>().sqrt() / n
            },
        }
    };
    order.chunks(size).map(bin).collect()
}

/// The mean miss of a pair's bin.
fn ece(bins: &[Bin], miss: impl Fn(&Bin) -> f64) -> f64 {
    let pairs: u64 = bins.iter().map(|bin| bin.pairs).sum();
    let sum: f64 = bins.iter().map(|bin| bin.pairs as f64 * miss(bin)).sum();
    sum / pairs.max(1) as f64
}

fn auc(probabilities: &[f64], came: &[bool]) -> f64 {
    let order = order(probabilities);
    let (mut below, mut pairs) = (0.0, 0.0);
    for same in order.chunk_by(|&a, &b| probabilities[a] == probabilities[b]) {
        let came = same.iter().filter(|&&place| came[place]).count() as f64;
        let not = same.len() as f64 - came;
        pairs += came * (below + 0.5 * not);
        below += not;
    }
    let all = came.iter().filter(|came| **came).count() as f64;
    if all > 0.0 && below > 0.0 { pairs / (all * below) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn figures_are_those_by_hand() {
        let (users, came) = ([0, 0, 1, 2], [true, false, true, false]);
        let model = |name: &str, p: [f64; 4]| (name.to_owned(), p.to_vec());
        let models = [model("good", [0.9, 0.2, 0.6, 0.6]), model("even", [0.5; 4])];
        let found = judge_forecasts(&users, &came, &models, 1);
        assert!((found[0].brier.value - (0.01 + 0.04 + 0.16 + 0.36) / 4.0).abs() < 1e-7);
        let log = (0.9f64.ln() + 0.8f64.ln() + 0.6f64.ln() + 0.4f64.ln()) / 4.0;
        assert!((found[0].log_likelihood.value - log).abs() < 1e-6);
        assert_eq!((found[0].auc, found[1].auc), (0.875, 0.5));
        assert!((found[1].brier_difference.unwrap().value - (0.25 - found[0].brier.value)).abs() < 1e-7);
        assert_eq!(found[0].brier_difference, None);
        assert!(found[1].log_likelihood_difference.unwrap().value < 0.0);
    }

    #[test]
    fn true_probabilities_miss_as_chance_has_it() {
        let mut random = StdRng::seed_from_u64(1);
        let probabilities: Vec<f64> = (0..3_000).map(|_| random.random::<f64>().powi(2)).collect();
        let model = [("true".to_owned(), probabilities.clone())];
        let users: Vec<u32> = (0..3_000).collect();
        let found = (0..100).map(|_| {
            let came: Vec<bool> = probabilities.iter().map(|&p| random.random_bool(p)).collect();
            let own = &judge_forecasts(&users, &came, &model, 1)[0];
            (own.ece, own.ece_by_chance)
        });
        let (said, came) = found.fold((0.0, 0.0), |sum, own| (sum.0 + own.1 / 100.0, sum.1 + own.0 / 100.0));
        assert!((said / came - 1.0).abs() < 0.06, "{said} is not {came}");
    }

    proptest! {
        /// sklearn.metrics.roc_auc_score counts pairs in the same way.
        #[test]
        fn auc_counts_pairs(rows in proptest::collection::vec((0u8..6, any::<bool>()), 1..40)) {
            let probabilities: Vec<f64> = rows.iter().map(|row| f64::from(row.0) / 6.0).collect();
            let came: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let (mut sum, mut n) = (0.0, 0.0);
            for (p, _) in rows.iter().filter(|row| row.1) {
                for (q, _) in rows.iter().filter(|row| !row.1) {
                    sum += if p > q { 1.0 } else if p == q { 0.5 } else { 0.0 };
                    n += 1.0;
                }
            }
            let expected = if n > 0.0 { sum / n } else { 0.5 };
            prop_assert!((auc(&probabilities, &came) - expected).abs() < 1e-12);
        }

        #[test]
        fn a_share_said_of_all_is_calibrated(came in proptest::collection::vec(any::<bool>(), 1..60)) {
            let share = came.iter().filter(|came| **came).count() as f64 / came.len() as f64;
            let bins = reliability(&vec![share; came.len()], &came);
            let mean: f64 = bins.iter().map(|bin| bin.came * bin.pairs as f64).sum::<f64>() / came.len() as f64;
            prop_assert!((mean - share).abs() < 1e-12);
        }
    }
}
