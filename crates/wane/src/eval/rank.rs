//! Ranks of a case's targets among its candidates.
//!
//! Ties are resolved against the model: a target stands behind every candidate that is no target and scores as much.
//! A model that gives all items one score thus has the worst ranks, not average ones. Targets that tie with each other
//! take successive ranks.

use hashbrown::HashSet;

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
    let mut targets: Vec<(f32, ItemId)> =
        case.targets.iter().filter(|&&item| in_play(item)).map(|&item| (scores.get(item), item)).collect();
    targets.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    // beaten_by[t]: others whose score reaches target t but not the target before it.
    let mut beaten_by = vec![0u64; targets.len() + 1];
    let mut others = 0;
    let wanted: HashSet<ItemId> = case.targets.iter().copied().collect();
    let mut count = |item: ItemId| {
        if !wanted.contains(&item) {
            let score = scores.get(item);
            beaten_by[targets.partition_point(|target| target.0 > score)] += 1;
            others += 1;
        }
    };
    match given {
        Some(negatives) => negatives.iter().for_each(|&item| count(item)),
        None => (0..scores.len())
            .map(|item| ItemId(item as u32))
            .filter(|&item| is_candidate(item))
            .for_each(count),
    }
    let mut ahead = 0;
    let mut ranks = Ranks { targets: case.targets.len(), others, ..Ranks::default() };
    for (place, (&(_, item), beaten)) in targets.iter().zip(&beaten_by).enumerate() {
        ahead += beaten;
        ranks.pairs_won += others - ahead;
        ranks.found.push((u32::try_from(ahead + place as u64 + 1).unwrap_or(u32::MAX), item));
    }
    ranks
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
    fn given_negatives_are_the_only_competition() {
        let negatives = Some(vec![ItemId(2)]);
        let ranks = ranks(&case(&[1], negatives), &scored(&[9.0, 8.0, 7.0]), |_| false);
        assert_eq!(ranks.found, [(1, ItemId(1))]);
    }

    proptest! {
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
