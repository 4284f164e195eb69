//! What was paid, and whether that was less than usual *by what was known then*.
//!
//! An event's price is its value, where values are prices, or else the catalogue's. The usual price of an item is the median of what
//! its earlier events paid, strictly earlier ones of all users; a price is a discount where it is at least 5 % below that. With fewer
//! than three earlier prices nothing is usual. The running median keeps two heaps per item (`O(n ln n)` over all).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use crate::events::EventLog;
use crate::interest::Catalogue;

/// Earlier prices at least, for one to be usual.
const FEWEST: usize = 3;
/// Share of the usual price from which on a price is a discount.
const DISCOUNT: f64 = 0.95;

/// Prices by event, in the order of [`EventLog::events`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prices {
    /// The price, above 0; NaN where unknown. Empty where there are none at all.
    prices: Vec<f32>,
    discounts: Vec<bool>,
}

impl Prices {
    /// The prices of a log: of its values where they are prices, else of the catalogue.
    pub fn of(log: &EventLog, catalogue: Option<&Catalogue>, value_is_price: bool) -> Self {
        let events = log.events();
        let listed = catalogue.map_or(&[][..], |catalogue| &catalogue.price);
        let values = events.values().filter(|_| value_is_price);
        if values.is_none() && listed.iter().all(Option::is_none) {
            return Self::default();
        }
        let price = |(place, item): (usize, &crate::events::ItemId)| {
            let price = match values {
                Some(values) => values[place],
                None => listed.get(item.index()).copied().flatten().unwrap_or(f32::NAN),
            };
            if price.is_finite() && price > 0.0 { price } else { f32::NAN }
        };
        let prices: Vec<f32> = events.items().par_iter().enumerate().map(price).collect();
        // A catalogue has one price per item, which is never below itself.
        let discounts = if values.is_some() { discounts(log, &prices) } else { vec![false; prices.len()] };
        Self { prices, discounts }
    }

    /// The price of an event, by its place in the log.
    pub(super) fn price(&self, place: usize) -> Option<f32> {
        self.prices.get(place).copied().filter(|price| !price.is_nan())
    }

    pub(super) fn is_discount(&self, place: usize) -> bool {
        self.discounts.get(place).copied().unwrap_or_default()
    }
}

fn discounts(log: &EventLog, prices: &[f32]) -> Vec<bool> {
    let events = log.events();
    let (items, times) = (events.items(), events.times());
    let mut order: Vec<u32> =
        (0..prices.len() as u32).filter(|&place| !prices[place as usize].is_nan()).collect();
    let moment = |&place: &u32| (items[place as usize], times[place as usize]);
    order.par_sort_unstable_by_key(|place| (moment(place), *place));
    let mut discounts = vec![false; prices.len()];
    for of_item in order.chunk_by(|a, b| moment(a).0 == moment(b).0) {
        let mut earlier = RunningMedian::default();
        for of_moment in of_item.chunk_by(|a, b| moment(a) == moment(b)) {
            if let Some(usual) = earlier.median() {
                for &place in of_moment {
                    discounts[place as usize] = f64::from(prices[place as usize]) <= DISCOUNT * usual;
                }
            }
            of_moment.iter().for_each(|&place| earlier.push(prices[place as usize]));
        }
    }
    discounts
}

/// The median of prices so far: a heap of the lower half and one of the upper half. The bits of positive numbers have their order.
#[derive(Default)]
struct RunningMedian {
    lower: BinaryHeap<u32>,
    upper: BinaryHeap<Reverse<u32>>,
}

impl RunningMedian {
    fn push(&mut self, price: f32) {
        self.lower.push(price.to_bits());
        self.upper.extend(self.lower.pop().map(Reverse));
        if self.upper.len() > self.lower.len() {
            self.lower.extend(self.upper.pop().map(|least| least.0));
        }
    }

    fn median(&self) -> Option<f64> {
        let number = |bits: u32| f64::from(f32::from_bits(bits));
        let (low, high) = (number(*self.lower.peek()?), self.upper.peek().map(|least| number(least.0)));
        match self.lower.len() + self.upper.len() {
            n if n < FEWEST => None,
            n if n % 2 == 0 => high.map(|high| 0.5 * (low + high)),
            _ => Some(low),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_median_is_the_median() {
        let mut running = RunningMedian::default();
        let mut seen: Vec<f32> = Vec::new();
        for price in [3.0, 1.0, 2.0, 9.0, 9.0, 0.5, 4.0, 4.0] {
            running.push(price);
            seen.push(price);
            seen.sort_by(f32::total_cmp);
            let n = seen.len();
            let median = 0.5 * f64::from(seen[(n - 1) / 2] + seen[n / 2]);
            assert_eq!(running.median(), (n >= FEWEST).then_some(median));
        }
    }
}
