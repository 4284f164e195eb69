//! Directed, named item-item links in compressed sparse rows.

use std::ops::Range;
use std::sync::Arc;

use crate::events::ItemId;

/// Targets, or weights, in a line of the cache.
const LINKS_OF_LINE: usize = 16;

/// A directed, named link between items: `complement`, `substitute`, `covisit`, ...
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    name: String,
    /// Shared by all copies, for there are millions.
    links: Arc<Links>,
}

#[derive(Debug, Clone, PartialEq)]
struct Links {
    offsets: Vec<usize>,
    targets: Vec<ItemId>,
    weights: Vec<f32>,
}

impl Relation {
    /// A relation from links `(from, to, weight)` in any order among `n_items` items; of repeated links the last
    /// weight is kept, and links to items outside the catalogue are dropped.
    pub fn from_links(
        name: impl Into<String>,
        n_items: usize,
        links: impl IntoIterator<Item = (ItemId, ItemId, f32)>,
    ) -> Self {
        let mut links: Vec<_> = links
            .into_iter()
            .filter(|(from, to, _)| from.index() < n_items && to.index() < n_items)
            .collect();
        links.sort_by_key(|&(from, to, _)| (from, to));
        links.dedup_by(|later, earlier| {
            let same = (later.0, later.1) == (earlier.0, earlier.1);
            if same {
                earlier.2 = later.2;
            }
            same
        });
        let mut offsets = vec![0; n_items + 1];
        for (from, _, _) in &links {
            offsets[from.index() + 1] += 1;
        }
        for item in 0..n_items {
            offsets[item + 1] += offsets[item];
        }
        let targets = links.iter().map(|link| link.1).collect();
        let weights = links.iter().map(|link| link.2).collect();
        Self { name: name.into(), links: Arc::new(Links { offsets, targets, weights }) }
    }

    /// The same among more items, with links to later items, or of them. Those that there are stay as they are, in place and weight.
    #[must_use]
    pub fn with_later(&self, n_items: usize, mut later: Vec<(ItemId, ItemId, f32)>) -> Self {
        later.sort_by_key(|&(from, to, _)| (from, to));
        let Links { offsets, targets, weights } = &*self.links;
        let n_links = targets.len() + later.len();
        let mut wider = Links {
            offsets: Vec::with_capacity(n_items + 1),
            targets: Vec::with_capacity(n_links),
            weights: Vec::with_capacity(n_links),
        };
        wider.offsets.push(0);
        let mut later = later.into_iter().peekable();
        for item in 0..n_items {
            if let Some(&[start, end]) = offsets.get(item..item + 2) {
                wider.targets.extend_from_slice(&targets[start..end]);
                wider.weights.extend_from_slice(&weights[start..end]);
            }
            while let Some((_, to, weight)) = later.next_if(|link| link.0.index() == item) {
                wider.targets.push(to);
                wider.weights.push(weight);
            }
            wider.offsets.push(wider.targets.len());
        }
        Self { name: self.name.clone(), links: Arc::new(wider) }
    }

    /// A relation from its rows, as [`Self::rows`] gives them; nothing if they are not rows of links among `n_items`.
    pub(crate) fn from_rows(
        name: &str,
        n_items: usize,
        offsets: Vec<u64>,
        targets: Vec<u32>,
        weights: Vec<f32>,
    ) -> Option<Self> {
        let is_sound = offsets.len() == n_items + 1
            && offsets.is_sorted()
            && offsets.first() == Some(&0)
            && offsets.last() == Some(&(targets.len() as u64))
            && targets.len() == weights.len()
            && targets.iter().all(|&target| (target as usize) < n_items);
        is_sound.then(|| {
            let offsets = offsets.into_iter().map(|offset| offset as usize).collect();
            let targets = targets.into_iter().map(ItemId).collect();
            Self { name: name.to_owned(), links: Arc::new(Links { offsets, targets, weights }) }
        })
    }

    /// Offsets of the rows by item, then the targets and weights of all links.
    pub(crate) fn rows(&self) -> (&[usize], &[ItemId], &[f32]) {
        (&self.links.offsets, &self.links.targets, &self.links.weights)
    }

    /// The same links in the other direction.
    #[must_use]
    pub fn reversed(&self, name: impl Into<String>) -> Self {
        let n_items = self.links.offsets.len() - 1;
        let links = (0..n_items as u32).flat_map(|from| {
            self.neighbours(ItemId(from)).map(move |(to, weight)| (to, ItemId(from), weight))
        });
        Self::from_links(name, n_items, links)
    }

    /// The relation's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of links.
    pub fn len(&self) -> usize {
        self.links.targets.len()
    }

    /// Whether there are no links.
    pub fn is_empty(&self) -> bool {
        self.links.targets.is_empty()
    }

    /// The weight of a link, if there is one.
    pub fn weight(&self, from: ItemId, to: ItemId) -> Option<f32> {
        let Links { offsets, targets, weights } = &*self.links;
        let (start, end) = (*offsets.get(from.index())?, *offsets.get(from.index() + 1)?);
        let place = targets[start..end].binary_search(&to).ok()?;
        weights.get(start + place).copied()
    }

    /// Items that `item` links to, with their weights; empty for an unknown item.
    pub fn neighbours(&self, item: ItemId) -> impl ExactSizeIterator<Item = (ItemId, f32)> + '_ {
        let Links { targets, weights, .. } = &*self.links;
        let row = self.row(item);
        targets[row.clone()].iter().copied().zip(weights[row].iter().copied())
    }

    /// Has the links of items brought near the core. Their rows lie far apart in memory; here nothing waits for what is read, so that
    /// many are on their way at once.
    pub(crate) fn fetch(&self, items: impl Iterator<Item = ItemId>) {
        let Links { targets, weights, .. } = &*self.links;
        let mut sum = 0;
        for item in items {
            // One link of each line of the cache, wherever the row begins in its first.
            let row = self.row(item);
            for place in row.clone().step_by(LINKS_OF_LINE).chain(row.last()) {
                sum ^= targets[place].0 ^ weights[place].to_bits();
            }
        }
        std::hint::black_box(sum);
    }

    fn row(&self, item: ItemId) -> Range<usize> {
        let Links { offsets, targets, .. } = &*self.links;
        let bound = |place: usize| offsets.get(place).copied().unwrap_or(targets.len());
        bound(item.index())..bound(item.index() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_links_follow_those_that_there_are() {
        let link = |from, to, weight| (ItemId(from), ItemId(to), weight);
        let relation = Relation::from_links("r", 3, [link(0, 2, 0.5), link(2, 0, 0.25), link(2, 1, 1.0)]);
        let later = vec![link(3, 1, 0.1), link(2, 4, 0.2), link(2, 3, 0.3), link(1, 3, 0.4), link(3, 4, 0.6)];
        let wider = relation.with_later(5, later.clone());
        let all = [link(0, 2, 0.5), link(2, 0, 0.25), link(2, 1, 1.0)].into_iter().chain(later);
        assert_eq!(wider, Relation::from_links("r", 5, all));
        assert_eq!(relation.neighbours(ItemId(3)).len(), 0);
    }
}
