//! Departments: the most general categories whose items come back often enough to show a course of time of their own.
//!
//! What is eaten comes back sooner than what is worn, so a model may learn for each department how the wish for the same
//! item again rises and wanes.

use std::collections::BTreeMap;

use super::Catalogue;
use crate::events::{EventLog, ItemId};

/// Departments at most.
const MOST: usize = 24;
/// Events of one department at least that a user had touched the item of before.
const RETURNS: u32 = 500;
/// The department of items that have none of their own.
const NONE: u8 = u8::MAX;

/// Departments of a log's items; see the module's documentation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Departments {
    names: Vec<String>,
    /// By item.
    places: Vec<u8>,
}

impl Departments {
    /// The departments of a log: none without a catalogue.
    pub fn of(log: &EventLog, catalogue: Option<&Catalogue>) -> Self {
        let Some(catalogue) = catalogue else { return Self::default() };
        let mut returns: BTreeMap<&str, u32> = BTreeMap::new();
        for (_, history) in log.histories() {
            let mut items = history.items().to_vec();
            items.sort_unstable();
            for pair in items.windows(2).filter(|pair| pair[0] == pair[1]) {
                if let Some(name) = catalogue.top_category(pair[0]) {
                    *returns.entry(name).or_default() += 1;
                }
            }
        }
        let mut most: Vec<(&str, u32)> = returns.into_iter().filter(|(_, n)| *n >= RETURNS).collect();
        most.sort_by_key(|&(_, returns)| std::cmp::Reverse(returns));
        most.truncate(MOST);
        let mut names: Vec<String> = most.into_iter().map(|(name, _)| name.to_owned()).collect();
        names.sort();
        let place = |name: &str| names.binary_search_by(|own| own.as_str().cmp(name)).ok();
        let of_item = |item| catalogue.top_category(ItemId(item)).and_then(place);
        let places =
            (0..log.n_items() as u32).map(|item| of_item(item).map_or(NONE, |place| place as u8)).collect();
        Self { names, places }
    }

    /// Departments from their names and items, as they are saved; nothing if these are not among `n_items`.
    pub(crate) fn from_items(n_items: usize, departments: Vec<(String, Vec<u32>)>) -> Option<Self> {
        let mut places = vec![NONE; n_items];
        for (place, (_, items)) in departments.iter().enumerate().take(MOST) {
            items.iter().try_for_each(|&item| {
                *places.get_mut(item as usize)? = place as u8;
                Some(())
            })?;
        }
        let names: Vec<String> = departments.into_iter().map(|(name, _)| name).collect();
        (names.len() <= MOST).then_some(Self { names, places })
    }

    /// The same for so many items, where a newer catalogue says what some of them belong to.
    #[must_use]
    pub fn over(&self, catalogue: &Catalogue, n_items: usize, items: &[ItemId]) -> Self {
        let mut places = self.places.clone();
        places.resize(n_items, NONE);
        for &item in items {
            let place =
                catalogue.top_category(item).and_then(|name| self.names.iter().position(|own| own == name));
            if let Some(own) = places.get_mut(item.index()) {
                *own = place.map_or(NONE, |place| place as u8);
            }
        }
        Self { names: self.names.clone(), places }
    }

    /// Their names, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The place of an item's department among the names.
    pub fn of_item(&self, item: ItemId) -> Option<usize> {
        self.places.get(item.index()).filter(|&&place| place != NONE).map(|&place| usize::from(place))
    }

    /// The items of a department.
    pub fn items(&self, place: usize) -> impl Iterator<Item = ItemId> + '_ {
        let own = (0u32..).zip(&self.places).filter(move |(_, own)| usize::from(**own) == place);
        own.map(|(item, _)| ItemId(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EventColumns, EventTypeId, Timestamp, Vocab};

    #[test]
    fn departments_are_categories_whose_items_come_back() {
        // Milk is had 600 times, shoes only once by each of 600 users.
        let (users, items): (Vec<u32>, Vec<u32>) =
            (0..600).map(|_| (0, 0)).chain((0..600).map(|user| (user, 1))).unzip();
        let n = users.len();
        let log = EventLog::from_columns(EventColumns {
            users,
            items,
            times: (0..n as i64).map(Timestamp::from_millis).collect(),
            types: vec![EventTypeId(0); n],
            user_names: (0..600).map(|user| format!("u{user:03}")).collect(),
            item_names: ["milk", "shoe"].map(str::to_owned).into(),
            event_types: vec!["purchase".into()],
            ..EventColumns::default()
        })
        .unwrap();
        let catalogue = Catalogue {
            items: Vocab::from_names(["milk", "shoe"]).shared(),
            category_names: ["food", "wear"].map(str::to_owned).into(),
            categories: vec![vec![0], vec![1]],
            ..Catalogue::default()
        };
        let departments = Departments::of(&log, Some(&catalogue));
        assert_eq!(departments.names(), ["food"]);
        assert_eq!([0, 1, 9].map(|item| departments.of_item(ItemId(item))), [Some(0), None, None]);
        let saved = departments.items(0).map(|item| item.0).collect();
        assert_eq!(Departments::from_items(2, vec![("food".into(), saved)]), Some(departments.clone()));
        assert_eq!(Departments::from_items(2, vec![("food".into(), vec![2])]), None);
        assert_eq!(Departments::of(&log, None), Departments::default());
        let newer = Catalogue { categories: vec![vec![1], vec![1], vec![0]], ..catalogue };
        let later = departments.over(&newer, 3, &[ItemId(0), ItemId(2)]);
        assert_eq!([0, 1, 2].map(|item| later.of_item(ItemId(item))), [None, None, Some(0)]);
    }
}
