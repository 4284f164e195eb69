//! Directed, named item-item links in compressed sparse rows.

use crate::events::ItemId;

/// A directed, named link between items: `complement`, `substitute`, `covisit`, ...
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    name: String,
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
        Self {
            name: name.into(),
            offsets,
            targets: links.iter().map(|link| link.1).collect(),
            weights: links.iter().map(|link| link.2).collect(),
        }
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
        is_sound.then(|| Self {
            name: name.to_owned(),
            offsets: offsets.into_iter().map(|offset| offset as usize).collect(),
            targets: targets.into_iter().map(ItemId).collect(),
            weights,
        })
    }

    /// Offsets of the rows by item, then the targets and weights of all links.
    pub(crate) fn rows(&self) -> (&[usize], &[ItemId], &[f32]) {
        (&self.offsets, &self.targets, &self.weights)
    }

    /// The same links in the other direction.
    #[must_use]
    pub fn reversed(&self, name: impl Into<String>) -> Self {
        let n_items = self.offsets.len() - 1;
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
        self.targets.len()
    }

    /// Whether there are no links.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The weight of a link, if there is one.
    pub fn weight(&self, from: ItemId, to: ItemId) -> Option<f32> {
        let (start, end) = (*self.offsets.get(from.index())?, *self.offsets.get(from.index() + 1)?);
        let place = self.targets[start..end].binary_search(&to).ok()?;
        self.weights.get(start + place).copied()
    }

    /// Items that `item` links to, with their weights; empty for an unknown item.
    pub fn neighbours(&self, item: ItemId) -> impl ExactSizeIterator<Item = (ItemId, f32)> + '_ {
        let bound = |place: usize| self.offsets.get(place).copied().unwrap_or(self.targets.len());
        let range = bound(item.index())..bound(item.index() + 1);
        self.targets[range.clone()].iter().copied().zip(self.weights[range].iter().copied())
    }
}
