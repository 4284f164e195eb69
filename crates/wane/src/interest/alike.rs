//! Items that the catalogue describes alike: same category, same brand, similar price.
//!
//! `similarity(i, j) = sum over features f of both of w_f^2 / (|i| |j|)`, with `w_f = ln(items / items with f)` and
//! `|i|^2 = sum of w_f^2`: the cosine of what is known of the two, where what few items share says more than what most do.
//!
//! - The `top` most similar items are kept; of equally similar ones, and a catalogue is full of them, the most visited.
//! - Of each feature only its [`VISITED`] most visited items are looked at: a bound on time that the order of ties makes
//!   harmless.

use rayon::prelude::*;

use super::{Features, Relation};
use crate::events::ItemId;

/// Items of one feature that are looked at.
const VISITED: usize = 1_000;

/// The `top` most similar items of each item, by their features; `visits` counts the events of each item.
pub fn alike(name: &str, features: &Features, visits: &[u32], top: usize) -> Relation {
    let likeness = Likeness::of(features, visits);
    let row = |sums: &mut Vec<f32>, item: u32| likeness.row(features, item, top, sums);
    let n_items = visits.len();
    let links: Vec<Vec<_>> =
        (0..n_items as u32).into_par_iter().map_init(|| vec![0.0; n_items], row).collect();
    Relation::from_links(name, n_items, links.into_iter().flatten())
}

/// What likeness is told by, of the items of one catalogue.
#[derive(Debug, Clone)]
pub struct Likeness {
    /// Items by feature, most visited first.
    members: Vec<Vec<u32>>,
    /// `w_f^2`.
    squares: Vec<f32>,
    /// `|i|`.
    lengths: Vec<f32>,
    visits: Vec<u32>,
}

impl Likeness {
    /// That of items with these features and numbers of events.
    pub fn of(features: &Features, visits: &[u32]) -> Self {
        let members = members(features, visits);
        let square = |members: &Vec<u32>| (visits.len() as f32 / members.len().max(1) as f32).ln().powi(2);
        let squares: Vec<f32> = members.iter().map(square).collect();
        let mut likeness = Self { members, squares, lengths: Vec::new(), visits: visits.to_vec() };
        likeness.lengths =
            (0..visits.len() as u32).map(|item| likeness.length(features.of_item(item))).collect();
        likeness
    }

    fn length(&self, features: &[u32]) -> f32 {
        features.iter().map(|&feature| self.squares[feature as usize]).sum::<f32>().sqrt()
    }

    fn row(
        &self,
        features: &Features,
        item: u32,
        top: usize,
        sums: &mut [f32],
    ) -> Vec<(ItemId, ItemId, f32)> {
        let own = features.of_item(item);
        let mut row = self.similar(own, self.lengths[item as usize], sums);
        row.retain(|&(other, _)| other != item);
        self.cut(&mut row, top);
        row.into_iter().map(|(other, similarity)| (ItemId(item), ItemId(other), similarity)).collect()
    }

    /// All that are looked at and share a feature, in no order.
    fn similar(&self, features: &[u32], length: f32, sums: &mut [f32]) -> Vec<(u32, f32)> {
        let mut touched = Vec::new();
        for &feature in features {
            for &other in self.members[feature as usize].iter().take(VISITED) {
                if sums[other as usize] == 0.0 {
                    touched.push(other);
                }
                sums[other as usize] += self.squares[feature as usize];
            }
        }
        let similarity = |&other: &u32| {
            let shared = std::mem::take(&mut sums[other as usize]);
            (other, shared / (length * self.lengths[other as usize]))
        };
        touched.iter().map(similarity).filter(|&(_, similarity)| similarity > 0.0).collect()
    }

    fn cut(&self, row: &mut Vec<(u32, f32)>, top: usize) {
        row.sort_by(|a, b| {
            let by_visits = || self.visits[b.0 as usize].cmp(&self.visits[a.0 as usize]);
            b.1.total_cmp(&a.1).then_with(by_visits).then(a.0.cmp(&b.0))
        });
        row.truncate(top);
    }

