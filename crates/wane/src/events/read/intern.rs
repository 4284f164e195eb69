//! Distinct ids get numbers, from all workers at once.
//!
//! The table is split into shards by hash, each behind its own lock. A worker brings a whole chunk of ids, sorts it
//! by shard and locks each shard once, so locks are taken some thousand times per gigabyte. Which number an id gets
//! depends on the race; that is harmless, because [`crate::events::EventLog`] renumbers ids by name.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::csv::Span;

const SHARD_BITS: u32 = 6;

/// Number given to an empty span: no id.
pub(super) const NO_ID: u32 = u32::MAX;

/// A concurrent table of distinct ids.
pub(super) struct Interner {
    shards: Vec<Mutex<Shard>>,
    next: AtomicU32,
    hasher: FixedState,
}

#[derive(Default)]
struct Shard {
    table: HashTable<Slot>,
    text: Vec<u8>,
}

/// An id in its shard; the hash is kept so that most comparisons and all growth stay out of the text.
struct Slot {
    hash: u64,
    start: usize,
    len: u32,
    id: u32,
}

impl Interner {
    pub(super) fn new() -> Self {
        let shards = (0..1 << SHARD_BITS).map(|_| Mutex::default()).collect();
        Self { shards, next: AtomicU32::new(0), hasher: FixedState::with_seed(0x77_61_6e_65) }
    }

    /// The number of each id; [`NO_ID`] for empty spans.
    pub(super) fn intern(&self, bytes: &[u8], spans: &[Span]) -> Vec<u32> {
        let hashes: Vec<u64> = spans.iter().map(|span| self.hasher.hash_one(span.of(bytes))).collect();
        let mut ids = vec![NO_ID; spans.len()];
        let (order, ends) = by_shard(&hashes);
        let mut start = 0;
        for (shard, end) in self.shards.iter().zip(ends) {
            if start < end {
                let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                for &row in &order[start..end] {
                    let row = row as usize;
                    let id = spans[row].of(bytes);
                    if !id.is_empty() {
                        ids[row] = shard.number(hashes[row], id, &self.next);
                    }
                }
            }
            start = end;
        }
        ids
    }

    /// The ids by number.
    pub(super) fn into_names(self) -> Vec<String> {
        let mut names = vec![String::new(); self.next.into_inner() as usize];
        for shard in self.shards {
            let shard = shard.into_inner().unwrap_or_else(PoisonError::into_inner);
            for slot in &shard.table {
                let text = &shard.text[slot.start..slot.start + slot.len as usize];
                names[slot.id as usize] = String::from_utf8_lossy(text).into_owned();
            }
        }
        names
    }
}

impl Shard {
    fn number(&mut self, hash: u64, id: &[u8], next: &AtomicU32) -> u32 {
        let text = &self.text;
        let same = |slot: &Slot| {
            slot.hash == hash && text.get(slot.start..slot.start + slot.len as usize) == Some(id)
        };
        if let Some(slot) = self.table.find(hash, same) {
            return slot.id;
        }
        let slot = Slot {
            hash,
            start: self.text.len(),
            len: id.len() as u32,
            id: next.fetch_add(1, Ordering::Relaxed),
        };
        let number = slot.id;
        self.text.extend_from_slice(id);
        self.table.insert_unique(hash, slot, |slot| slot.hash);
        number
    }
}

/// Rows in order of their shard (the hash's upper middle bits; the table itself uses the lowest and the highest),
/// and where each shard ends.
fn by_shard(hashes: &[u64]) -> (Vec<u32>, Vec<usize>) {
    let shard = |hash: u64| (hash >> 40) as usize & ((1 << SHARD_BITS) - 1);
    let mut ends = vec![0usize; (1 << SHARD_BITS) + 1];
    hashes.iter().for_each(|&hash| ends[shard(hash) + 1] += 1);
    for place in 1..ends.len() {
        ends[place] += ends[place - 1];
    }
    let mut order = vec![0u32; hashes.len()];
    for (row, &hash) in (0u32..).zip(hashes) {
        let next = &mut ends[shard(hash)];
        order[*next] = row;
        *next += 1;
    }
    ends.pop();
    (order, ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_stands_for_one_id(ids in proptest::collection::vec("[a-d]{0,3}", 0..200)) {
            let bytes = ids.concat().into_bytes();
            let spans: Vec<Span> = ids
                .iter()
                .scan(0, |end, id| {
                    *end += id.len();
                    Some(Span::new(*end - id.len(), *end))
                })
                .collect();
            let interner = Interner::new();
            let first = interner.intern(&bytes, &spans);
            prop_assert_eq!(&first, &interner.intern(&bytes, &spans));
            let names = interner.into_names();
            for (id, &number) in ids.iter().zip(&first) {
                prop_assert_eq!(number == NO_ID, id.is_empty());
                prop_assert!(id.is_empty() || names[number as usize] == *id);
            }
        }
    }
}
