//! Which past events speak most for items by their vectors.
//!
//! Event i puts `sum_m w[a_i, m] decay_m(i) v_i . s_jm` into the score of item j, which sees the event's vector by its sights
//! `s_jm = (1 + f_m) W_m e_j`. The products of many vectors with the sights of many items are one product of two tables, which is why
//! items are explained together: one by one they would take several times as long.
//!
//! Only the greatest shares are looked for, the sum of all is known from the user's state. By Cauchy-Schwarz no share of some
//! events in item j exceeds `sum_m max_i(|w decay| |v_i|) |s_jm|`: where that is below the least of an item's greatest shares, which
//! relations raise before, nothing is multiplied for it.

use faer::Accum;

use super::TraceModel;
use super::familiar::Familiarity;
use super::greatest::{Greatest, Share};
use super::past::Past;
use crate::events::ItemId;
use crate::train::{Group, dot, product, table, table_mut};
use crate::wide::wide;

/// Items that are explained by one instruction.
const LANES: usize = 8;
/// Items of the past whose products are at hand at once: so many that they stay near the core.
const AT_HAND: usize = 96;
/// What bounds are raised by, more than what rounding takes.
const MARGIN: f32 = 1.0001;

/// The sights of the items that are explained.
pub(super) struct Sights {
    /// By item, then scale.
    values: Vec<f32>,
    /// The length of each.
    lengths: Vec<f32>,
    n_items: usize,
    scales: usize,
    dim: usize,
}

/// Some items of the past, the newest first.
struct Part<'a> {
    /// Numbers of each item's events.
    events: &'a [&'a [(ItemId, u32)]],
    /// Their vectors.
    vectors: &'a [f32],
    /// The scales in which anything is left of them. In the others nothing is multiplied.
    scales: Vec<usize>,
    /// The greatest `|w decay| |v|` in each of those.
    most: Vec<f32>,
}

/// The shares of a part's events in some items. Most of a long history's are too small to be reasons, which one look at all of them says.
struct Shares {
    /// The items.
    open: Vec<usize>,
    /// By item of the past, then scale, then item: products of vectors and sights.
    products: Vec<[f32; LANES]>,
    /// Of one event.
    of_event: Vec<[f32; LANES]>,
    /// Shares below are not among an item's greatest.
    bars: Vec<[f32; LANES]>,
    /// The greatest of the shares below.
    below: Vec<[f32; LANES]>,
}

impl TraceModel {
    /// The sights of items.
    pub(super) fn sights(&self, items: &[ItemId], is_familiar: &[bool]) -> Sights {
        let (dim, n_items) = (self.weights.shape.dim, items.len());
        let (mixing, familiarity) = (self.weights.group(Group::Mixing), Familiarity::of(&self.weights));
        let mut vectors = Vec::with_capacity(n_items * dim);
        for (place, &item) in items.iter().enumerate() {
            vectors.extend_from_slice(self.vector(item));
            // One that came after the fit has none.
            vectors.resize((place + 1) * dim, 0.0);
        }
        let scales = self.basis.len();
        let mut values = vec![0.0; n_items * scales * dim];
        // One product for all scales: a product of its own for each would take longer to begin.
        product(
            table_mut(&mut values, n_items, scales * dim),
            table(&vectors, n_items, dim),
            table(mixing, scales * dim, dim).transpose(),
            Accum::Replace,
        );
        let of_items = values.chunks_exact_mut((scales * dim).max(1)).zip(is_familiar);
        for (sights, _) in of_items.filter(|(_, is_familiar)| **is_familiar) {
            let of_scales = sights.chunks_exact_mut(dim.max(1)).zip(familiarity.scales);
            of_scales.for_each(|(sight, more)| sight.iter_mut().for_each(|number| *number *= 1.0 + more));
        }
        Sights { lengths: lengths(&values, dim), values, n_items, scales, dim }
    }
}

impl Sights {
    /// Those of an item, scale by scale.
    pub(super) fn of_item(&self, place: usize) -> impl Iterator<Item = &[f32]> {
        self.values[place * self.scales * self.dim..].chunks_exact(self.dim.max(1)).take(self.scales)
    }

    /// What the vectors say for each item of all events together: `sum_m S_m . s_jm`.
    pub(super) fn sums(&self, state: &[f32]) -> Vec<f64> {
        let sum = |place| -> f64 {
            let states = state.chunks_exact(self.dim.max(1));
            states.zip(self.of_item(place)).map(|(state, sight)| f64::from(dot(state, sight))).sum()
        };
        (0..self.n_items).map(sum).collect()
    }

    /// Offers to each item the shares that may be among its greatest.
    pub(super) fn find(&self, past: &Past, found: &mut [Greatest]) {
        let events: Vec<&[(ItemId, u32)]> = past.of_items().collect();
        // The newest events first: their shares are great, and what comes after must be greater.
        let parts = past.vectors.chunks((AT_HAND * self.dim).max(1)).zip(events.chunks(AT_HAND));
        for (vectors, events) in parts {
            let part = Part::of(past, events, vectors, self.dim);
            if part.scales.is_empty() || self.n_items == 0 {
                // Of what is older nothing is left either.
                break;
            }
            let mut open = Vec::with_capacity(self.n_items);
            for (item, found) in found.iter_mut().enumerate() {
                let bound = self.bound(item, &part);
                if bound < bar_of(found) {
                    found.pass_over(bound > 0.0);
                } else {
                    open.push(item);
                }
            }
            if !open.is_empty() {
                Shares::of(self, &part, open, found).find(past, &part, found);
            }
        }
    }

