//! Relations mined from the log: what is visited after what, and what together.
//!
//! - `count[i, j] = sum over users and pairs of their events k < l with items i and j of 1 / max(1, d)`, where `d` is by how many
//!   places l comes after k: events, or baskets where all items of a basket come at once. `follows` counts pairs with
//!   `1 <= d <= window`, `together` those with `d = 0`, in both directions.
//! - Pairs within one item are left out (that is the relation `self`), as are events more than [`NEAR`] apart, and only
//!   the `top` strongest links of an item are kept, by `count / sqrt(out_i in_j)`, where `out` and `in` sum the counts by
//!   row and by column.
//!
//! Strengths keep the sums of their counts beside them, so that training can take out of a count what the very user it
//! predicts put in.

use rayon::prelude::*;

use super::Relation;
use crate::events::{EventLog, ItemId};

/// Pairs sorted at once, a bound on memory.
const BLOCK: usize = 16_000_000;
/// Events after an event that may pair with it.
const NEAR: usize = 100;

/// A mined relation with the sums of its counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Mined {
    /// Links by strength `count / sqrt(out in)`, the strongest `top` of each item.
    pub relation: Relation,
    /// Sum of all counts from an item, before pruning.
    pub out: Vec<f32>,
    /// Sum of all counts to an item, before pruning.
    pub into: Vec<f32>,
}

/// Which pairs of a history count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// Events after one another, up to so many places.
    Follows(u32),
    /// Events of one place.
    Together,
}

impl Pairing {
    /// Gives every pair of a history, whose events have these places, with its weight.
    pub fn pairs(self, items: &[ItemId], places: &[u32], mut give: impl FnMut(ItemId, ItemId, f32)) {
        for (k, (&from, &start)) in items.iter().zip(places).enumerate() {
            for (&to, &place) in items[k + 1..].iter().zip(&places[k + 1..]).take(NEAR) {
                let distance = place - start;
                match self {
                    Self::Follows(window) if distance > window => break,
                    Self::Together if distance > 0 => break,
                    _ if from == to => {}
                    Self::Follows(_) if distance > 0 => give(from, to, 1.0 / distance as f32),
                    Self::Follows(_) => {}
                    Self::Together => {
                        give(from, to, 1.0);
                        give(to, from, 1.0);
                    }
                }
            }
        }
    }

    /// Gives, for the event at a place of a history, the items whose links to its item it adds to, with the weight: of the
    /// events before it for `follows`, of those after it where the relation is reversed.
    pub fn partners(
        self,
        items: &[ItemId],
        places: &[u32],
        at: usize,
        is_reversed: bool,
        mut give: impl FnMut(ItemId, f32),
    ) {
        let (least, most) = match self {
            Self::Follows(window) => (1, window),
            Self::Together => (0, 0),
        };
        let distance = |other: usize| places[other].abs_diff(places[at]);
        let mut add = |other: usize| {
            if distance(other) >= least && items[other] != items[at] {
                give(items[other], 1.0 / distance(other).max(1) as f32);
            }
        };
        if !is_reversed || self == Self::Together {
            let before = (at.saturating_sub(NEAR)..at).rev();
            before.take_while(|&other| distance(other) <= most).for_each(&mut add);
        }
        if is_reversed || self == Self::Together {
            let after = at + 1..items.len().min(at + 1 + NEAR);
            after.take_while(|&other| distance(other) <= most).for_each(&mut add);
        }
    }
}

impl Mined {
    /// What a link's strength is once `own` is taken out of its count.
    pub fn without(&self, from: ItemId, to: ItemId, strength: f32, own: f32) -> f32 {
        let (Some(&out), Some(&into)) = (self.out.get(from.index()), self.into.get(to.index())) else {
            return strength;
        };
        let count = strength * (out * into).sqrt() - own;
        let (out, into) = (out - own, into - own);
        if count > 1e-4 && out > 1e-4 && into > 1e-4 { count / (out * into).sqrt() } else { 0.0 }
    }

    /// Counts the pairs of a log whose events have these places, and keeps the strongest `top` links of each item.
    pub fn of(name: &str, log: &EventLog, places: &[u32], pairing: Pairing, top: usize) -> Self {
        let n_items = log.n_items();
        let mut sizes = vec![0usize; n_items];
        each_pair(log, places, pairing, |from, _, _| sizes[from.index()] += 1);
        let (mut out, mut into) = (vec![0.0; n_items], vec![0.0; n_items]);
        let mut rows: Vec<(u32, u32, f32)> = Vec::new();
        let mut first = 0;
        while first < n_items {
            let mut last = first;
            let mut size = 0;
            while last < n_items && (last == first || size + sizes[last] <= BLOCK) {
                size += sizes[last];
                last += 1;
            }
            let mut pairs: Vec<(u64, f32)> = Vec::with_capacity(size);
            each_pair(log, places, pairing, |from, to, weight| {
                if (first..last).contains(&from.index()) {
                    pairs.push(((u64::from(from.0) << 32) | u64::from(to.0), weight));
                }
            });
            for (i, j, count) in counts(pairs) {
                out[i as usize] += count;
                into[j as usize] += count;
                rows.push((i, j, count));
            }
            first = last;
        }
        for (i, j, count) in &mut rows {
            *count /= (out[*i as usize] * into[*j as usize]).sqrt();
        }
        Self { relation: Relation::from_links(name, n_items, strongest(rows, top)), out, into }
    }

