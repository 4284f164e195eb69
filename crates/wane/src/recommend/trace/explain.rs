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
use super::greatest::{Greatest, Share};
use super::past::Past;
use crate::events::ItemId;
use crate::recommend::{Explanation, OTHER_EVENTS, Query, Reason, Remainder};
use crate::train::{Group, dot, product, table, table_mut};
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

/// `(1 + f_m) W_m e_j` of the items that are explained: an event's share is a product with its vector.
struct Sights {
    /// By scale, then item, filled up with zeros to whole groups.
    values: Vec<f32>,
    /// Items with those.
    n: usize,
    dim: usize,
}

impl Sights {
    fn of_scale(&self, scale: usize) -> &[f32] {
        &self.values[scale * self.n * self.dim..][..self.n * self.dim]
    }

    /// Those of an item, scale by scale.
    fn of_item(&self, place: usize) -> impl Iterator<Item = &[f32]> {
        let of_scales = self.values.chunks_exact((self.n * self.dim).max(1));
        of_scales.map(move |of_items| &of_items[place * self.dim..][..self.dim])
    }
}

/// The products of some items' vectors with the sights of those that are explained.
struct Products {
    /// The scales in which anything is left of the items' events. In the others nothing is multiplied.
    scales: Vec<usize>,
    /// By scale, then item of the past, then item that is explained.
    values: Vec<f32>,
    n_vectors: usize,
}

/// The shares of an event in some items. Most of a long history's are too small to be reasons, which one look at all of them says.
struct Shares {
    of_event: Vec<[f32; LANES]>,
    /// Shares below are not among an item's greatest.
    bars: Vec<[f32; LANES]>,
    /// The greatest of the shares below.
    below: Vec<[f32; LANES]>,
}

impl Shares {
    fn of(found: &[Greatest]) -> Self {
        let groups = found.len().div_ceil(LANES);
        // Nothing is great where there is no item.
        let mut bars = vec![[f32::INFINITY; LANES]; groups];
        bars.as_flattened_mut().iter_mut().zip(found).for_each(|(bar, found)| *bar = bar_of(found));
        Self { of_event: vec![[0.0; LANES]; groups], bars, below: vec![[0.0; LANES]; groups] }
    }