    /// What no share of a part's events exceeds.
    fn bound(&self, item: usize, part: &Part<'_>) -> f32 {
        let of_scales = part.scales.iter().zip(&part.most);
        MARGIN * of_scales.map(|(scale, most)| most * self.lengths[item * self.scales + scale]).sum::<f32>()
    }
}

impl<'a> Part<'a> {
    fn of(past: &Past, events: &'a [&'a [(ItemId, u32)]], vectors: &'a [f32], dim: usize) -> Self {
        let newest = events.first().map_or(0, |own| own[0].1);
        let scales: Vec<usize> = past.scales_left(newest as usize).collect();
        let mut most = vec![0.0f32; scales.len()];
        for (own, length) in events.iter().zip(lengths(vectors, dim)) {
            for (_, number) in *own {
                let left = past.left(*number as usize);
                most.iter_mut()
                    .zip(&scales)
                    .for_each(|(most, &scale)| *most = most.max(left[scale].abs() * length));
            }
        }
        Self { events, vectors, scales, most }
    }
}

impl Shares {
    fn of(sights: &Sights, part: &Part<'_>, open: Vec<usize>, found: &[Greatest]) -> Self {
        let (dim, n_vectors) = (sights.dim, part.events.len());
        let groups = open.len().div_ceil(LANES);
        let n = groups * LANES;
        let mut own = vec![0.0; part.scales.len() * n * dim];
        for (own, scale) in own.chunks_exact_mut((n * dim).max(1)).zip(&part.scales) {
            for (own, item) in own.chunks_exact_mut(dim.max(1)).zip(&open) {
                own.copy_from_slice(&sights.values[(item * sights.scales + scale) * dim..][..dim]);
            }
        }
        let mut products = vec![[0.0; LANES]; n_vectors * part.scales.len() * groups];
        product(
            table_mut(products.as_flattened_mut(), n_vectors, part.scales.len() * n),
            table(part.vectors, n_vectors, dim),
            table(&own, part.scales.len() * n, dim).transpose(),
            Accum::Replace,
        );
        // Nothing is great where there is no item.
        let mut bars = vec![[f32::INFINITY; LANES]; groups];
        bars.as_flattened_mut().iter_mut().zip(&open).for_each(|(bar, item)| *bar = bar_of(&found[*item]));
        let [of_event, below] = [(); 2].map(|()| vec![[0.0; LANES]; groups]);
        Self { open, products, of_event, bars, below }
    }

    fn find(mut self, past: &Past, part: &Part<'_>, found: &mut [Greatest]) {
        for (place, events) in part.events.iter().enumerate() {
            for number in events.iter().map(|own| own.1 as usize) {
                if self.fill(past.left(number), part, place) {
                    self.offer(number, found);
                }
            }
        }
        let below = self.below.as_flattened().iter().zip(&self.open);
        below.for_each(|(below, item)| found[*item].pass_over(*below > 0.0));
    }

    /// Takes the next event: what is left of it in each scale, and the place of its vector in the part. Says whether any of its
    /// shares may be among the greatest.
    fn fill(&mut self, left: &[f32], part: &Part<'_>, place: usize) -> bool {
        wide(
            #[inline(always)]
            || {
                let groups = self.of_event.len();
                let mut may_be_great = false;
                let of_items = self.of_event.iter_mut().zip(&mut self.below).zip(&self.bars);
                for (group, ((shares, below), bars)) in of_items.enumerate() {
                    // As values: of references the compiler does not know that they are apart.
                    let (mut own, mut lesser, bars) = ([0.0; LANES], *below, *bars);
                    for (number, &scale) in part.scales.iter().enumerate() {
                        let row = place * part.scales.len() + number;
                        let (left, products) = (left[scale], self.products[row * groups + group]);
                        own.iter_mut().zip(products).for_each(|(share, product)| *share += left * product);
                    }
                    for ((share, bar), lesser) in own.iter().zip(bars).zip(&mut lesser) {
                        let is_great = share.abs() >= bar;
                        may_be_great |= is_great;
                        *lesser = if is_great { *lesser } else { lesser.max(share.abs()) };
                    }
                    (*shares, *below) = (own, lesser);
                }
                may_be_great
            },
        )
    }

    /// Offers an event's shares that may be among the greatest.
    fn offer(&mut self, number: usize, found: &mut [Greatest]) {
        let of_items = self.of_event.as_flattened().iter().zip(self.bars.as_flattened_mut());
        for ((&share, bar), &item) in of_items.zip(&self.open) {
            if share.abs() >= *bar {
                found[item].offer(Share { number, link: None, value: f64::from(share) });
                *bar = bar_of(&found[item]);
            }
        }
    }
}

/// Rounded downwards.
fn bar_of(found: &Greatest) -> f32 {
    (found.bar() as f32).next_down()
}

/// The lengths of vectors that stand one after another.
fn lengths(vectors: &[f32], dim: usize) -> Vec<f32> {
    vectors.chunks_exact(dim.max(1)).map(|vector| dot(vector, vector).sqrt()).collect()
}
