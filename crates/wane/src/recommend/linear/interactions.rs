//! Who wanted what, as a sparse users x items table of weights, and how often two items were wanted together.
//!
//! - The weight of a user for an item is the greatest weight among the user's events on it: a linear model asks
//!   whether an item belongs to a taste, not how often it was refilled.
//! - Only the `max_items` items with the most users take part, since a Gram matrix is dense: 12,000 items take
//!   0.6 GB in `f32`.

use rayon::prelude::*;

use crate::events::{Event, EventLog, History, ItemId};
use crate::recommend::sparse_rows::SparseRows;

/// Weights of users for the items that take part.
#[derive(Debug, Clone)]
pub(super) struct Interactions {
    /// Items that take part, ascending; a column is a place in this list.
    items: Vec<ItemId>,
    by_user: SparseRows,
    by_item: SparseRows,
}

impl Interactions {
    /// Counts a log; `weight` of 0 or less leaves an event out.
    pub(super) fn count(log: &EventLog, max_items: usize, weight: impl Fn(&Event) -> f32) -> Self {
        let rows: Vec<_> = log.histories().map(|(_, history)| user_weights(history, &weight)).collect();
        let items = most_supported(&rows, log.n_items(), max_items);
        let mut column = vec![None; log.n_items()];
        (0u32..).zip(&items).for_each(|(place, item)| column[item.index()] = Some(place));
        let by_user = SparseRows::from_rows(rows.into_iter().map(|row| {
            row.into_iter().filter_map(|(item, weight)| Some((column[item as usize]?, weight))).collect()
        }));
        let by_item = by_user.transposed(items.len());
        Self { items, by_user, by_item }
    }

    /// Items that take part, ascending.
    pub(super) fn items(&self) -> &[ItemId] {
        &self.items
    }

    /// The Gram matrix `X^T X`, dense and symmetric, column by column.
    ///
    /// Each column is summed by one thread in the order of users, so the threads do not change a bit of it.
    pub(super) fn gram(&self) -> Vec<f32> {
        let n = self.items.len();
        let mut gram = vec![0.0; n * n];
        gram.par_chunks_mut(n.max(1)).enumerate().for_each(|(place, column)| {
            for (user, weight) in self.by_item.cells(place) {
                for (other, other_weight) in self.by_user.cells(user as usize) {
                    column[other as usize] += weight * other_weight;
                }
            }
        });
        gram
    }
}

/// The user's items, ascending, each with its greatest weight.
fn user_weights(history: History<'_>, weight: impl Fn(&Event) -> f32) -> Vec<(u32, f32)> {
    let mut cells: Vec<_> = history
        .iter()
        .map(|event| (event.item.0, weight(&event)))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    cells.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    cells.dedup_by_key(|cell| cell.0);
    cells
}

/// The `max_items` items with the most users, ascending; of equals the lower id.
fn most_supported(rows: &[Vec<(u32, f32)>], n_items: usize, max_items: usize) -> Vec<ItemId> {
    let mut support = vec![0u32; n_items];
    rows.iter().flatten().for_each(|(item, _)| support[*item as usize] += 1);
    let mut items: Vec<_> = (0..n_items as u32).filter(|&item| support[item as usize] > 0).collect();
    items.sort_by_key(|&item| std::cmp::Reverse(support[item as usize]));
    items.truncate(max_items);
    items.sort_unstable();
    items.into_iter().map(ItemId).collect()
}
