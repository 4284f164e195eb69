//! Ranks of a case's targets among its candidates.
//!
//! Ties are resolved against the model: a target stands behind every candidate that is no target and scores as much.
//! A model that gives all items one score thus has the worst ranks, not average ones. Targets that tie with each other
//! take successive ranks. A score that is no number is the worst for a target and the best for its rivals.

use super::Case;
use crate::events::ItemId;
use crate::recommend::Scores;

/// Where a case's targets ended up.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Ranks {
    /// Ranks from 1, ascending, with the target; targets that were not among the candidates are missing.
    pub(crate) found: Vec<(u32, ItemId)>,
    /// Number of targets, found or not.
    pub(crate) targets: usize,
    /// Candidates that are no targets.
    pub(crate) others: u64,
    /// Sum over found targets of the others that score less (for AUC).
    pub(crate) pairs_won: u64,
}

/// Ranks a case's targets. `is_candidate` says which items compete when no negatives are given.
pub(crate) fn ranks(case: &Case, scores: &Scores, is_candidate: impl Fn(ItemId) -> bool) -> Ranks {
    let given = case.negatives.as_deref();
    let in_play = |item: ItemId| given.is_some() || is_candidate(item);
    let wanted = case.targets.iter().copied().filter(|&item| in_play(item));
    let mut targets: Vec<(f32, ItemId)> = wanted.map(|item| (own_score(scores.get(item)), item)).collect();
    targets.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut rivals = Rivals::of(&targets);
    match given {
        Some(negatives) => negatives
            .iter()
            .filter(|item| !case.targets.contains(item))
            .for_each(|&item| rivals.add(scores.get(item))),
        None => {
            let candidates = scores.values().iter().zip(0..).filter(|&(_, item)| is_candidate(ItemId(item)));
            candidates.for_each(|(&score, _)| rivals.add(score));
            // Targets were counted as rivals, which is cheaper than asking of every item whether it is one.
            targets.iter().for_each(|target| rivals.remove(scores.get(target.1)));
        }
    }
    let mut ranks = Ranks { targets: case.targets.len(), others: rivals.count, ..Ranks::default() };
    let mut ahead = 0;
    for (place, (&(_, item), beaten)) in targets.iter().zip(&rivals.reaching).enumerate() {
        ahead += beaten;
        ranks.pairs_won += rivals.count - ahead;
        ranks.found.push((u32::try_from(ahead + place as u64 + 1).unwrap_or(u32::MAX), item));
    }
    ranks
}

/// Counts of candidates by the best target whose score they reach.
struct Rivals<'a> {
    /// Targets, best first.
    targets: &'a [(f32, ItemId)],
    /// `reaching[t]`: rivals whose score reaches target `t` but not the target before it.
    reaching: Vec<u64>,
    count: u64,
}

impl<'a> Rivals<'a> {
    fn of(targets: &'a [(f32, ItemId)]) -> Self {
        Self { targets, reaching: vec![0; targets.len() + 1], count: 0 }
    }

    fn add(&mut self, score: f32) {
        let place = self.place(score);
        self.reaching[place] += 1;
        self.count += 1;
    }

    fn remove(&mut self, score: f32) {
        let place = self.place(score);
        self.reaching[place] -= 1;
        self.count -= 1;
    }

    /// A rival whose score is no number beats every target; adding 0 makes a negative zero tie with a positive one.
    fn place(&self, score: f32) -> usize {
        let score = if score.is_nan() { f32::INFINITY } else { score + 0.0 };
        self.targets.partition_point(|target| target.0 > score)
    }
}

/// A target whose score is no number loses to everything.
fn own_score(score: f32) -> f32 {
    if score.is_nan() { f32::NEG_INFINITY } else { score + 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Timestamp, UserId};
    use proptest::prelude::*;

    fn case(targets: &[u32], negatives: Option<Vec<ItemId>>) -> Case {
        Case {
            user: UserId(0),
            known_events: 0,
            as_of: Timestamp::from_millis(0),
            targets: targets.iter().map(|&item| ItemId(item)).collect(),
            negatives,
        }
    }

    fn scored(values: &[f32]) -> Scores {
        let mut scores = Scores::new(values.len());
        scores.dense_mut().copy_from_slice(values);
        scores
    }

    #[test]
    fn a_model_without_an_opinion_ranks_last() {
        let ranks = ranks(&case(&[1], None), &Scores::new(5), |_| true);
        assert_eq!(ranks.found, [(5, ItemId(1))]);
        assert_eq!((ranks.others, ranks.pairs_won), (4, 0));
    }

    #[test]
    fn items_out_of_play_neither_compete_nor_hit() {
        let ranks = ranks(&case(&[0, 3], None), &scored(&[9.0, 8.0, 7.0, 6.0]), |item| item.0 != 0);
        assert_eq!((ranks.found, ranks.targets), (vec![(3, ItemId(3))], 2));
    }

    #[test]
    fn scores_that_are_no_numbers_never_help() {
        let nan = f32::NAN;
        for values in
            [[nan, 1.0, 2.0], [-nan, 1.0, 2.0], [1.5, nan, -nan], [-0.0, 0.0, 0.0], [0.0, -0.0, -0.0]]
        {
            let ranks = ranks(&case(&[0], None), &scored(&values), |_| true);
            assert_eq!((&ranks.found[..], ranks.others, ranks.pairs_won), (&[(3, ItemId(0))][..], 2, 0));
        }
    }

    #[test]
    fn given_negatives_are_the_only_competition() {
        let negatives = Some(vec![ItemId(2)]);
        let ranks = ranks(&case(&[1], negatives), &scored(&[9.0, 8.0, 7.0]), |_| false);
        assert_eq!(ranks.found, [(1, ItemId(1))]);
    }

    proptest! {
        #[test]
        fn given_negatives_equal_a_ranking_that_is_limited_to_them(
            values in proptest::collection::vec(0u8..5, 30),
            wanted in proptest::collection::hash_set(0u32..30, 1..6),
            negatives in proptest::collection::hash_set(0u32..30, 0..20),
        ) {
            let targets: Vec<u32> = wanted.iter().copied().collect();
            let scores = scored(&values.iter().map(|&v| f32::from(v)).collect::<Vec<_>>());
            let given = negatives.iter().map(|&item| ItemId(item)).collect();
            let limited = |item: ItemId| negatives.contains(&item.0) || wanted.contains(&item.0);
            prop_assert_eq!(
                ranks(&case(&targets, Some(given)), &scores, |_| false),
                ranks(&case(&targets, None), &scores, limited)
            );
        }

        #[test]
        fn ranks_equal_a_pessimistic_full_sort(
            values in proptest::collection::vec(0u8..5, 3..30),
            wanted in proptest::collection::hash_set(0usize..30, 1..6),
        ) {
            let targets: Vec<u32> = wanted.iter().filter(|&&t| t < values.len()).map(|&t| t as u32).collect();
            let scores = scored(&values.iter().map(|&v| f32::from(v)).collect::<Vec<_>>());
            let got = ranks(&case(&targets, None), &scores, |_| true);
            let mut order: Vec<u32> = (0..values.len() as u32).collect();
            // Best first; at equal scores the targets come last.
            order.sort_by_key(|i| (std::cmp::Reverse(values[*i as usize]), targets.contains(i), *i));
            let expected: Vec<_> = order.iter().enumerate()
                .filter(|(_, item)| targets.contains(item))
                .map(|(place, &item)| (place as u32 + 1, ItemId(item))).collect();
            prop_assert_eq!(got.found, expected);
        }
    }
}
