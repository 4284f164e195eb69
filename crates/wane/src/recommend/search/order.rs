//! The order in which items stand in an index, in blocks.
//!
//! Those that are alike are put side by side by a k-d tree (Bentley, "Multidimensional Binary Search Trees Used for Associative Searching", CACM 1975): items are halved along the
//! coordinate in which they differ most, each half likewise, down to blocks. So a block lies in a small box, and a search that knows
//! the boxes passes over most blocks without a look at what is in them. Nothing that is found depends on the order, only how quickly.

use super::codes::LANES;
use crate::events::ItemId;

/// From so many items on, both halves are worked on at once.
const APART: usize = 4_096;

/// A place at which no item stands.
const NOBODY: u32 = u32::MAX;

/// Places of items.
#[derive(Debug)]
pub(super) struct Order {
    /// The item at each place.
    items: Vec<u32>,
    /// The place of each item.
    places: Vec<u32>,
}

impl Order {
    /// Items as they come.
    pub(super) fn given(n_items: usize) -> Self {
        let items: Vec<u32> = (0..n_items).map(|item| item as u32).collect();
        Self { places: items.clone(), items }
    }

    /// Items that are alike side by side, by their coordinates, `width` of them in a row for each.
    pub(super) fn of_alike(coordinates: &[f32], width: usize) -> Self {
        let Self { mut items, mut places } = Self::given(coordinates.len() / width);
        Table { coordinates, width }.halve(&mut items);
        items.iter().enumerate().for_each(|(place, &item)| places[item as usize] = place as u32);
        Self { items, places }
    }

    /// Items by their cells. Those of a cell are neighbours and fill whole blocks.
    pub(super) fn of_cells(cells: &[Vec<u32>]) -> Self {
        let mut items = Vec::new();
        let mut places = vec![0; cells.iter().map(Vec::len).sum()];
        for cell in cells {
            (items.len()..).zip(cell).for_each(|(place, &item)| places[item as usize] = place as u32);
            items.extend_from_slice(cell);
            items.resize(items.len().next_multiple_of(LANES), NOBODY);
        }
        Self { items, places }
    }

    pub(super) fn n_items(&self) -> usize {
        self.places.len()
    }

    pub(super) fn n_places(&self) -> usize {
        self.items.len()
    }

    /// The item at a place, if one stands there.
    pub(super) fn item(&self, place: usize) -> Option<ItemId> {
        self.items.get(place).copied().filter(|item| *item != NOBODY).map(ItemId)
    }

    /// The place of an item. Items that are not of this order follow behind, in whole blocks of their own.
    pub(super) fn place(&self, item: usize) -> usize {
        match self.places.get(item) {
            Some(&place) => place as usize,
            None => self.n_places().next_multiple_of(LANES) + item - self.n_items(),
        }
    }
}

#[derive(Clone, Copy)]
struct Table<'a> {
    coordinates: &'a [f32],
    width: usize,
}

impl Table<'_> {
    fn halve(self, items: &mut [u32]) {
        if items.len() <= LANES {
            return items.sort_unstable();
        }
        let along = self.widest(items);
        // Whole blocks on the left, so that all blocks are whole but the last.
        let middle = (items.len() / 2).next_multiple_of(LANES).min(items.len() - 1);
        let key = |item: u32| self.coordinates[item as usize * self.width + along];
        items.select_nth_unstable_by(middle, |&one, &other| {
            key(one).total_cmp(&key(other)).then(one.cmp(&other))
        });
        let (left, right) = items.split_at_mut(middle);
        if left.len() < APART {
            self.halve(left);
            self.halve(right);
        } else {
            rayon::join(|| self.halve(left), || self.halve(right));
        }
    }

    /// The coordinate of the greatest variance.
    fn widest(self, items: &[u32]) -> usize {
        let (mut sums, mut squares) = (vec![0.0f64; self.width], vec![0.0f64; self.width]);
        for &item in items {
            let row = &self.coordinates[item as usize * self.width..][..self.width];
            for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(row) {
                let value = f64::from(value);
                (*sum, *square) = (*sum + value, *square + value * value);
            }
        }
        let variance = |along: usize| squares[along] - sums[along] * sums[along] / items.len() as f64;
        // What is no number differs from nothing.
        let known = (0..self.width).filter(|&along| variance(along).is_finite());
        known.max_by(|&one, &other| variance(one).total_cmp(&variance(other))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_item_has_a_place_of_its_own(
            width in 1usize..4,
            mut coordinates in proptest::collection::vec(
                prop_oneof![9 => (-3i8..4).prop_map(f32::from), 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)],
                0..300,
            ),
        ) {
            coordinates.truncate(coordinates.len() / width * width);
            let n_items = coordinates.len() / width;
            let mut cells = vec![Vec::new(); 5];
            (0..n_items as u32).for_each(|item| cells[(item % 7 % 5) as usize].push(item));
            for order in [Order::given(n_items), Order::of_alike(&coordinates, width), Order::of_cells(&cells)] {
                prop_assert_eq!(order.n_items(), n_items);
                for item in 0..n_items {
                    prop_assert_eq!(order.item(order.place(item)), Some(ItemId(item as u32)));
                }
                prop_assert_eq!((0..order.n_places()).filter_map(|place| order.item(place)).count(), n_items);
                prop_assert_eq!(order.item(order.n_places()), None);
                let later: Vec<usize> = (n_items..n_items + 3).map(|item| order.place(item)).collect();
                let first = order.n_places().next_multiple_of(LANES);
                prop_assert_eq!(later, vec![first, first + 1, first + 2]);
            }
        }
    }

    #[test]
    fn blocks_are_of_a_kind_and_the_same_on_any_number_of_threads() {
        // Twenty kinds of a hundred and sixty, all mixed.
        let n_items = 20 * 10 * LANES;
        let kind = |item: usize| item * 7_919 % 20;
        let rows = (0..n_items).flat_map(|item| {
            let noise = (item as f32 * 12.9).sin() * 0.01;
            [(kind(item) % 5) as f32 + noise, (kind(item) / 5) as f32 - noise]
        });
        let rows: Vec<f32> = rows.collect();
        let order = Order::of_alike(&rows, 2);
        let mixed = (0..n_items / LANES).filter(|block| {
            let kinds = (0..LANES).filter_map(|lane| Some(kind(order.item(block * LANES + lane)?.index())));
            let kinds: Vec<usize> = kinds.collect();
            kinds.iter().any(|own| *own != kinds[0])
        });
        assert!(mixed.count() <= 20);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| Order::of_alike(&rows, 2)).items, order.items);
    }
}
