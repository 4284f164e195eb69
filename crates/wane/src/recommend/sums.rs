//! Values by item, where few of many items have one.
//!
//! What relations say to a question is some thousand sums. A table of all items ([`Scores`](super::Scores)) has them far apart, where
//! no cache near the core holds them: each is waited for. Here they lie together, and a small table finds them by a hash of the item
//! (multiplicative, with linear probing). They are given in the order in which they were touched, so that what is summed up of them
//! does not depend on the hash.

use crate::events::ItemId;

/// Places of the table at first.
const FIRST: usize = 64;

/// Sums by item.
pub(super) type Sums = ByItem<f32>;

/// A value for each item that was touched.
#[derive(Debug, Clone, Default)]
pub(super) struct ByItem<T> {
    /// By hash. A power of two, twice as many as entries at least.
    places: Vec<Place>,
    entries: Vec<Entry<T>>,
}

/// Where an item may be found. What is looked for is known by it: the entry need not be waited for.
#[derive(Debug, Clone, Copy)]
struct Place {
    item: ItemId,
    /// The number of its entry from 1, and 0 where there is none.
    number: u32,
}

const FREE: Place = Place { item: ItemId(0), number: 0 };

#[derive(Debug, Clone, Copy)]
struct Entry<T> {
    item: ItemId,
    value: T,
    place: u32,
}

impl<T: Copy + Default> ByItem<T> {
    /// With room for the values of so many items.
    pub(super) fn with_room(items: usize) -> Self {
        let places = vec![FREE; (2 * items + 2).next_power_of_two().max(FIRST)];
        Self { places, entries: Vec::with_capacity(items) }
    }

    /// Forgets all, in time proportional to what was touched.
    pub(super) fn clear(&mut self) {
        for entry in self.entries.drain(..) {
            self.places[entry.place as usize] = FREE;
        }
    }

    /// Sees to it that an item has a value.
    pub(super) fn touch(&mut self, item: ItemId) {
        self.number(item);
    }

    /// Whether an item has a value, even if that is 0.
    #[inline]
    pub(super) fn is_touched(&self, item: ItemId) -> bool {
        self.find(item).is_ok()
    }

    /// How many items were touched before an item was; it is from now on.
    #[inline]
    pub(super) fn number(&mut self, item: ItemId) -> usize {
        if 2 * self.entries.len() >= self.places.len() {
            self.grow();
        }
        match self.find(item) {
            Ok(number) => number,
            Err(place) => {
                self.entries.push(Entry { item, value: T::default(), place: place as u32 });
                self.places[place] = Place { item, number: self.entries.len() as u32 };
                self.entries.len() - 1
            }
        }
    }

    /// All values, in the order in which their items were touched.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (ItemId, T)> + '_ {
        self.entries.iter().map(|entry| (entry.item, entry.value))
    }

    /// The entry of an item, or the free place where it would be looked for.
    #[inline]
    fn find(&self, item: ItemId) -> Result<usize, usize> {
        let last = self.places.len().wrapping_sub(1);
        let mut place = hash(item) & last;
        while let Some(found) = self.places.get(place) {
            match found.number.checked_sub(1) {
                None => return Err(place),
                Some(number) if found.item == item => return Ok(number as usize),
                Some(_) => place = (place + 1) & last,
            }
        }
        Err(place)
    }

    fn grow(&mut self) {
        self.places = vec![FREE; (2 * self.places.len()).max(FIRST)];
        let last = self.places.len() - 1;
        for (number, entry) in (1..).zip(&mut self.entries) {
            let mut place = hash(entry.item) & last;
            while self.places[place].number != 0 {
                place = (place + 1) & last;
            }
            self.places[place] = Place { item: entry.item, number };
            entry.place = place as u32;
        }
    }
}

impl Sums {
    /// Adds to the sum of an item.
    #[inline]
    pub(super) fn add(&mut self, item: ItemId, share: f32) {
        let number = self.number(item);
        self.entries[number].value += share;
    }

    /// The sum of an item is 0 again, if it has one.
    pub(super) fn silence(&mut self, item: ItemId) {
        if let Ok(number) = self.find(item) {
            self.entries[number].value = 0.0;
        }
    }
}

/// The upper bits of a product are well mixed; they are brought down.
#[inline]
fn hash(item: ItemId) -> usize {
    let mixed = item.0.wrapping_mul(0x9E37_79B1);
    (mixed ^ (mixed >> 15)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As a list that is looked through would have it, again and again.
        #[test]
        fn are_those_of_a_list(
            rounds in proptest::collection::vec(
                proptest::collection::vec((0u8..4, prop_oneof![0u32..40, any::<u32>()], -3i8..4), 0..300), 1..4)
        ) {
            let mut sums = Sums::default();
            for round in rounds {
                sums.clear();
                let mut list: Vec<(ItemId, f32)> = Vec::new();
                for (what, item, share) in round {
                    let (item, share) = (ItemId(item), f32::from(share));
                    let place = list.iter().position(|own| own.0 == item);
                    prop_assert_eq!(sums.is_touched(item), place.is_some());
                    match (what, place) {
                        (0, Some(place)) => list[place].1 = 0.0,
                        (0, None) => {}
                        (1, None) => list.push((item, 0.0)),
                        (1, Some(_)) => {}
                        (_, None) => list.push((item, share)),
                        (_, Some(place)) => list[place].1 += share,
                    }
                    match what {
                        0 => sums.silence(item),
                        1 => sums.touch(item),
                        _ => sums.add(item, share),
                    }
                }
                prop_assert_eq!(sums.iter().collect::<Vec<_>>(), list);
            }
        }
    }
}
