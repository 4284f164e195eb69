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
    let n_items = visits.len();
    let mut members = members(features, visits);
    let square = |members: &Vec<u32>| (n_items as f32 / members.len().max(1) as f32).ln().powi(2);
    let squares: Vec<f32> = members.iter().map(square).collect();
    members.iter_mut().for_each(|members| members.truncate(VISITED));
    let length = |item: u32| {
        features.of_item(item).iter().map(|&feature| squares[feature as usize]).sum::<f32>().sqrt()
    };
    let lengths: Vec<f32> = (0..n_items as u32).map(length).collect();
    let row = |sums: &mut Vec<f32>, item: u32| {
        let mut touched = Vec::new();
        for &feature in features.of_item(item) {
            for &other in &members[feature as usize] {
                if sums[other as usize] == 0.0 {
                    touched.push(other);
                }
                sums[other as usize] += squares[feature as usize];
            }
        }
        let mut row: Vec<(u32, f32)> = touched
            .iter()
            .map(|&other| {
                let shared = std::mem::take(&mut sums[other as usize]);
                (other, shared / (lengths[item as usize] * lengths[other as usize]))
            })
            .filter(|&(other, similarity)| other != item && similarity > 0.0)
            .collect();
        row.sort_by(|a, b| {
            let by_visits = || visits[b.0 as usize].cmp(&visits[a.0 as usize]);
            b.1.total_cmp(&a.1).then_with(by_visits).then(a.0.cmp(&b.0))
        });
        row.truncate(top);
        row.into_iter()
            .map(|(other, similarity)| (ItemId(item), ItemId(other), similarity))
            .collect::<Vec<_>>()
    };
    let links: Vec<Vec<_>> =
        (0..n_items as u32).into_par_iter().map_init(|| vec![0.0; n_items], row).collect();
    Relation::from_links(name, n_items, links.into_iter().flatten())
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

    #[test]
    fn what_all_items_share_says_nothing() {
        let features = features(&[&["shop"], &["shop"]]);
        assert!(alike("alike", &features, &[1, 1], 9).is_empty());
    }
}
