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

    /// Items that `item` links to, with their weights; empty for an unknown item.
    pub fn neighbours(&self, item: ItemId) -> impl ExactSizeIterator<Item = (ItemId, f32)> + '_ {
        let bound = |place: usize| self.offsets.get(place).copied().unwrap_or(self.targets.len());
        let range = bound(item.index())..bound(item.index() + 1);
        self.targets[range.clone()].iter().copied().zip(self.weights[range].iter().copied())
    }
}