    /// Takes the next event: what is left of it in each scale, and the place of its vector among the products. Says whether any of its
    /// shares may be among the greatest.
    fn fill(&mut self, left: &[f32], products: &Products, place: usize) -> bool {
        wide(
            #[inline(always)]
            || {
                let (values, groups) = (products.values.as_chunks::<LANES>().0, self.of_event.len());
                let mut may_be_great = false;
                let of_items = self.of_event.iter_mut().zip(&mut self.below).zip(&self.bars);
                for (group, ((shares, below), bars)) in of_items.enumerate() {
                    // As values: of references the compiler does not know that they are apart.
                    let (mut own, mut lesser, bars) = ([0.0; LANES], *below, *bars);
                    for (number, &scale) in products.scales.iter().enumerate() {
                        let values = values[(number * products.n_vectors + place) * groups + group];
                        let left = left[scale];
                        own.iter_mut().zip(values).for_each(|(share, value)| *share += left * value);
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
        for ((&share, bar), found) in of_items.zip(found) {
            if share.abs() >= *bar {
                found.offer(Share { number, link: None, value: f64::from(share) });
                *bar = bar_of(found);
            }
        }
    }
}

/// Rounded downwards.
fn bar_of(found: &Greatest) -> f32 {
    (found.bar() as f32).next_down()
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
        let mut familiar: Vec<ItemId> = self.familiar(past).map(|(item, _)| item).collect();
        familiar.sort_unstable();
        let is_familiar: Vec<bool> = items.iter().map(|item| familiar.binary_search(item).is_ok()).collect();
        let sights = self.sights(items, &is_familiar);
        let mut found = vec![Greatest::new(most); items.len()];
        let mut sums = self.sums_by_vectors(past, &sights);
        let places = Places::of(items);
        for r in 0..self.links.len() {
            self.find_by_link(r, past, &places, &is_familiar, (&mut found, &mut sums));
        }
        self.find_by_vectors(past, &sights, &mut found);
        let remainders = self.remainders(query, items, &is_familiar);
        let mut explanations = Vec::with_capacity(items.len());
        for (place, (found, mut remainders)) in found.into_iter().zip(remainders).enumerate() {
            let ((shares, is_cut), sum) = (found.finish(), sums[place]);
            let of_others: f64 = remainders.iter().map(|remainder| remainder.share).sum();
            if is_cut {
                let listed: f64 = shares.iter().map(|share| share.value).sum();
                remainders.push(Remainder { name: OTHER_EVENTS, share: sum - listed });
            }
            let reasons = shares.iter().map(|share| self.reason(past, &sights, place, share)).collect();
            explanations.push(Explanation { score: (sum + of_others) as f32, reasons, remainders });
        }
        explanations
    }

    /// A share of an item's score in words.
    fn reason(&self, past: &Past, sights: &Sights, place: usize, share: &Share) -> Reason {
        let event = &past.events[share.number].event;
        match share.link {
            Some(r) => {
                let [common, own] = self.coefficients(r, event);
                let own = own.iter().copied().chain(std::iter::repeat(0.0));
                let weights = common.iter().zip(own).map(|(common, own)| common + own);
                past.reason(share, self.links[r].label(), weights)
            }
            None => {
                let (of_type, vector) = (self.type_weights(event), self.vector(event.item));
                let seen = sights.of_item(place).map(|sight| dot(vector, sight));
                let weights = of_type.iter().zip(seen).map(|(of_type, seen)| of_type * seen);
                past.reason(share, Cow::Borrowed("similar"), weights)
            }
        }
    }

    fn find_by_vectors(&self, past: &Past, sights: &Sights, found: &mut [Greatest]) {
        let (dim, n) = (self.weights.shape.dim, sights.n);
        let mut shares = Shares::of(found);
        let mut of_items = past.of_items().peekable();
        // The newest events first: their shares are great, and what comes after must be greater.
        for vectors in past.vectors.chunks((AT_HAND * dim).max(1)) {
            let newest = of_items.peek().map_or(0, |events| events[0].1);
            let n_vectors = vectors.len() / dim.max(1);
            let scales: Vec<usize> = past.scales_left(newest as usize).collect();
            let mut values = vec![0.0; scales.len() * n_vectors * n];
            for (values, &scale) in values.chunks_exact_mut((n_vectors * n).max(1)).zip(&scales) {
                product(
                    table_mut(values, n_vectors, n),
                    table(vectors, n_vectors, dim),
                    table(sights.of_scale(scale), n, dim).transpose(),
                    Accum::Replace,
                );
            }
            let products = Products { scales, values, n_vectors };
            for (place, events) in of_items.by_ref().take(n_vectors).enumerate() {
                for number in events.iter().map(|own| own.1 as usize) {
                    if shares.fill(past.left(number), &products, place) {
                        shares.offer(number, found);
                    }
                }
            }
        }
        let below = shares.below.as_flattened().iter().zip(found);
        below.filter(|(below, _)| **below > 0.0).for_each(|(_, found)| found.pass_over());
    }

    /// What the vectors say of all events together: `S_m . (1 + f_m) W_m e_j`, summed over the scales.
    fn sums_by_vectors(&self, past: &Past, sights: &Sights) -> Vec<f64> {
        let states = || past.state.chunks_exact(sights.dim.max(1));
        let sum = |place| -> f64 {
            states().zip(sights.of_item(place)).map(|(state, sight)| f64::from(dot(state, sight))).sum()
        };
        (0..sights.n).map(sum).collect()
    }

    fn sights(&self, items: &[ItemId], is_familiar: &[bool]) -> Sights {
        let (dim, n) = (self.weights.shape.dim, items.len().next_multiple_of(LANES));
        let (mixing, familiarity) = (self.weights.group(Group::Mixing), Familiarity::of(&self.weights));
        let mut vectors = Vec::with_capacity(n * dim);
        for (place, &item) in items.iter().enumerate() {
            vectors.extend_from_slice(self.vector(item));
            // One that came after the fit has none.
            vectors.resize((place + 1) * dim, 0.0);
        }
        vectors.resize(n * dim, 0.0);
        let mut values = vec![0.0; n * mixing.len() / dim.max(1)];
        let of_scales =
            values.chunks_exact_mut((n * dim).max(1)).zip(mixing.chunks_exact((dim * dim).max(1)));
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
        Sights { values, n, dim }
    }

    fn find_by_link(
        &self,
        r: usize,
        past: &Past,
        places: &Places,
        is_familiar: &[bool],
        (found, sums): (&mut [Greatest], &mut [f64]),
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
        for (parts, (found, sum)) in parts.into_iter().zip(found.iter_mut().zip(sums)) {
            let part = |(number, strength): (usize, f32)| {
                (number, f64::from(self.kernel(r, past, number)) * f64::from(strength))
            };
            let of_events: Vec<(usize, f64)> = parts.into_iter().map(part).collect();
            let said: f64 = of_events.iter().map(|(_, part)| part).sum();
            let factor = gain * if said.abs() > 1e-12 { said.asinh() / said } else { 1.0 };
            for (number, part) in of_events {
                let share = Share { number, link: Some(r), value: factor * part };
                *sum += share.value;
                found.offer(share);
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
