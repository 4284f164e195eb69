//! Why items have their scores: the share of every past event, of some items at once.
//!
//! - By vectors event i puts `sum_m w[a_i, m] decay_m(i) v_i . (1 + f_m) W_m e_j` into the score of item j (`f_m` of familiar
//!   items only). The products of all events' vectors with all `W_m e_j` are one product of two tables, which is why items are
//!   explained together: one by one they would take several times as long.
//! - By relation r it puts `g_r asinh(x_rj) / x_rj` of what it put into the sum `x_rj`: the saturated sum is shared in proportion.

use std::borrow::Cow;
use std::ops::Range;

use faer::Accum;

use super::TraceModel;
use super::familiar::Familiarity;
use crate::events::{Event, ItemId};
use crate::recommend::search::dot;
use crate::recommend::{Explanation, GreatestReasons, Query, Reason, Remainder};
use crate::train::{Group, add_scaled, exp_all, product, recent, table, table_mut};

/// A history as explanations read it, newest event first.
struct Past {
    events: Vec<PastEvent>,
    /// What is left of each event in each scale, event by event.
    decays: Vec<f32>,
    scales: usize,
    /// Places pushed up to each event, oldest first.
    steps: Vec<u32>,
}

struct PastEvent {
    /// Its place in the history.
    place: usize,
    age_days: f64,
    event: Event,
}

impl Past {
    fn of(model: &TraceModel, query: &Query<'_>) -> Self {
        let steps = model.goal.steps(query.history);
        let (mut events, mut decays) = (Vec::with_capacity(steps.len()), Vec::new());
        for (place, newer, event) in model.newest_first(query) {
            let age_days = query.as_of.days_since(event.time);
            let rates = model.basis.rates.iter().zip(&model.basis.displacements);
            decays.extend(rates.map(|(rate, push)| -(rate * age_days as f32 + push * newer as f32)));
            events.push(PastEvent { place, age_days, event });
        }
        exp_all(&mut decays);
        Self { events, decays, scales: model.basis.len(), steps }
    }

    fn decays(&self, number: usize) -> &[f32] {
        self.decays.get(number * self.scales..(number + 1) * self.scales).unwrap_or_default()
    }

    /// The event as a reason, of which the weights of the scales are known.
    fn reason(&self, number: usize, relation: Cow<'static, str>, weights: &[f32], share: f64) -> Reason {
        let PastEvent { place, age_days, .. } = self.events[number];
        let fresh: f32 = weights.iter().map(|weight| weight.abs()).sum();
        let left = dot_of_sizes(weights, self.decays(number));
        let decay = if fresh > 0.0 { f64::from(left / fresh) } else { 1.0 };
        Reason { event: place, relation, age_days, decay, share }
    }
}

fn dot_of_sizes(weights: &[f32], decays: &[f32]) -> f32 {
    weights.iter().zip(decays).map(|(weight, decay)| weight.abs() * decay).sum()
}

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

impl TraceModel {
    /// What [`explain_best`](crate::recommend::Recommender::explain_best) gives.
    pub(super) fn explanations(&self, query: &Query<'_>, items: &[ItemId], most: usize) -> Vec<Explanation> {
        let past = Past::of(self, query);
        let familiar = self.familiar(query);
        let is_familiar: Vec<bool> = items.iter().map(|item| familiar.binary_search(item).is_ok()).collect();
        let mut found: Vec<GreatestReasons> = items.iter().map(|_| GreatestReasons::new(most)).collect();
        self.find_by_vectors(&past, items, &is_familiar, &mut found);
        let places = Places::of(items);
        for r in 0..self.links.len() {
            self.find_by_link(r, &past, &places, &is_familiar, &mut found);
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
        let (dim, scales) = (self.weights.shape.dim, past.scales);
        // Items of the events, once each, and which events are theirs.
        let mut order: Vec<usize> = (0..past.events.len()).collect();
        let item_of = |number: usize| past.events[number].event.item;
        order.retain(|&number| !self.vector(item_of(number)).is_empty());
        order.sort_by_key(|&number| item_of(number));
        let of_items: Vec<&[usize]> = order.chunk_by(|&a, &b| item_of(a) == item_of(b)).collect();
        let mut vectors = Vec::with_capacity(of_items.len() * dim);
        of_items.iter().for_each(|events| vectors.extend_from_slice(self.vector(item_of(events[0]))));
        // Scale by scale, and within each item by item: the shares of one event in all items are then sums of rows.
        let (n, columns) = (items.len(), items.len() * scales);
        let mut products = vec![0.0; of_items.len() * columns];
        product(
            table_mut(&mut products, of_items.len(), columns),
            table(&vectors, of_items.len(), dim),
            table(&self.sights(items, is_familiar), columns, dim).transpose(),
            Accum::Replace,
        );
        let mut shares = vec![0.0; n];
        for (events, products) in of_items.into_iter().zip(products.chunks_exact(columns.max(1))) {
            for &number in events {
                let of_type = self.type_weights(&past.events[number].event);
                shares.fill(0.0);
                let left = of_type.iter().zip(past.decays(number)).zip(products.chunks_exact(n));
                for ((of_type, decay), of_scale) in left {
                    add_scaled(&mut shares, of_type * decay, of_scale);
                }
                for (place, (found, &share)) in found.iter_mut().zip(&shares).enumerate() {
                    let share = f64::from(share);
                    found.add(share, || {
                        let of_scales = products.iter().skip(place).step_by(n);
                        let fresh: Vec<f32> = of_type
                            .iter()
                            .zip(of_scales)
                            .map(|(of_type, product)| of_type * product)
                            .collect();
                        past.reason(number, Cow::Borrowed("similar"), &fresh, share)
                    });
                }
            }
        }
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
        let reached: Range<usize> = 0..recent(&past.steps, link.reach).min(past.events.len());
        let mut parts: Vec<Vec<(usize, f32)>> = vec![Vec::new(); found.len()];
        // A history may hold items that came after the fit.
        for number in
            reached.filter(|&number| past.events[number].event.item.index() < self.weights.shape.items)
        {
            link.strengths(past.events[number].event.item, |to, strength| {
                if let Some(place) = places.get(to).filter(|&place| !(link.is_mined() && is_familiar[place]))
                {
                    parts[place].push((number, strength));
                }
            });
        }
        let gain = f64::from(self.weights.group(Group::Gains)[r]);
        for (parts, found) in parts.into_iter().zip(found) {
            let of_events: Vec<_> = parts
                .into_iter()
                .map(|(number, strength)| {
                    let weights = self.coefficients(r, &past.events[number].event);
                    let part = f64::from(dot(&weights, past.decays(number))) * f64::from(strength);
                    (number, weights, part)
                })
                .collect();
            let sum: f64 = of_events.iter().map(|(_, _, part)| part).sum();
            let factor = gain * if sum.abs() > 1e-12 { sum.asinh() / sum } else { 1.0 };
            for (number, weights, part) in of_events {
                let name = || Cow::Owned(link.name.clone());
                found.add(factor * part, || past.reason(number, name(), &weights, factor * part));
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
