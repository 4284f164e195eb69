//! Why items have their scores: the share of every past event, of some items at once.
//!
//! - By vectors event i puts `sum_m w[a_i, m] decay_m(i) v_i . (1 + f_m) W_m e_j` into the score of item j (`f_m` of familiar
//!   items only). The products of all events' vectors with all `W_m e_j` are one product of two tables, which is why items are
//!   explained together: one by one they would take several times as long.
//! - By relation r it puts `g_r asinh(x_rj) / x_rj` of what it put into the sum `x_rj`: the saturated sum is shared in proportion.

use std::borrow::Cow;

use faer::Accum;
use pulp::Arch;

use super::TraceModel;
use super::familiar::Familiarity;
use super::past::Past;
use crate::events::ItemId;
use crate::recommend::{Explanation, GreatestReasons, Query, Remainder};
use crate::train::{Group, product, table, table_mut};

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

/// The shares of an event in some items. Most of a long history's are too small to be reasons, which one look at all of them says.
struct Shares {
    of_event: Vec<f32>,
    /// Of all events.
    sums: Vec<f64>,
    /// Shares below are not among an item's greatest.
    bars: Vec<f32>,
}

impl Shares {
    fn of(n_items: usize) -> Self {
        Self { of_event: vec![0.0; n_items], sums: vec![0.0; n_items], bars: vec![0.0; n_items] }
    }

    /// Takes the next event: the weight of its type and what is left of it in each scale, and the products of its vector. Says whether
    /// any of its shares may be among the greatest.
    fn fill<'a>(&mut self, scales: impl Iterator<Item = (&'a f32, &'a f32)>, products: &[f32]) -> bool {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                self.of_event.fill(0.0);
                for ((of_type, decay), products) in scales.zip(products.chunks_exact(self.bars.len().max(1)))
                {
                    let left = of_type * decay;
                    let shares = self.of_event.iter_mut().zip(products);
                    shares.for_each(|(share, product)| *share += left * product);
                }
                let mut may_be_great = false;
                for ((share, sum), bar) in self.of_event.iter().zip(&mut self.sums).zip(&self.bars) {
                    *sum += f64::from(*share);
                    may_be_great |= share.abs() >= *bar;
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
        let (dim, scales) = (self.weights.shape.dim, self.basis.len());
        let n_past = past.vectors.len() / dim.max(1);
        // Scale by scale, and within each item by item: the shares of one event in all items are then sums of rows.
        let (n, columns) = (items.len(), items.len() * scales);
        let mut products = vec![0.0; n_past * columns];
        product(
            table_mut(&mut products, n_past, columns),
            table(&past.vectors, n_past, dim),
            table(&self.sights(items, is_familiar), columns, dim).transpose(),
            Accum::Replace,
        );
        let mut shares = Shares::of(n);
        // Items of the newest events first: their shares are great, and what comes after must be greater.
        let mut of_items: Vec<_> = past.of_items().zip(products.chunks_exact(columns.max(1))).collect();
        of_items.sort_by_key(|((_, events), _)| events[0].1);
        for ((_, events), products) in of_items {
            for number in events.iter().map(|own| own.1 as usize) {
                let of_type = self.type_weights(&past.events[number].event);
                if !shares.fill(of_type.iter().zip(past.decays(number)), products) {
                    continue;
                }
                for (place, found) in found.iter_mut().enumerate() {
                    let share = f64::from(shares.of_event[place]);
                    found.offer(share, || {
                        let of_scales = products.iter().skip(place).step_by(n);
                        let fresh: Vec<f32> = of_type
                            .iter()
                            .zip(of_scales)
                            .map(|(of_type, product)| of_type * product)
                            .collect();
                        past.reason(number, Cow::Borrowed("similar"), &fresh, share)
                    });
                    shares.bars[place] = (found.bar() as f32).next_down();
                }
            }
        }
        found.iter_mut().zip(shares.sums).for_each(|(found, sum)| found.add_sum(sum));
    }

    /// `(1 + f_m) W_m e_j`, scale by scale, and within each item by item: an event's share is then a product with its vector.
    fn sights(&self, items: &[ItemId], is_familiar: &[bool]) -> Vec<f32> {
        let dim = self.weights.shape.dim;
        let (mixing, familiarity) = (self.weights.group(Group::Mixing), Familiarity::of(&self.weights));
        let mut vectors = Vec::with_capacity(items.len() * dim);
        for (place, &item) in items.iter().enumerate() {
            vectors.extend_from_slice(self.vector(item));
            // One that came after the fit has none.
            vectors.resize((place + 1) * dim, 0.0);
        }
        let mut sights = vec![0.0; items.len() * mixing.len() / dim.max(1)];
        let of_scales =
            sights.chunks_exact_mut((items.len() * dim).max(1)).zip(mixing.chunks_exact((dim * dim).max(1)));
        for ((sights, mixing), more) in of_scales.zip(familiarity.scales) {
            product(
                table_mut(sights, items.len(), dim),
                table(&vectors, items.len(), dim),
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
                    past.reason(number, link.label(), &weights, factor * part)
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
