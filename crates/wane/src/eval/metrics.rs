//! Metrics of one case, from the ranks of its targets. Gain is binary; `T` is the number of targets, found or not.
//!
//! - `hr@k`: 1 if any target is in the first k
//! - `recall@k`: targets in the first k / T
//! - `precision@k`: targets in the first k / k
//! - `ndcg@k`: sum of `1 / log2(rank + 1)` over targets in the first k / the same for T targets ranked first
//!   (Järvelin and Kekäläinen 2002)
//! - `mrr@k`: 1 / rank of the first target, 0 if beyond k
//! - `map@k`: mean over min(k, T) of the precision at each target's rank within the first k
//! - `auc`: share of (target, other candidate) pairs in the right order; a tie counts as wrong
//! - `gauc`: the same, a case weighing as much as it has targets (Zhou et al. 2018); only a mean over cases has it

use super::rank::Ranks;

/// The cuts at which metrics are taken.
pub(crate) const CUTS: [u32; 3] = [5, 10, 20];

/// The longest list that curves are drawn for.
pub(crate) const CURVE: u32 = 20;

/// Metrics at a cut, in the order of [`at_cut`].
const AT_CUT: [&str; 6] = ["hr", "recall", "precision", "ndcg", "mrr", "map"];

/// Names of the values of [`metrics`], in order.
pub(crate) fn metric_names() -> Vec<String> {
    let at_cuts = CUTS.iter().flat_map(|cut| AT_CUT.iter().map(move |metric| format!("{metric}@{cut}")));
    at_cuts.chain(["auc".to_owned()]).collect()
}

/// Names of the figures of a model, in order: means of [`metrics`], then `gauc`.
pub(crate) fn figure_names() -> Vec<String> {
    metric_names().into_iter().chain(["gauc".to_owned()]).collect()
}

/// All metrics of one case, in the order of [`metric_names`].
pub(crate) fn metrics(ranks: &Ranks) -> Vec<f32> {
    let places: Vec<u32> = ranks.found.iter().map(|found| found.0).collect();
    let at_cuts = CUTS.iter().flat_map(|&cut| at_cut(&places, ranks.targets, cut));
    let pairs = ranks.others as f64 * ranks.targets as f64;
    let auc = if pairs > 0.0 { ranks.pairs_won as f64 / pairs } else { 0.0 };
    at_cuts.chain([auc]).map(|value| value as f32).collect()
}

/// The metrics of [`AT_CUT`] for ascending ranks of the found ones of `targets` targets.
pub(crate) fn at_cut(places: &[u32], targets: usize, cut: u32) -> [f64; 6] {
    let within = &places[..places.partition_point(|&rank| rank <= cut)];
    let hits = within.len() as f64;
    let ideal = targets.min(cut as usize);
    if ideal == 0 {
        return [0.0; 6];
    }
    let gain: f64 = within.iter().map(|&rank| discount(rank)).sum();
    let best: f64 = (1..=ideal as u32).map(discount).sum();
    let precisions: f64 = within.iter().zip(1..).map(|(&rank, nth)| f64::from(nth) / f64::from(rank)).sum();
    [
        f64::from(u8::from(!within.is_empty())),
        hits / targets as f64,
        hits / f64::from(cut),
        gain / best,
        within.first().map_or(0.0, |&rank| 1.0 / f64::from(rank)),
        precisions / ideal as f64,
    ]
}

fn discount(rank: u32) -> f64 {
    1.0 / (f64::from(rank) + 1.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Case;
    use crate::eval::rank::ranks;
    use crate::events::{ItemId, Timestamp, UserId};
    use crate::recommend::Scores;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn values_worked_by_hand() {
        // Three targets, found at ranks 2 and 7; the third is unknown.
        let [hr, recall, precision, ndcg, mrr, map] = at_cut(&[2, 7], 3, 5);
        let ideal = 1.0 + 1.0 / 3f64.log2() + 0.5;
        assert_eq!((hr, recall, precision, mrr), (1.0, 1.0 / 3.0, 0.2, 0.5));
        assert!((ndcg - (1.0 / 3f64.log2()) / ideal).abs() < 1e-12);
        assert!((map - 0.5 / 3.0).abs() < 1e-12);
        let [_, recall, .., map] = at_cut(&[2, 7], 3, 10);
        assert!((recall - 2.0 / 3.0).abs() < 1e-12);
        assert!((map - (0.5 + 2.0 / 7.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_to_find_is_worth_nothing() {
        assert_eq!(at_cut(&[], 0, 5), [0.0; 6]);
        assert_eq!(at_cut(&[], 2, 5), [0.0; 6]);
    }

    #[test]
    fn agrees_with_scikit_learn() {
        let cases: Value = serde_json::from_str(include_str!("../../tests/fixtures/metrics.json")).unwrap();
        for fixture in cases.as_array().unwrap() {
            let numbers =
                |key: &str| fixture[key].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32);
            let mut scores = Scores::new(numbers("scores").len());
            scores
                .dense_mut()
                .iter_mut()
                .zip(numbers("scores"))
                .for_each(|(score, value)| *score = value as f32);
            let case = Case {
                user: UserId(0),
                known_events: 0,
                as_of: Timestamp::from_millis(0),
                targets: numbers("targets").map(ItemId).collect(),
                negatives: None,
            };
            let got = metrics(&ranks(&case, &scores, |_| true));
            for (name, expected) in fixture["expected"].as_object().unwrap() {
                let place = metric_names().iter().position(|known| known == name).unwrap();
                let expected = expected.as_f64().unwrap();
                assert!((f64::from(got[place]) - expected).abs() < 1e-6, "{name}: {} {expected}", got[place]);
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_walk_down_the_list(hit in proptest::collection::vec(any::<bool>(), 1..40), missing in 0usize..3) {
            let places: Vec<u32> = (1..).zip(&hit).filter(|(_, hit)| **hit).map(|(rank, _)| rank).collect();
            let targets = places.len() + missing;
            prop_assume!(targets > 0);
            for cut in CUTS {
                let list = &hit[..hit.len().min(cut as usize)];
                let (mut hits, mut gain, mut precisions, mut first) = (0.0, 0.0, 0.0, 0.0);
                for (place, _) in list.iter().enumerate().filter(|(_, hit)| **hit) {
                    let rank = (place + 1) as f64;
                    hits += 1.0;
                    gain += 2f64.ln() / (rank + 1.0).ln();
                    precisions += hits / rank;
                    first = if hits == 1.0 { 1.0 / rank } else { first };
                }
                let ideal = targets.min(cut as usize);
                let best: f64 = (0..ideal).map(|place| 2f64.ln() / (place as f64 + 2.0).ln()).sum();
                let expected = [
                    f64::from(u8::from(list.contains(&true))), hits / targets as f64, hits / f64::from(cut),
                    gain / best, first, precisions / ideal as f64,
                ];
                for (got, expected) in at_cut(&places, targets, cut).into_iter().zip(expected) {
                    prop_assert!((got - expected).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn every_value_has_a_name() {
        assert_eq!(metrics(&Ranks::default()).len(), metric_names().len());
    }
}
