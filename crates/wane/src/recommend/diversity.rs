//! A list that is not ten times the same thing: maximal marginal relevance.
//!
//! - Items are picked one by one; each time the item with the greatest
//!   `(1 - diversity) * relevance - diversity * (greatest similarity to an item already picked)`.
//! - Relevance is the score moved to 0..1 over the candidates, since scores have no common unit with similarity.
//! - At `diversity = 0` the list is the ranking itself; at 1 only the first pick looks at scores.
//!
//! Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
//! summaries", SIGIR 1998. Cost: `k` times the number of candidates; five to ten times `k` candidates are plenty.

use super::Scored;
use crate::error::{Error, Result};
use crate::events::ItemId;

/// Picks `k` of `candidates` (best first), trading score for variety.
///
/// `similarity` gives 0 (nothing in common) to 1 (alike). The scores of the result are those of the candidates;
/// they need not descend.
///
/// # Errors
/// [`Error::Setting`] when `diversity` is outside 0..=1.
pub fn diversify(
    candidates: &[Scored],
    k: usize,
    diversity: f32,
    similarity: impl Fn(ItemId, ItemId) -> f32,
) -> Result<Vec<Scored>> {
    if !(0.0..=1.0).contains(&diversity) {
        return Err(Error::setting("diversity", "a number from 0 (the ranking as it is) to 1", diversity));
    }
    let mut left = relevances(candidates);
    let mut picked = Vec::with_capacity(k.min(left.len()));
    while picked.len() < k {
        let gain = |c: &Candidate| (1.0 - diversity) * c.relevance - diversity * c.closest;
        let Some(place) = first_greatest(left.iter().map(gain)) else { break };
        let chosen = left.remove(place).scored;
        picked.push(chosen);
        for other in &mut left {
            other.closest = other.closest.max(similarity(chosen.item, other.scored.item));
        }
    }
    Ok(picked)
}

struct Candidate {
    scored: Scored,
    relevance: f32,
    /// Greatest similarity to an item already picked.
    closest: f32,
}

fn relevances(candidates: &[Scored]) -> Vec<Candidate> {
    let scores = || candidates.iter().map(|scored| scored.score);
    let (low, high) = (scores().fold(f32::INFINITY, f32::min), scores().fold(f32::NEG_INFINITY, f32::max));
    let span = if high > low { high - low } else { 1.0 };
    candidates
        .iter()
        .map(|&scored| Candidate { scored, relevance: (scored.score - low) / span, closest: 0.0 })
        .collect()
}

/// Place of the greatest value; of equal ones the first, so that the ranking's own order breaks ties.
fn first_greatest(values: impl Iterator<Item = f32>) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (place, value) in values.enumerate() {
        if best.is_none_or(|(_, greatest)| value.total_cmp(&greatest).is_gt()) {
            best = Some((place, value));
        }
    }
    best.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranking(scores: &[f32]) -> Vec<Scored> {
        scores.iter().enumerate().map(|(i, &score)| Scored { item: ItemId(i as u32), score }).collect()
    }

    #[test]
    fn a_twin_of_the_first_pick_gives_way() {
        let twins = |a: ItemId, b: ItemId| if a.0 < 2 && b.0 < 2 { 1.0 } else { 0.0 };
        let picked = diversify(&ranking(&[3.0, 2.9, 2.0, 0.0]), 2, 0.5, twins).unwrap();
        assert_eq!(picked.iter().map(|s| s.item.0).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn diversity_outside_its_range_is_refused() {
        let message = diversify(&[], 1, 1.5, |_, _| 0.0).unwrap_err().to_string();
        assert_eq!(
            message,
            "setting `diversity`: expected a number from 0 (the ranking as it is) to 1, got 1.5"
        );
    }

    proptest! {
        #[test]
        fn without_diversity_the_ranking_stays(
            mut scores in proptest::collection::vec(-5i8..5, 0..30),
            k in 0usize..40,
        ) {
            scores.sort_by(|a, b| b.cmp(a));
            let candidates = ranking(&scores.iter().map(|&s| f32::from(s)).collect::<Vec<_>>());
            let picked = diversify(&candidates, k, 0.0, |a, b| (a.0 + b.0) as f32 % 2.0).unwrap();
            prop_assert_eq!(&picked[..], &candidates[..k.min(candidates.len())]);
        }
    }
}
