//! How well hazards order gaps (Harrell 1982): of two gaps of one baseline of which it is known that one ended first, how often has it
//! the higher hazard? Equal hazards count half; returns at the same age are not compared.
//!
//! Gaps are counted by rank in a binary indexed tree (Fenwick 1994), the longest first: `O(n ln n)`.

use super::design::Design;

/// The share of pairs in the right order; 0.5 where there are none.
pub(super) fn concordance(design: &Design, coefficients: &[f64]) -> f64 {
    let (mut right, mut pairs) = (0.0, 0.0);
    for baseline in &design.baselines {
        let scores: Vec<f64> = baseline.clone().map(|gap| design.score(gap, coefficients)).collect();
        let mut sorted = scores.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        let rank = |gap: usize| sorted.partition_point(|other| *other < scores[gap - baseline.start]);
        let mut longer = Counts::new(sorted.len());
        let mut end = baseline.end;
        while end > baseline.start {
            let days = design.days[end - 1];
            let start = baseline.start + design.days[baseline.start..end].partition_point(|own| *own < days);
            let (returns, others): (Vec<usize>, Vec<usize>) =
                (start..end).partition(|&gap| design.is_return[gap]);
            others.iter().for_each(|&gap| longer.add(rank(gap)));
            for &gap in &returns {
                let (lower, up_to) = (longer.below(rank(gap)), longer.below(rank(gap) + 1));
                right += lower as f64 + 0.5 * (up_to - lower) as f64;
                pairs += longer.all as f64;
            }
            returns.iter().for_each(|&gap| longer.add(rank(gap)));
            end = start;
        }
    }
    if pairs > 0.0 { right / pairs } else { 0.5 }
}

/// Counts by rank.
struct Counts {
    tree: Vec<u64>,
    all: u64,
}

impl Counts {
    fn new(ranks: usize) -> Self {
        Self { tree: vec![0; ranks + 1], all: 0 }
    }

    fn add(&mut self, rank: usize) {
        self.all += 1;
        let mut place = rank + 1;
        while place < self.tree.len() {
            self.tree[place] += 1;
            place += place & place.wrapping_neg();
        }
    }

    /// How many have a lower rank.
    fn below(&self, rank: usize) -> u64 {
        let (mut sum, mut place) = (0, rank);
        while place > 0 {
            sum += self.tree[place];
            place &= place - 1;
        }
        sum
    }
}
