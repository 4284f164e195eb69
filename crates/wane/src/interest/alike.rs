//! Items that the catalogue describes alike: same category, same brand, similar price.
//!
//! `similarity(i, j) = sum over features f of both of w_f^2 / (|i| |j|)`, with `w_f = ln(items / items with f)` and
//! `|i|^2 = sum of w_f^2`: the cosine of what is known of the two, where what few items share says more than what most do.
//!
//! - The `top` most similar items are kept; of equally similar ones, and a catalogue is full of them, the most visited.
//! - Of each feature only its [`VISITED`] most visited items are looked at: a bound on time that the order of ties makes
//!   harmless.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::{Features, Near, Relation};
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
            let by_visits = || self.visits_of(b.0).cmp(&self.visits_of(a.0));
            b.1.total_cmp(&a.1).then_with(by_visits).then(a.0.cmp(&b.0))
        });
        row.truncate(top);
    }

    /// Later items have none.
    fn visits_of(&self, item: u32) -> u32 {
        self.visits.get(item as usize).copied().unwrap_or_default()
    }

    /// How many later items are looked at for a feature, among each other: as if they had been there without a visit, after all others.
    fn room(&self, feature: u32) -> usize {
        VISITED.saturating_sub(self.members[feature as usize].len())
    }

    /// What is near to an item with these features that comes later: the `top` most similar, and the items that have a place left for it, or
    /// a link that is weaker; `bars` says how strong a link must be to be one of an item's. It does not depend on other later items: by a
    /// feature of which fewer than 1,000 items were there, all later ones are linked back.
    pub fn near(&self, features: &[u32], top: usize, bars: &[f32]) -> Near {
        let (length, mut sums) = (self.length(features), vec![0.0; self.lengths.len()]);
        let is_looked_at = |feature: &u32| self.room(*feature) > 0;
        let seen: Vec<u32> = features.iter().copied().filter(is_looked_at).collect();
        let is_strong = |&(other, similarity): &(u32, f32)| similarity > bars[other as usize];
        let back = self.similar(&seen, length, &mut sums).into_iter().filter(is_strong);
        let back = back.map(|(other, similarity)| (ItemId(other), similarity)).collect();
        let mut row = self.similar(features, length, &mut sums);
        self.cut(&mut row, top);
        Near {
            nearest: row.into_iter().map(|(other, similarity)| (ItemId(other), similarity)).collect(),
            back,
        }
    }

    /// Links of later items, each with its number, its features and what is [near](Self::near) to it: of each to the `top` most similar, later
    /// ones among them, and to it. Links that there are stay, so what is known of the others does not change.
    pub fn later(
        &self,
        later: &[(ItemId, &[u32])],
        near: &[Arc<Near>],
        top: usize,
    ) -> Vec<(ItemId, ItemId, f32)> {
        let lengths: Vec<f32> = later.iter().map(|(_, features)| self.length(features)).collect();
        let mut members: HashMap<u32, Vec<usize>> = HashMap::new();
        for (place, (_, features)) in later.iter().enumerate() {
            for &feature in *features {
                let own = members.entry(feature).or_default();
                if own.len() < self.room(feature) {
                    own.push(place);
                }
            }
        }
        let of_one = |sums: &mut Vec<f32>, (place, near): (usize, &Arc<Near>)| {
            let (item, features) = later[place];
            for feature in features {
                members[feature].iter().for_each(|&other| sums[other] += self.squares[*feature as usize]);
            }
            let mut row: Vec<(u32, f32)> =
                near.nearest.iter().map(|&(other, similarity)| (other.0, similarity)).collect();
            for (other, shared) in sums.iter_mut().enumerate() {
                let similarity = std::mem::take(shared) / (lengths[place] * lengths[other]);
                if similarity > 0.0 && other != place {
                    row.push((later[other].0.0, similarity));
                }
            }
            self.cut(&mut row, top);
            let back = near.back.iter().map(move |&(other, similarity)| (other, item, similarity));
            back.chain(row.into_iter().map(move |(other, similarity)| (item, ItemId(other), similarity)))
                .collect::<Vec<_>>()
        };
        let links = near
            .par_iter()
            .enumerate()
            .map_init(|| vec![0.0; later.len()], |sums, (place, near)| of_one(sums, (place, near)));
        links.collect::<Vec<_>>().concat()
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
        let own = [vec![place("tea"), place("acme")], vec![place("tea")]];
        let later = [(ItemId(6), &own[0][..]), (ItemId(7), &own[1][..])];
        // Item 2 is full of stronger links, and all others have a place left.
        let bars = [0.0, 0.0, 0.9, 0.0, 0.0, 0.0];
        let near = own.each_ref().map(|features| Arc::new(likeness.near(features, 2, &bars)));
        let mut links = likeness.later(&later, &near, 2);
        links.sort_by_key(|link| (link.0, link.1));
        let found: Vec<(u32, u32)> = links.iter().map(|link| (link.0.0, link.1.0)).collect();
        assert_eq!(found, [(0, 6), (0, 7), (1, 6), (1, 7), (6, 0), (6, 1), (7, 0), (7, 1)]);
        assert!(links.iter().filter(|link| link.0 == ItemId(6)).all(|link| (link.2 - 1.0).abs() < 1e-6));
    }

    /// Among each other they are linked too, behind visited items that are as similar.
    #[test]
    fn later_items_are_linked_to_each_other() {
        let known = features(&[&["tea"], &["tea"], &["pot"], &["pot"], &["cup"], &["cup"]]);
        let likeness = Likeness::of(&known, &[1; 6]);
        let place = |name: &str| known.names.iter().position(|own| own == name).unwrap() as u32;
        let own = [[place("tea")], [place("tea")], [place("cup")], [place("tea")]];
        let later: Vec<(ItemId, &[u32])> = (6..).map(ItemId).zip(own.iter().map(|own| &own[..])).collect();
        let near = own.each_ref().map(|own| Arc::new(likeness.near(own, 3, &[1.0; 6])));
        let links = likeness.later(&later, &near, 3);
        let found: Vec<(u32, u32)> = links.iter().map(|link| (link.0.0, link.1.0)).collect();
        let of_tea = |item, other| [0, 1, other].map(|to| (item, to));
        assert_eq!(found, [&of_tea(6, 7)[..], &of_tea(7, 6), &[(8, 4), (8, 5)], &of_tea(9, 6)].concat());
        assert!(links.iter().all(|link| (link.2 - 1.0).abs() < 1e-6));
    }

    #[test]
    fn what_all_items_share_says_nothing() {
        let features = features(&[&["shop"], &["shop"]]);
        assert!(alike("alike", &features, &[1, 1], 9).is_empty());
    }
}
