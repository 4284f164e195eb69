//! Relations mined from the log: what is visited after what.
//!
//! - `count[i, j] = sum over users and pairs of their events k < l <= k + window with items i and j of 1 / (l - k)`: an item
//!   right after another counts fully, one that comes third half as much.
//! - Pairs within one item are left out (that is the relation `self`), and only the `top` strongest links of an item
//!   are kept, by `count / sqrt(out_i in_j)`, where `out` and `in` sum the counts by row and by column.
//!
//! Counts stay raw, beside their sums, so that training can take out of them what the very pair it predicts put in.

use rayon::prelude::*;

use super::Relation;
use crate::events::{EventLog, ItemId};

/// Pairs sorted at once, a bound on memory.
const BLOCK: usize = 16_000_000;

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

/// What a pair of events at this distance adds to a count.
pub fn pair_weight(distance: usize) -> f32 {
    1.0 / distance.max(1) as f32
}

impl Mined {
    /// Counts what follows what within `window` events, and keeps the strongest `top` links of each item.
    pub fn follows(log: &EventLog, window: usize, top: usize) -> Self {
        let n_items = log.n_items();
        let mut from = vec![0u64; n_items + 1];
        for (_, history) in log.histories() {
            for (place, item) in history.items().iter().enumerate() {
                from[item.index() + 1] += window.min(history.len() - place - 1) as u64;
            }
        }
        let (mut out, mut into) = (vec![0.0; n_items], vec![0.0; n_items]);
        let mut rows: Vec<(u32, u32, f32)> = Vec::new();
        let mut first = 0;
        while first < n_items {
            let mut last = first;
            let mut size = 0;
            while last < n_items && (last == first || size + from[last + 1] as usize <= BLOCK) {
                size += from[last + 1] as usize;
                last += 1;
            }
            let counted = count_block(log, window, first as u32..last as u32, size);
            for &(i, j, count) in &counted {
                out[i as usize] += count;
                into[j as usize] += count;
            }
            rows.extend(counted);
            first = last;
        }
        let links = strongest(rows, &out, &into, top);
        Self { relation: Relation::from_links("follows", n_items, links), out, into }
    }

    /// The relation in the other direction: what comes before what.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { relation: self.relation.reversed("precedes"), out: self.into.clone(), into: self.out.clone() }
    }
}

/// Counts of the pairs whose first item is in a range, by pair.
fn count_block(
    log: &EventLog,
    window: usize,
    items: std::ops::Range<u32>,
    size: usize,
) -> Vec<(u32, u32, f32)> {
    let mut pairs: Vec<(u64, f32)> = Vec::with_capacity(size);
    for (_, history) in log.histories() {
        let visited = history.items();
        for (place, &ItemId(i)) in visited.iter().enumerate().filter(|(_, item)| items.contains(&item.0)) {
            for (distance, &ItemId(j)) in
                (1..=window).zip(&visited[place + 1..]).filter(|(_, item)| item.0 != i)
            {
                pairs.push(((u64::from(i) << 32) | u64::from(j), pair_weight(distance)));
            }
        }
    }
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
