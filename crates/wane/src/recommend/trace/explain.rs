//! Why items have their scores: the share of every past event, of some items at once.
//!
//! - By vectors event i puts `sum_m w[a_i, m] decay_m(i) v_i . (1 + f_m) W_m e_j` into the score of item j (`f_m` of familiar
//!   items only): see [`similar`](super::similar).
//! - By relation r it puts `g_r asinh(x_rj) / x_rj` of what it put into the sum `x_rj`: the saturated sum is shared in proportion.

use std::borrow::Cow;

use super::TraceModel;
use super::familiar::Familiarity;
use super::greatest::{Greatest, Share};
use super::past::Past;
use super::similar::Sights;
use crate::events::ItemId;
use crate::recommend::search::dot;
use crate::recommend::{Explanation, OTHER_EVENTS, Query, Reason, Remainder};
use crate::train::Group;
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

impl TraceModel {
    /// What [`explain_best`](crate::recommend::Recommender::explain_best) gives, by the past of the question.
    pub(super) fn explanations(
        &self,
        query: &Query<'_>,
        past: &Past,
        items: &[ItemId],
        most: usize,
    ) -> Vec<Explanation> {
        let places = Places::of(items);
        let mut is_familiar = vec![false; items.len()];
        let familiar = self.familiar(past).filter_map(|(item, _)| places.get(item));
        familiar.for_each(|place| is_familiar[place] = true);
        let sights = self.sights(items, &is_familiar);
        let mut found = vec![Greatest::new(most); items.len()];
        let mut sums = sights.sums(&past.state);
        for r in 0..self.links.len() {
            self.find_by_link(r, past, &places, &is_familiar, (&mut found, &mut sums));
        }
        sights.find(past, &mut found);
        let remainders = self.remainders(query, items, &is_familiar);
        let mut explanations = Vec::with_capacity(items.len());
        for (place, (found, mut remainders)) in found.into_iter().zip(remainders).enumerate() {
            let (shares, is_cut) = found.finish();
            let of_others: f64 = remainders.iter().map(|remainder| remainder.share).sum();
            let listed: f64 = shares.iter().map(|share| share.value).sum();
            // Where all are listed they sum to the score, to the last place.
            let sum = if is_cut { sums[place] } else { listed };
            if is_cut {
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
                wide(
                    #[inline(always)]
                    || {
                        let seen = sights.of_item(place).map(
                            #[inline(always)]
                            |sight| dot(vector, sight),
                        );
                        let weights = of_type.iter().zip(seen).map(|(of_type, seen)| of_type * seen);
                        past.reason(share, Cow::Borrowed("similar"), weights)
                    },
                )
            }
        }
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
