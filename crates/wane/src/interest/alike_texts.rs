//! Items of which much the same is written: the nearest by the cosine of their vectors.
//!
//! - Up to [`EXACT`] items, every item is compared with every other, block by block, as products of matrices.
//! - Beyond, items lie in cells, each with the one of evenly chosen items that it is nearest to, and are compared with those of
//!   the cells nearest to their own, [`COMPARED`] items or a few more: time grows with the catalogue, not with its square.

use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::{Near, Relation, Texts};
use crate::events::ItemId;

/// Items up to which all are compared.
const EXACT: usize = 20_000;
/// Items that each is compared with beyond.
const COMPARED: usize = 8_000;
/// Items of a cell, about.
const CELL: usize = 1_000;
/// Items whose likeness is held at once.
const BLOCK: usize = 128;

/// The `top` items nearest to each item that has a vector, where they are alike at all.
pub fn alike_texts(name: &str, texts: &Texts, n_items: usize, top: usize) -> Relation {
    let table = Table::of(texts, n_items);
    let cells = table.cells(EXACT);
    let blocks: Vec<(&[u32], &[u32])> = cells
        .iter()
        .flat_map(|cell| cell.items.chunks(BLOCK).map(|block| (block, &cell.compared[..])))
        .collect();
    let links: Vec<_> =
        blocks.into_par_iter().flat_map_iter(|(block, others)| table.nearest(block, others, top)).collect();
    Relation::from_links(name, n_items, links)
}

/// What is near to a text among the items of a catalogue: the `top` nearest to its short vector, exactly, and those items that have a place
/// left for it, or a link that is weaker; `bars` says how near an item must be to be one of an item's.
pub fn near_texts(texts: &Texts, vector: &[f32], top: usize, bars: &[f32]) -> Near {
    let length = dot(vector, vector).sqrt();
    let near = |item: u32| Some((ItemId(item), cosine(vector, length, texts.of_item(item))?));
    let mut nearest: Vec<(ItemId, f32)> = (0..bars.len() as u32).filter_map(near).collect();
    let back = nearest.iter().filter(|(item, cosine)| *cosine > bars[item.index()]).copied().collect();
    cut(&mut nearest, top);
    Near { nearest, back }
}

/// Links of later items, each with its number, its short vector and what is near to that among the items that were there before: of each to
/// the `top` nearest, and to it from those items that it is one of the nearest of. Links that there are stay.
pub fn later_alike_texts(
    later: &[(ItemId, &[f32])],
    near: &[Arc<Near>],
    top: usize,
) -> Vec<(ItemId, ItemId, f32)> {
    let lengths: Vec<f32> = later.iter().map(|(_, vector)| dot(vector, vector).sqrt()).collect();
    let of_one = |(place, near): (usize, &Arc<Near>)| {
        let (from, vector) = later[place];
        let others = later.iter().zip(&lengths).filter(move |((to, _), _)| *to != from);
        let cosine = |other: &[f32], length: f32| dot(vector, other) / (lengths[place] * length);
        let others = others.map(|((to, other), length)| (*to, cosine(other, *length)));
        let others = others.filter(|(_, cosine)| *cosine > 0.0);
        let mut nearest: Vec<_> = near.nearest.iter().copied().chain(others).collect();
        cut(&mut nearest, top);
        let back = near.back.iter().map(|&(item, cosine)| (item, from, cosine));
        back.chain(nearest.into_iter().map(|(to, cosine)| (from, to, cosine))).collect::<Vec<_>>()
    };
    near.par_iter().enumerate().flat_map_iter(of_one).collect()
}

/// The cosine of a vector of known length and another, where they are alike at all.
fn cosine(vector: &[f32], length: f32, other: &[f32]) -> Option<f32> {
    let cosine = dot(vector, other) / (length * dot(other, other).sqrt());
    (cosine > 0.0).then_some(cosine)
}

