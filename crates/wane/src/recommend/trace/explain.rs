//! Why items have their scores: the share of every past event, of some items at once.
//!
//! - By vectors event i puts `sum_m w[a_i, m] decay_m(i) v_i . (1 + f_m) W_m e_j` into the score of item j (`f_m` of familiar
//!   items only). The products of all events' vectors with all `W_m e_j` are one product of two tables, which is why items are
//!   explained together: one by one they would take several times as long.
//! - By relation r it puts `g_r asinh(x_rj) / x_rj` of what it put into the sum `x_rj`: the saturated sum is shared in proportion.

use std::borrow::Cow;

use faer::Accum;

use super::TraceModel;
use super::familiar::Familiarity;
use super::past::Past;
use crate::events::ItemId;
use crate::recommend::{Explanation, GreatestReasons, Query, Remainder};
use crate::train::{Group, product, table, table_mut};
use crate::wide::wide;

/// The items that are explained: which has which place, without a table of all items.
struct Places {
    sorted: Vec<(ItemId, usize)>,
    /// Bits by the low bits of an item's number: nearly all others are told apart by one look.
    marks: [u64; 64],
}

impl Places {
    fn of(items: &[ItemId]) -> Self {
        let mut sorted: Vec<_> = items.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let mut marks = [0; 64];
        items.iter().for_each(|item| marks[item.index() / 64 % 64] |= 1 << (item.index() % 64));
        Self { sorted, marks }
    }

    fn get(&self, item: ItemId) -> Option<usize> {
        if self.marks[item.index() / 64 % 64] >> (item.index() % 64) & 1 == 0 {
            return None;
        }
        self.sorted.binary_search_by_key(&item, |own| own.0).ok().map(|found| self.sorted[found].1)
    }
}

/// Items that are explained by one instruction.
const LANES: usize = 8;
/// Items of the past whose products are at hand at once: so many that they stay near the core.
const AT_HAND: usize = 96;

/// The shares of an event in some items. Most of a long history's are too small to be reasons, which one look at all of them says.
struct Shares {
    of_event: Vec<[f32; LANES]>,
    /// Of all events.
    sums: Vec<[f64; LANES]>,
    /// Shares below are not among an item's greatest.
    bars: Vec<[f32; LANES]>,
}

impl Shares {
    fn of(n_items: usize) -> Self {
        let groups = n_items.div_ceil(LANES);
        let mut bars = vec![[0.0; LANES]; groups];
        // Nothing is great where there is no item.
        bars.as_flattened_mut()[n_items..].fill(f32::INFINITY);
        Self { of_event: vec![[0.0; LANES]; groups], sums: vec![[0.0; LANES]; groups], bars }
    }

    /// Takes the next event: what is left of it in each scale, and the products of its vector, scale by scale. Says whether any of its
    /// shares may be among the greatest.
    fn fill(&mut self, left: &[f32], products: &[f32]) -> bool {
        wide(
            #[inline(always)]
            || {
                let (products, groups) = (products.as_chunks::<LANES>().0, self.of_event.len());
                let mut may_be_great = false;
                let of_items = self.of_event.iter_mut().zip(&mut self.sums).zip(&self.bars);
                for (group, ((shares, sums), bars)) in of_items.enumerate() {
                    // As values: of references the compiler does not know that they are apart.
                    let (mut own, mut sum, bars) = ([0.0; LANES], *sums, *bars);
                    for (m, left) in left.iter().enumerate() {
                        let products = products[m * groups + group];
                        own.iter_mut().zip(products).for_each(|(share, product)| *share += left * product);
                    }
                    sum.iter_mut().zip(own).for_each(|(sum, share)| *sum += f64::from(share));
                    let great = own.iter().zip(bars).map(|(share, bar)| share.abs() >= bar);
                    may_be_great |= great.fold(false, |one, other| one | other);
                    (*shares, *sums) = (own, sum);
                }
                may_be_great
            },
        )
    }
}

impl TraceModel {
    /// What [`explain_best`](crate::recommend::Recommender::explain_best) gives, by the past of the question.
    pub(super) fn explanations(
        &self,
        query: &Query<'_>,
        past: &Past,
        items: &[ItemId],
        most: usize,
    ) -> Vec<Explanation> {
        let familiar = self.familiar(past);
        let is_familiar: Vec<bool> = items.iter().map(|item| familiar.binary_search(item).is_ok()).collect();
        let mut found: Vec<GreatestReasons> = items.iter().map(|_| GreatestReasons::new(most)).collect();
        self.find_by_vectors(past, items, &is_familiar, &mut found);
        let places = Places::of(items);
        for r in 0..self.links.len() {
            self.find_by_link(r, past, &places, &is_familiar, &mut found);
        }
        let remainders = self.remainders(query, items, &is_familiar);
        found.into_iter().zip(remainders).map(|(found, remainders)| found.explanation(remainders)).collect()
    }

    fn find_by_vectors(
        &self,
        past: &Past,
        items: &[ItemId],
        is_familiar: &[bool],
        found: &mut [GreatestReasons],
    ) {
        let dim = self.weights.shape.dim;
        // Scale by scale, and within each item by item: the shares of one event in all items are then sums of rows.
        let n = items.len().next_multiple_of(LANES);
        let sights = self.sights(items, n, is_familiar);
        let columns = n * self.basis.len();
        let mut shares = Shares::of(items.len());
        let mut products = vec![0.0; past.of_items().len().min(AT_HAND) * columns];
        let mut of_items = past.of_items();
        // The newest events first: their shares are great, and what comes after must be greater.
        for vectors in past.vectors.chunks((AT_HAND * dim).max(1)) {
            let n_vectors = vectors.len() / dim.max(1);
            let products = &mut products[..n_vectors * columns];
            product(
                table_mut(products, n_vectors, columns),
                table(vectors, n_vectors, dim),
                table(&sights, columns, dim).transpose(),
                Accum::Replace,
            );
            for (products, events) in products.chunks_exact(columns.max(1)).zip(&mut of_items) {
                for number in events.iter().map(|own| own.1 as usize) {
                    if shares.fill(past.left(number), products) {
                        self.offer(past, number, products, &mut shares, found);
                    }
                }
            }
        }
        found.iter_mut().zip(shares.sums.as_flattened()).for_each(|(found, sum)| found.add_sum(*sum));
    }