    /// The relation in the other direction, what comes before what, with the strongest `top` links of each item: thousands lead to what
    /// everybody visits, and each of them says next to nothing.
    #[must_use]
    pub fn reversed(&self, top: usize) -> Self {
        let (n_items, all) = (self.out.len(), self.relation.reversed("precedes"));
        let links = (0..n_items as u32)
            .flat_map(|from| all.neighbours(ItemId(from)).map(move |(to, strength)| (from, to.0, strength)));
        let relation = Relation::from_links("precedes", n_items, strongest(links.collect(), top));
        Self { relation, out: self.into.clone(), into: self.out.clone() }
    }
}

fn each_pair(log: &EventLog, places: &[u32], pairing: Pairing, mut give: impl FnMut(ItemId, ItemId, f32)) {
    let ends = log.offsets().windows(2);
    for ((_, history), end) in log.histories().zip(ends) {
        pairing.pairs(history.items(), &places[end[0]..end[1]], &mut give);
    }
}

/// Sums the weights of equal pairs.
fn counts(mut pairs: Vec<(u64, f32)>) -> Vec<(u32, u32, f32)> {
    // Stable, so that sums are taken in one order whatever the threads do.
    pairs.par_sort_by_key(|pair| pair.0);
    let groups = pairs.chunk_by(|a, b| a.0 == b.0);
    groups
        .map(|group| ((group[0].0 >> 32) as u32, group[0].0 as u32, group.iter().map(|pair| pair.1).sum()))
        .collect()
}

/// The strongest links of each item; those of an item are side by side.
fn strongest(mut links: Vec<(u32, u32, f32)>, top: usize) -> Vec<(ItemId, ItemId, f32)> {
    let mut kept = Vec::new();
    for row in links.chunk_by_mut(|a, b| a.0 == b.0) {
        row.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.1.cmp(&b.1)));
        kept.extend(row.iter().take(top).map(|&(i, j, strength)| (ItemId(i), ItemId(j), strength)));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EventColumns, EventTypeId, Timestamp};

    fn log(events: &[(u32, u32)]) -> EventLog {
        EventLog::from_columns(EventColumns {
            users: events.iter().map(|event| event.0).collect(),
            items: events.iter().map(|event| event.1).collect(),
            times: (0..events.len() as i64).map(Timestamp::from_millis).collect(),
            types: vec![EventTypeId(0); events.len()],
            user_names: vec!["u".into(), "v".into()],
            item_names: ["a", "b", "c"].map(str::to_owned).into(),
            event_types: vec!["view".into()],
            ..EventColumns::default()
        })
        .unwrap()
    }

    fn links(mined: &Mined) -> Vec<Vec<(u32, f32)>> {
        let row =
            |item| mined.relation.neighbours(ItemId(item)).map(|(to, strength)| (to.0, strength)).collect();
        (0..3).map(row).collect()
    }

    #[test]
    fn what_follows_is_counted_by_distance() {
        // u: a b c, v: a c. Counts a-b 1, a-c 1/2 + 1, b-c 1; out a 5/2, b 1; in b 1, c 5/2.
        let log = log(&[(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)]);
        let mined = Mined::of("follows", &log, &[0, 1, 2, 0, 1], Pairing::Follows(2), 9);
        let strength = |count: f32, out: f32, into: f32| count / (out * into).sqrt();
        let expected = vec![
            vec![(1, strength(1.0, 2.5, 1.0)), (2, strength(1.5, 2.5, 2.5))],
            vec![(2, strength(1.0, 1.0, 2.5))],
            vec![],
        ];
        assert_eq!(links(&mined), expected);
        // Without u's pair a-c: one half less.
        let left = mined.without(ItemId(0), ItemId(2), expected[0][1].1, 0.5);
        assert!((left - strength(1.0, 2.0, 2.0)).abs() < 1e-6, "{left}");
        let [short, long] = [1, 9].map(|top| links(&mined.reversed(top)));
        assert_eq!(
            long,
            [vec![], vec![(0, expected[0][0].1)], vec![(0, expected[0][1].1), (1, expected[1][0].1)]]
        );
        // a-c .6, b-c .63.
        assert_eq!(short[2], [long[2][1]]);
    }

    #[test]
    fn what_comes_together_counts_in_both_directions() {
        let log = log(&[(0, 0), (0, 1), (1, 2), (1, 2)]);
        let mined = Mined::of("together", &log, &[0, 0, 0, 1], Pairing::Together, 9);
        assert_eq!(links(&mined), [vec![(1, 1.0)], vec![(0, 1.0)], vec![]]);
    }

    #[test]
    fn partners_are_the_pairs_of_one_event() {
        let items = [0, 1, 0, 2, 2, 1].map(ItemId);
        let places = [0, 1, 1, 2, 4, 5];
        for pairing in [Pairing::Follows(2), Pairing::Together] {
            for is_reversed in [false, true] {
                let mut pairs = Vec::new();
                pairing.pairs(&items, &places, |from, to, weight| {
                    pairs.push(if is_reversed { (to, from, weight) } else { (from, to, weight) });
                });
                let mut parts = Vec::new();
                for at in 0..items.len() {
                    pairing.partners(&items, &places, at, is_reversed, |from, weight| {
                        parts.push((from, items[at], weight));
                    });
                }
                let key = |pair: &(ItemId, ItemId, f32)| (pair.0, pair.1, pair.2.to_bits());
                pairs.sort_by_key(key);
                parts.sort_by_key(key);
                assert_eq!(pairs, parts, "{pairing:?} {is_reversed}");
            }
        }
    }
}
