//! The greatest of the shares that past events have in one score, without keeping all of them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What one past event puts into a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    /// The event, the newest being 0.
    pub(super) number: usize,
    /// The relation by which it speaks; none where it speaks by its item's vector.
    pub(super) link: Option<usize>,
    pub(super) value: f64,
}

impl Share {
    /// The order of [`Reason::greatest_first`](crate::recommend::Reason::greatest_first).
    fn greatest_first(&self, other: &Self) -> Ordering {
        let size = other.value.abs().total_cmp(&self.value.abs());
        size.then(self.number.cmp(&other.number)).then(self.link.cmp(&other.link))
    }
}

/// The greatest shares so far, signs aside.
#[derive(Debug, Clone)]
pub(super) struct Greatest {
    most: usize,
    /// The least of them on top.
    kept: BinaryHeap<LeastFirst>,
    is_cut: bool,
}

impl Greatest {
    /// None yet, and `most` in the end, at least one.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), kept: BinaryHeap::new(), is_cut: false }
    }

    /// A share below it is not among the greatest, and may be [passed over](Self::pass_over); 0 while there is room.
    pub(super) fn bar(&self) -> f64 {
        match self.kept.peek() {
            Some(least) if self.kept.len() >= self.most => least.0.value.abs(),
            _ => 0.0,
        }
    }

    /// Takes a share if it is among the greatest. One of 0 says nothing.
    pub(super) fn offer(&mut self, share: Share) {
        if share.value == 0.0 {
            return;
        }
        if self.kept.len() >= self.most {
            self.is_cut = true;
            if self.kept.peek().is_some_and(|least| share.greatest_first(&least.0).is_gt()) {
                return;
            }
            self.kept.pop();
        }
        self.kept.push(LeastFirst(share));
    }

    /// Knows that there may be shares that were not offered, other than 0.
    pub(super) fn pass_over(&mut self, may_be: bool) {
        self.is_cut |= may_be;
    }

    /// The greatest, the oldest event first, and whether there were others.
    pub(super) fn finish(self) -> (Vec<Share>, bool) {
        let mut shares: Vec<Share> = self.kept.into_iter().map(|kept| kept.0).collect();
        shares.sort_unstable_by_key(|share| (std::cmp::Reverse(share.number), share.link));
        (shares, self.is_cut)
    }
}

#[derive(Debug, Clone, Copy)]
struct LeastFirst(Share);

impl Ord for LeastFirst {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.greatest_first(&other.0)
    }
}

impl PartialOrd for LeastFirst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for LeastFirst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for LeastFirst {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn are_the_first_of_all_in_order(values in proptest::collection::vec(-3i8..4, 0..40), most in 1usize..8) {
            let shares: Vec<Share> = values
                .iter()
                .enumerate()
                .map(|(place, &value)| Share { number: place / 2, link: Some(place % 2), value: f64::from(value) })
                .collect();
            let mut greatest = Greatest::new(most);
            for &share in &shares {
                if share.value == 0.0 || share.value.abs() >= greatest.bar() {
                    greatest.offer(share);
                } else {
                    greatest.pass_over(true);
                }
            }
            let mut all: Vec<Share> = shares.into_iter().filter(|share| share.value != 0.0).collect();
            all.sort_by(Share::greatest_first);
            let is_cut = all.len() > most;
            all.truncate(most);
            all.sort_by_key(|share| (std::cmp::Reverse(share.number), share.link));
            prop_assert_eq!(greatest.finish(), (all, is_cut));
        }
    }
}