    /// Offers an event to the items in which its shares may be among the greatest.
    fn offer(
        &self,
        past: &Past,
        number: usize,
        products: &[f32],
        shares: &mut Shares,
        found: &mut [GreatestReasons],
    ) {
        let of_type = self.type_weights(&past.events[number].event);
        let (of_event, bars) = (shares.of_event.as_flattened(), shares.bars.as_flattened_mut());
        for (place, found) in found.iter_mut().enumerate() {
            found.offer(f64::from(of_event[place]), || {
                let of_scales = products.iter().skip(place).step_by(of_event.len());
                let fresh = of_type.iter().zip(of_scales).map(|(of_type, product)| of_type * product);
                past.reason(number, Cow::Borrowed("similar"), fresh, f64::from(of_event[place]))
            });
            bars[place] = (found.bar() as f32).next_down();
        }
    }

    /// `(1 + f_m) W_m e_j`, scale by scale, and within each item by item: an event's share is then a product with its vector.
    /// Of `n` items: those that are too many are zeros.
    fn sights(&self, items: &[ItemId], n: usize, is_familiar: &[bool]) -> Vec<f32> {
        let dim = self.weights.shape.dim;
        let (mixing, familiarity) = (self.weights.group(Group::Mixing), Familiarity::of(&self.weights));
        let mut vectors = Vec::with_capacity(n * dim);
        for (place, &item) in items.iter().enumerate() {
            vectors.extend_from_slice(self.vector(item));
            // One that came after the fit has none.
            vectors.resize((place + 1) * dim, 0.0);
        }
        vectors.resize(n * dim, 0.0);
        let mut sights = vec![0.0; n * mixing.len() / dim.max(1)];
        let of_scales =
            sights.chunks_exact_mut((n * dim).max(1)).zip(mixing.chunks_exact((dim * dim).max(1)));
        for ((sights, mixing), more) in of_scales.zip(familiarity.scales) {
            product(
                table_mut(sights, n, dim),
                table(&vectors, n, dim),
                table(mixing, dim, dim).transpose(),
                Accum::Replace,
            );
            let familiar =
                sights.chunks_exact_mut(dim.max(1)).zip(is_familiar).filter(|(_, is_familiar)| **is_familiar);
            familiar.for_each(|(sight, _)| sight.iter_mut().for_each(|number| *number *= 1.0 + more));
        }
        sights
    }

    fn find_by_link(
        &self,
        r: usize,
        past: &Past,
        places: &Places,
        is_familiar: &[bool],
        found: &mut [GreatestReasons],
    ) {
        let link = &self.links[r];
        let mut parts: Vec<Vec<(usize, f32)>> = vec![Vec::new(); found.len()];
        // A history may hold items that came after the fit.
        let is_known = |number: &usize| past.events[*number].event.item.index() < self.weights.shape.items;
        for number in (0..past.reached(link.reach)).filter(is_known) {
            link.strengths(past.events[number].event.item, |to, strength| {
                if let Some(place) = places.get(to).filter(|&place| !(link.is_mined() && is_familiar[place]))
                {
                    parts[place].push((number, strength));
                }
            });
        }
        let gain = f64::from(self.weights.group(Group::Gains)[r]);
        let mut weights = Vec::new();
        for (parts, found) in parts.into_iter().zip(found) {
            let mut part = |(number, strength): (usize, f32)| {
                (number, f64::from(self.kernel(r, past, number, &mut weights)) * f64::from(strength))
            };
            let of_events: Vec<(usize, f64)> = parts.into_iter().map(&mut part).collect();
            let sum: f64 = of_events.iter().map(|(_, part)| part).sum();
            let factor = gain * if sum.abs() > 1e-12 { sum.asinh() / sum } else { 1.0 };
            for (number, part) in of_events {
                found.add(factor * part, || {
                    self.write_coefficients(r, &past.events[number].event, &mut weights);
                    past.reason(number, link.label(), weights.iter().copied(), factor * part)
                });
            }
        }
    }

    fn remainders(&self, query: &Query<'_>, items: &[ItemId], is_familiar: &[bool]) -> Vec<Vec<Remainder>> {
        let familiarity = Familiarity::of(&self.weights);
        let mut popularity = vec![0.0; items.len()];
        self.add_popularity(query.as_of, items.iter().map(|item| item.0), &mut popularity);
        let more = self.familiar_popularity(query.as_of, items);
        let one = |((&item, &is_familiar), (popularity, more)): ((&ItemId, &bool), (f32, f32))| {
            let [mut popularity, mut offset] = [popularity, self.bias(item)].map(f64::from);
            let mut bonus = None;
            if is_familiar {
                popularity += f64::from(more);
                offset += f64::from(familiarity.bias * self.bias(item));
                bonus = Some(Remainder { name: "familiar", share: f64::from(familiarity.bonus) });
            }
            let own = [
                Remainder { name: "popularity", share: popularity },
                Remainder { name: "item", share: offset },
            ];
            own.into_iter().chain(bonus).collect()
        };
        items.iter().zip(is_familiar).zip(popularity.into_iter().zip(more)).map(one).collect()
    }
}
