//! Relations mined from the log: what is visited after what, and what together.
//!
//! - `count[i, j] = sum over users and pairs of their events k < l with items i and j of 1 / max(1, d)`, where `d` is by how many
//!   places l comes after k: events, or baskets where all items of a basket come at once. `follows` counts pairs with
//!   `1 <= d <= window`, `together` those with `d = 0`, in both directions.
//! - Pairs within one item are left out (that is the relation `self`), as are events more than [`NEAR`] apart, and only
//!   the `top` strongest links of an item are kept, by `count / sqrt(out_i in_j)`, where `out` and `in` sum the counts by
//!   row and by column.
//!
//! Counts stay raw, beside their sums, so that training can take out of them what the very user it predicts put in.

use rayon::prelude::*;

use super::Relation;
use crate::events::{EventLog, ItemId};

/// Pairs sorted at once, a bound on memory.
const BLOCK: usize = 16_000_000;
/// Events after an event that may pair with it.
const NEAR: usize = 100;

/// A mined relation: raw counts with their sums.
#[derive(Debug, Clone, PartialEq)]
pub struct Mined {
    /// Counts as weights, strongest `top` of each item.
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
        let mut add = |other: usize| {
            let distance = places[other].abs_diff(places[at]);
            let counts = match self {
                Self::Follows(window) => (1..=window).contains(&distance),
                Self::Together => distance == 0,
            };
            if counts && items[other] != items[at] {
                give(items[other], 1.0 / distance.max(1) as f32);
            }
        };
        if !is_reversed || self == Self::Together {
            (at.saturating_sub(NEAR)..at).for_each(&mut add);
        }
        if is_reversed || self == Self::Together {
            (at + 1..items.len().min(at + 1 + NEAR)).for_each(&mut add);
        }
    }
}

impl Mined {
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
        let links = strongest(rows, &out, &into, top);
        Self { relation: Relation::from_links(name, n_items, links), out, into }
    }

    /// The relation in the other direction: what comes before what.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { relation: self.relation.reversed("precedes"), out: self.into.clone(), into: self.out.clone() }
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

fn strongest(
    rows: Vec<(u32, u32, f32)>,
    out: &[f32],
    into: &[f32],
    top: usize,
) -> impl Iterator<Item = (ItemId, ItemId, f32)> {
    let strength =
        move |&(i, j, count): &(u32, u32, f32)| count / (out[i as usize] * into[j as usize]).sqrt();
    let mut kept = Vec::new();
    for row in rows.chunk_by(|a, b| a.0 == b.0) {
        let mut row = row.to_vec();
        row.sort_by(|a, b| strength(b).total_cmp(&strength(a)).then(a.1.cmp(&b.1)));
        row.truncate(top);
        kept.extend(row);
    }
    kept.into_iter().map(|(i, j, count)| (ItemId(i), ItemId(j), count))
}
