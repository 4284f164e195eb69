//! Decayed popularity as a training feature: `log(1 + sum of exp(-rate age))` of each item at several half-lives.
//!
//! Counts are taken at the start of time bins that hold equally many events, so that a prediction inside a bin sees
//! strictly earlier events only, and the resolution follows the activity of the log.
//!
//! A logarithm is kept as a byte, rounded to a [`STEP`]th: four half-lives of an item are then one word, which is
//! fetched at once; what is done with its bytes then runs over contiguous numbers.

use super::kernels::{add_bytes, dot_bytes, exp_all};
use crate::events::{ItemId, Timestamp};

/// Entries of the table at most, a bound on memory (4 bytes each).
const SIZE: usize = 64_000_000;
/// Bins at most.
const BINS: usize = 128;
/// Half-lives at most.
const WIDTH: usize = 4;
/// Items scored at once.
const BLOCK: usize = 256;
/// Parts of 1 that a logarithm is rounded to; a count of 344,000 is the highest that a byte holds.
const STEP: f32 = 20.0;

/// The counts; see the module's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct PopularityTable {
    rates: Vec<f32>,
    n_items: usize,
    /// Start of each bin, ascending.
    starts: Vec<Timestamp>,
    /// By bin, then item; one byte per half-life, the first lowest.
    values: Vec<u32>,
}

impl PopularityTable {
    /// Half-lives at most.
    pub const MOST: usize = WIDTH;

    /// Counts events, oldest first, at these half-lives in days (infinite: all time), [`Self::MOST`] at most.
    pub fn new(events: &[(Timestamp, ItemId)], n_items: usize, half_lives: &[f32]) -> Self {
        let rates: Vec<f32> =
            half_lives.iter().take(WIDTH).map(|half_life| std::f32::consts::LN_2 / half_life).collect();
        let bins = (SIZE / n_items.max(1)).clamp(2, BINS).min(events.len().max(1));
        let mut starts: Vec<Timestamp> =
            (0..bins).filter_map(|bin| events.get(bin * events.len() / bins)).map(|event| event.0).collect();
        starts.dedup();
        // One more bin after the last event: a question from now on.
        starts.extend(events.last().map(|last| Timestamp::from_millis(last.0.millis().saturating_add(1))));
        let mut counter = Counter::new(&rates, n_items);
        let mut values = vec![0; starts.len() * n_items];
        let mut next = 0;
        for (&start, values) in starts.iter().zip(values.chunks_exact_mut(n_items.max(1))) {
            let end = next + events[next..].partition_point(|event| event.0 < start);
            events[next..end].iter().for_each(|&(time, item)| counter.count(time, item));
            counter.write(start, values);
            next = end;
        }
        Self { rates, n_items, starts, values }
    }

    /// The bin of a moment: its counts are all from before it.
    pub fn bin(&self, as_of: Timestamp) -> usize {
        self.starts.partition_point(|&start| start <= as_of).saturating_sub(1)
    }

    /// The rates, per day, at which counts decay (0: never).
    pub fn rates(&self) -> &[f32] {
        &self.rates
    }

    /// Adds to each score the weighted counts of its item in a bin.
    pub fn add(&self, bin: usize, weights: &[f32], mut items: impl Iterator<Item = u32>, scores: &mut [f32]) {
        let row = self.row(bin);
        let mut words = Words::default();
        for scores in scores.chunks_mut(BLOCK) {
            words.read(row, items.by_ref().take(scores.len()));
            words.mix(weights, scores);
        }
    }

    /// Fetches the counts of some items in a bin.
    pub(super) fn read(&self, bin: usize, items: &[u32], words: &mut Words) {
        words.read(self.row(bin), items.iter().copied());
    }

    fn row(&self, bin: usize) -> &[u32] {
        self.values.get(bin * self.n_items..(bin + 1) * self.n_items).unwrap_or_default()
    }
}

/// Counts of some items in one bin.
#[derive(Debug, Clone, Default)]
pub(super) struct Words(Vec<u32>);

