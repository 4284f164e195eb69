//! Decayed popularity as a training feature: `log(1 + sum of exp(-rate age))` of each item at several half-lives.
//!
//! Counts are taken at the start of time bins that hold equally many events, so that a prediction inside a bin sees
//! strictly earlier events only, and the resolution follows the activity of the log.
//!
//! A logarithm is kept as a byte, rounded to a [`STEP`]th: four half-lives of an item are then one word. An item's words
//! lie side by side, since training asks for a few items in nearly all bins; the last bin, in which a model is asked
//! about all items, is kept a second time as a row of its own.

use std::sync::Arc;

use rayon::prelude::*;

use super::kernels::{add_bytes, dot_bytes, exp_all, ln_1p_all};
use crate::events::{ItemId, Timestamp};

/// Entries of the table at most, a bound on memory (4 bytes each).
const SIZE: usize = 64_000_000;
/// Bins at most.
const BINS: usize = 128;
/// Half-lives at most.
const WIDTH: usize = 4;
/// Items scored at once.
const BLOCK: usize = 256;
/// Bins that are read at once: as many words as a line of the cache holds.
pub(super) const LINE: usize = 16;
/// Parts of 1 that a logarithm is rounded to; a count of 344,000 is the highest that a byte holds.
const STEP: f32 = 20.0;

/// The counts; see the module's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct PopularityTable {
    rates: Vec<f32>,
    /// Start of each bin, ascending.
    starts: Vec<Timestamp>,
    /// By item, then bin; one byte per half-life, the first lowest. Shared by all copies.
    values: Arc<Vec<u32>>,
    /// By item, in the last bin.
    latest: Vec<u32>,
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
        let (offsets, times) = by_item(events, n_items);
        let mut values = vec![0; starts.len() * n_items];
        let rows = values.par_chunks_exact_mut(starts.len().max(1)).zip(offsets.par_windows(2));
        rows.for_each(|(row, range)| write_row(&times[range[0]..range[1]], &starts, &rates, row));
        let latest = values.chunks_exact(starts.len().max(1)).filter_map(|row| row.last().copied()).collect();
        Self { rates, starts, values: Arc::new(values), latest }
    }

    /// The bin of a moment: its counts are all from before it.
    pub fn bin(&self, as_of: Timestamp) -> usize {
        self.starts.partition_point(|&start| start <= as_of).saturating_sub(1)
    }

    /// The rates, per day, at which counts decay (0: never).
    pub fn rates(&self) -> &[f32] {
        &self.rates
    }

    /// The half-lives, in days, of the counts (infinite: all time).
    pub fn half_lives(&self) -> Vec<f32> {
        self.rates.iter().map(|rate| std::f32::consts::LN_2 / rate).collect()
    }

    /// Adds to each score the weighted counts of its item in a bin.
    pub fn add(&self, bin: usize, weights: &[f32], mut items: impl Iterator<Item = u32>, scores: &mut [f32]) {
        let bins = self.starts.len();
        let is_last = bin + 1 == bins;
        let word = |item: u32| {
            let item = item as usize;
            let word = if is_last { self.latest.get(item) } else { self.values.get(item * bins + bin) };
            word.copied().unwrap_or_default()
        };
        let mut words = Words::default();
        for scores in scores.chunks_mut(BLOCK) {
            words.0.clear();
            words.0.extend(items.by_ref().take(scores.len()).map(word));
            words.mix(weights, scores);
        }
    }

    /// Fetches the counts of some items in some bins.
    pub(super) fn read(&self, bins: &[u32], items: &[u32], words: &mut [Words]) {
        words.iter_mut().for_each(|words| words.0.resize(items.len(), 0));
        for (place, &item) in items.iter().enumerate() {
            let row = &self.values[item as usize * self.starts.len()..][..self.starts.len()];
            for (words, &bin) in words.iter_mut().zip(bins) {
                words.0[place] = row[bin as usize];
            }
        }
    }
}

/// Counts of some items in one bin.
#[derive(Debug, Clone, Default)]
pub(super) struct Words(Vec<u32>);

impl Words {
    /// Takes away what was counted of some items.
    pub(super) fn silence(&mut self, places: &[u32]) {
        places.iter().for_each(|&place| self.0[place as usize] = 0);
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

/// The times of each item's events, oldest first, in sparse rows.
fn by_item(events: &[(Timestamp, ItemId)], n_items: usize) -> (Vec<usize>, Vec<Timestamp>) {
    let mut offsets = vec![0; n_items + 1];
    events.iter().for_each(|(_, item)| offsets[item.index() + 1] += 1);
    (0..n_items).for_each(|item| offsets[item + 1] += offsets[item]);
    let mut next = offsets.clone();
    let mut times = vec![Timestamp::from_millis(0); events.len()];
    for &(time, item) in events {
        times[next[item.index()]] = time;
        next[item.index()] += 1;
    }
    (offsets, times)
}

/// Writes the logarithms of one item's decayed counts at the start of each bin.
fn write_row(times: &[Timestamp], starts: &[Timestamp], rates: &[f32], row: &mut [u32]) {
    let Some(&first) = times.first() else { return };
    let (mut counts, mut kept) = (vec![0.0; starts.len()], vec![0.0; starts.len()]);
    for (place, &rate) in rates.iter().enumerate() {
        let (mut count, mut last, mut next) = (0.0f32, first, times.iter().peekable());
        for ((&start, at_start), kept) in starts.iter().zip(&mut counts).zip(&mut kept) {
            while let Some(&time) = next.next_if(|time| **time < start) {
                count = count * (-rate * time.days_since(last) as f32).exp() + 1.0;
                last = time;
            }
            *at_start = count;
            *kept = -rate * start.days_since(last) as f32;
        }
        exp_all(&mut kept);
        kept.iter_mut().zip(&counts).for_each(|(kept, count)| *kept *= count);
        ln_1p_all(&mut kept);
        for (word, logarithm) in row.iter_mut().zip(&kept) {
            *word |= ((logarithm * STEP).round().min(255.0) as u32) << (8 * place);
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