    /// Links of later items, each with its number and features, by the same weights of features: of each to the `top` most similar, and to
    /// it from those that have a place left for it, or a link that is weaker; `bars` says how strong a link must be to be one of an item's.
    /// Links that there are stay, so what is known of the others does not change.
    pub fn later(
        &self,
        later: &[(ItemId, Vec<u32>)],
        top: usize,
        bars: &[f32],
    ) -> Vec<(ItemId, ItemId, f32)> {
        let n = self.lengths.len();
        let end = later.iter().map(|(item, _)| item.index() + 1).max().unwrap_or(n).max(n);
        // As if they had been there, without a visit: after all others.
        let mut wider = self.clone();
        wider.lengths.resize(end, 0.0);
        wider.visits.resize(end, 0);
        for (item, features) in later {
            wider.lengths[item.index()] = self.length(features);
            features.iter().for_each(|&feature| wider.members[feature as usize].push(item.0));
        }
        let mut links = Vec::new();
        let mut sums = vec![0.0; end];
        for (item, features) in later {
            let length = wider.lengths[item.index()];
            let is_looked_at = |feature: &u32| {
                wider.members[*feature as usize].iter().take(VISITED).any(|own| *own == item.0)
            };
            let seen: Vec<u32> = features.iter().copied().filter(is_looked_at).collect();
            let back = wider.similar(&seen, length, &mut sums).into_iter();
            let back = back
                .filter(|&(other, similarity)| bars.get(other as usize).is_some_and(|&bar| similarity > bar));
            links.extend(back.map(|(other, similarity)| (ItemId(other), *item, similarity)));
            let mut row = wider.similar(features, length, &mut sums);
            row.retain(|&(other, _)| other != item.0);
            wider.cut(&mut row, top);
            links.extend(row.into_iter().map(|(other, similarity)| (*item, ItemId(other), similarity)));
        }
        links
    }
}

/// The items of each feature, most visited first.
fn members(features: &Features, visits: &[u32]) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); features.n_features];
    let mut items: Vec<u32> = (0..visits.len() as u32).collect();
    items.sort_by_key(|&item| std::cmp::Reverse(visits[item as usize]));
    for item in items {
        features.of_item(item).iter().for_each(|&feature| members[feature as usize].push(item));
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(of_items: &[&[&str]]) -> Features {
        let names: Vec<Vec<String>> =
            of_items.iter().map(|names| names.iter().map(ToString::to_string).collect()).collect();
        Features::from_names(&names)
    }

    fn row(relation: &Relation, item: u32) -> Vec<(u32, f32)> {
        let mut row: Vec<_> = relation.neighbours(ItemId(item)).map(|(to, weight)| (to.0, weight)).collect();
        row.sort_by(|a, b| b.1.total_cmp(&a.1));
        row
    }

    #[test]
    fn similarity_is_the_cosine_of_rare_features() {
        let features = features(&[&["tea", "acme"], &["tea", "acme"], &["tea", "bolt"], &["bolt"], &[]]);
        let found = alike("alike", &features, &[1; 5], 9);
        let [tea, acme, bolt] = [5.0 / 3.0, 2.5, 2.5].map(|part: f32| part.ln().powi(2));
        let expected = [(1, 1.0), (2, tea / ((tea + acme) * (tea + bolt)).sqrt())];
        for ((item, similarity), (other, weight)) in row(&found, 0).into_iter().zip(expected) {
            assert_eq!(item, other);
            assert!((similarity - weight).abs() < 1e-6, "{similarity} is not {weight}");
        }
        assert_eq!(row(&found, 0).len(), 2);
        assert_eq!(row(&found, 4), []);
    }

    #[test]
    fn of_equals_the_most_visited_are_kept() {
        let features = features(&[&["a"], &["a"], &["a"], &["a"], &["b"], &["b"]]);
        let found = alike("alike", &features, &[0, 1, 5, 3, 0, 0], 2);
        let kept: Vec<u32> = found.neighbours(ItemId(0)).map(|(to, _)| to.0).collect();
        assert_eq!(kept, [2, 3]);
    }

    /// Later items are linked as if they had been there, but for the weights of features, which are as they were.
    #[test]
    fn later_items_are_linked_and_nothing_else_changes() {
        let known =
            features(&[&["tea", "acme"], &["tea", "acme"], &["tea", "bolt"], &["bolt"], &["pot"], &["pot"]]);
        let likeness = Likeness::of(&known, &[5, 4, 3, 2, 1, 1]);
        let place = |name: &str| known.names.iter().position(|own| own == name).unwrap() as u32;
        let later = [(ItemId(6), vec![place("tea"), place("acme")]), (ItemId(7), vec![place("tea")])];
        // Item 2 is full of stronger links, and all others have a place left.
        let bars = [0.0, 0.0, 0.9, 0.0, 0.0, 0.0];
        let mut links = likeness.later(&later, 2, &bars);
        links.sort_by_key(|link| (link.0, link.1));
        let found: Vec<(u32, u32)> = links.iter().map(|link| (link.0.0, link.1.0)).collect();
        assert_eq!(found, [(0, 6), (0, 7), (1, 6), (1, 7), (6, 0), (6, 1), (7, 0), (7, 1)]);
        assert!(links.iter().filter(|link| link.0 == ItemId(6)).all(|link| (link.2 - 1.0).abs() < 1e-6));
    }

    #[test]
    fn what_all_items_share_says_nothing() {
        let features = features(&[&["shop"], &["shop"]]);
        assert!(alike("alike", &features, &[1, 1], 9).is_empty());
    }
}