impl Words {
    fn read(&mut self, row: &[u32], items: impl Iterator<Item = u32>) {
        self.0.clear();
        self.0.extend(items.map(|item| row.get(item as usize).copied().unwrap_or_default()));
    }

    /// Adds to each score the weighted counts of its item.
    pub(super) fn mix(&self, weights: &[f32], scores: &mut [f32]) {
        for (h, weight) in weights.iter().enumerate() {
            add_bytes(scores, weight / STEP, &self.0, 8 * h as u32);
        }
    }

    /// The weights' gradients from those of the scores: what [`Self::mix`] does, backward.
    pub(super) fn along(&self, adjoints: &[f32], gradients: &mut [f32]) {
        for (h, gradient) in gradients.iter_mut().enumerate() {
            *gradient += dot_bytes(adjoints, &self.0, 8 * h as u32) / STEP;
        }
    }
}

/// Decayed counts of all items, each as of the item's own last event.
struct Counter<'a> {
    rates: &'a [f32],
    /// By half-life, then item.
    counts: Vec<f32>,
    last: Vec<Option<Timestamp>>,
}

impl<'a> Counter<'a> {
    fn new(rates: &'a [f32], n_items: usize) -> Self {
        Self { rates, counts: vec![0.0; n_items * rates.len()], last: vec![None; n_items] }
    }

    fn count(&mut self, time: Timestamp, item: ItemId) {
        let n_items = self.last.len();
        let gap = self.last[item.index()].map_or(0.0, |last| time.days_since(last)) as f32;
        for (place, rate) in self.rates.iter().enumerate() {
            let count = &mut self.counts[place * n_items + item.index()];
            *count = *count * (-rate * gap).exp() + 1.0;
        }
        self.last[item.index()] = Some(time);
    }

    /// Writes the logarithms of the counts as they have aged by a moment.
    fn write(&self, at: Timestamp, values: &mut [u32]) {
        let gaps: Vec<f32> =
            self.last.iter().map(|last| last.map_or(0.0, |last| at.days_since(last)) as f32).collect();
        for (place, (counts, rate)) in self.counts.chunks_exact(gaps.len().max(1)).zip(self.rates).enumerate()
        {
            let mut kept: Vec<f32> = gaps.iter().map(|gap| -rate * gap).collect();
            exp_all(&mut kept);
            for (value, (count, kept)) in values.iter_mut().zip(counts.iter().zip(kept)) {
                *value |= (((count * kept).ln_1p() * STEP).round().min(255.0) as u32) << (8 * place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_strictly_earlier_events() {
        let day = |days: i64| Timestamp::from_millis(days * 86_400_000);
        let events: Vec<(Timestamp, ItemId)> = [(0, 0), (1, 1), (4, 0), (9, 2), (9, 0), (16, 1)]
            .map(|(at, item)| (day(at), ItemId(item)))
            .to_vec();
        let half_lives = [2.0, f32::INFINITY];
        let table = PopularityTable::new(&events, 3, &half_lives);
        let weights = [0.7, -0.3];
        for at in [0, 1, 4, 9, 16, 17] {
            let mut scores = [0.0; 3];
            table.add(table.bin(day(at)), &weights, 0..3, &mut scores);
            // A question after the last event finds the counts as they stood just after it.
            let counted = if at > 16 { day(16).millis() + 1 } else { day(at).millis() };
            for (item, score) in scores.iter().enumerate() {
                let logarithm = |half_life: f32| {
                    let ages =
                        events.iter().filter(|event| event.0.millis() < counted && event.1.index() == item);
                    let ages = ages.map(|event| (counted - event.0.millis()) as f32 / 86_400_000.0);
                    ages.map(|age| (-age * std::f32::consts::LN_2 / half_life).exp()).sum::<f32>().ln_1p()
                };
                let expected: f32 = half_lives
                    .iter()
                    .zip(weights)
                    .map(|(half_life, weight)| weight * logarithm(*half_life))
                    .sum();
                assert!(
                    (score - expected).abs() <= 0.5 / STEP,
                    "day {at}, item {item}: {score} is not {expected}"
                );
            }
        }
    }
}