/// Leaves the nearest, in their order.
fn cut(near: &mut Vec<(ItemId, f32)>, top: usize) {
    near.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    near.truncate(top);
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Vectors of length 1 of the items that have one.
struct Table {
    dim: usize,
    items: Vec<u32>,
    rows: Vec<f32>,
}

/// Places in the table that are looked at together, and those that they are compared with.
struct Cell {
    items: Vec<u32>,
    compared: Vec<u32>,
}

impl Table {
    fn of(texts: &Texts, n_items: usize) -> Self {
        let items: Vec<u32> = (0..n_items as u32).filter(|&item| texts.has(item)).collect();
        let of_length_1 = |&item: &u32| {
            let row = texts.of_item(item);
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter().map(move |x| x / length)
        };
        let rows = items.iter().flat_map(of_length_1).collect();
        Self { dim: texts.dim, items, rows }
    }

    /// All in one cell, up to so many items.
    fn cells(&self, exact: usize) -> Vec<Cell> {
        let all: Vec<u32> = (0..self.items.len() as u32).collect();
        if all.len() <= exact {
            return vec![Cell { items: all.clone(), compared: all }];
        }
        let centres: Vec<u32> = all.iter().copied().step_by(CELL).collect();
        let mut members = vec![Vec::new(); centres.len()];
        let nearest: Vec<usize> = all
            .par_chunks(BLOCK)
            .flat_map_iter(|block| {
                let likeness = self.likeness(block, &centres);
                likeness.chunks_exact(centres.len()).map(best).collect::<Vec<_>>()
            })
            .collect();
        all.iter().zip(nearest).for_each(|(&item, cell)| members[cell].push(item));
        let likeness = self.likeness(&centres, &centres);
        let cell = |(place, row): (usize, &[f32])| {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
            let mut compared = Vec::new();
            for other in order {
                if compared.len() < COMPARED {
                    compared.extend(&members[other]);
                }
            }
            Cell { items: members[place].clone(), compared }
        };
        likeness.chunks_exact(centres.len()).enumerate().map(cell).collect()
    }

    /// Cosines of some places with others, row by row.
    fn likeness(&self, block: &[u32], others: &[u32]) -> Vec<f32> {
        let mut likeness = vec![0.0; block.len() * others.len()];
        let (block_rows, other_rows) = (self.gathered(block), self.gathered(others));
        matmul(
            MatMut::from_row_major_slice_mut(&mut likeness, block.len(), others.len()),
            Accum::Replace,
            MatRef::from_row_major_slice(&block_rows, block.len(), self.dim),
            MatRef::from_row_major_slice(&other_rows, others.len(), self.dim).transpose(),
            1.0,
            Par::Seq,
        );
        likeness
    }

    fn gathered(&self, places: &[u32]) -> Vec<f32> {
        places
            .iter()
            .flat_map(|&place| &self.rows[place as usize * self.dim..][..self.dim])
            .copied()
            .collect()
    }

    /// The links of some places to the most alike of others.
    fn nearest(&self, block: &[u32], others: &[u32], top: usize) -> Vec<(ItemId, ItemId, f32)> {
        let likeness = self.likeness(block, others);
        let mut links = Vec::with_capacity(block.len() * top);
        for (&place, row) in block.iter().zip(likeness.chunks_exact(others.len())) {
            let alike = others.iter().zip(row).filter(|&(&other, &cosine)| other != place && cosine > 0.0);
            let mut alike: Vec<(u32, f32)> = alike.map(|(&other, &cosine)| (other, cosine)).collect();
            let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
            if alike.len() > top && top > 0 {
                alike.select_nth_unstable_by(top - 1, order);
            }
            alike.truncate(top);
            let item = |place: u32| ItemId(self.items[place as usize]);
            links.extend(alike.into_iter().map(|(other, cosine)| (item(place), item(other), cosine)));
        }
        links
    }
}

fn best(row: &[f32]) -> usize {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interest::{Reduction, Vectors};

    /// Items in groups of ten, whose vectors lie around a common one; the third item has none.
    fn texts(n_items: usize) -> Texts {
        let wave = |place: usize| (place as f32 * 0.618).sin() + (place as f32 * place as f32 * 0.07).cos();
        let number = |place: usize| match place / 8 {
            2 => 0.0,
            item => wave(item / 10 * 977 + place % 8) + 0.2 * wave(place + 31),
        };
        let vectors = Vectors { dim: 8, data: (0..n_items * 8).map(number).collect() };
        Texts::of(&vectors, Reduction::of(&vectors))
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn the_nearest_are_kept_with_their_cosines() {
        let texts = texts(300);
        let relation = alike_texts("alike-text", &texts, 300, 4);
        for item in (0..300).filter(|&item| item != 2) {
            let others = (0..300).filter(|&other| other != item && other != 2);
            let mut all: Vec<f32> =
                others.map(|other| cosine(texts.of_item(item), texts.of_item(other))).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            let mut kept: Vec<f32> = relation.neighbours(ItemId(item)).map(|(_, cosine)| cosine).collect();
            kept.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(kept.len(), 4);
            kept.iter().zip(&all).for_each(|(kept, own)| assert!((kept - own).abs() < 1e-5));
        }
        assert_eq!(relation.neighbours(ItemId(2)).len(), 0);
        assert_eq!(relation, alike_texts("alike-text", &texts, 300, 4));
        assert!(alike_texts("alike-text", &Texts::default(), 300, 4).is_empty());
    }

    /// An item that comes later has the links that it would have had.
    #[test]
    fn later_items_are_linked_to_the_nearest() {
        let all = texts(300);
        let whole = alike_texts("alike-text", &all, 300, 4);
        let first = all.clone().over(299);
        let before = alike_texts("alike-text", &first, 299, 4);
        let weakest =
            |item| before.neighbours(ItemId(item)).map(|(_, cosine)| cosine).fold(f32::INFINITY, f32::min);
        let bars: Vec<f32> = (0..299).map(weakest).collect();
        let near = Arc::new(near_texts(&first, all.of_item(299), 4, &bars));
        let links = later_alike_texts(&[(ItemId(299), all.of_item(299))], &[near], 4);
        let wider = before.with_later(300, links);
        let row = |relation: &Relation, item| relation.neighbours(ItemId(item)).collect::<Vec<_>>();
        let (found, expected) = (row(&wider, 299), row(&whole, 299));
        assert_eq!(found.len(), 4);
        found.iter().zip(&expected).for_each(|(a, b)| assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-5));
        for item in 0..299 {
            let is_linked = whole.weight(ItemId(item), ItemId(299)).is_some();
            assert_eq!(wider.weight(ItemId(item), ItemId(299)).is_some(), is_linked, "{item}");
            assert_eq!(row(&wider, item)[..row(&before, item).len()], row(&before, item));
        }
    }

    #[test]
    fn cells_hold_every_item_once_and_find_nearly_all_neighbours() {
        let texts = texts(20_000);
        let table = Table::of(&texts, 20_000);
        let cells = table.cells(0);
        let mut items: Vec<u32> = cells.iter().flat_map(|cell| cell.items.iter().copied()).collect();
        items.sort_unstable();
        assert_eq!(items, (0..19_999).collect::<Vec<u32>>());
        let all = &table.cells(usize::MAX)[0].compared;
        let (mut found, mut asked) = (0, 0);
        for cell in &cells {
            assert!(cell.compared.len() < 20_000);
            let some = &cell.items[..cell.items.len().min(2)];
            let near = table.nearest(some, &cell.compared, 5);
            let nearest = table.nearest(some, all, 5);
            asked += nearest.len();
            found += nearest.iter().filter(|link| near.iter().any(|other| other.1 == link.1)).count();
        }
        assert!(found as f64 >= 0.9 * asked as f64, "{found} of {asked}");
    }
}
