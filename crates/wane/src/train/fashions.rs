//! Popularity of a batch's candidates in the time bins of its examples, mixed once per step instead of once per example.

use rayon::prelude::*;

use super::batch::{ABSENT, Members, Visit};
use super::corpus::{Corpus, Example};
use super::popularity::{LINE, Words};

/// Mixed popularity, one row of candidates for each bin that the batch needs.
#[derive(Debug, Default)]
pub(super) struct Fashions {
    /// Mixed rows, one after another.
    rows: Vec<f32>,
    /// What they were mixed from.
    words: Vec<Words>,
    width: usize,
    bins: Vec<u32>,
    /// Row of each bin of the corpus.
    places: Vec<u32>,
}

impl Fashions {
    /// Mixes the counts of a batch with these weights. Of the candidates that are `new` nothing is counted.
    pub(super) fn mix(
        &mut self,
        corpus: &Corpus<'_>,
        visits: &[Visit],
        members: &Members,
        new: &[u32],
        weights: &[f32],
    ) {
        self.bins.clear();
        let examples = visits.iter().flat_map(|visit| &visit.examples);
        self.bins.extend(examples.map(|&example| corpus.examples[example as usize].bin));
        // In order, so that those which lie side by side are read together.
        self.bins.sort_unstable();
        self.bins.dedup();
        let most = self.bins.last().map_or(0, |&bin| bin as usize + 1);
        self.places.resize(self.places.len().max(most), ABSENT);
        for (place, &bin) in (0u32..).zip(&self.bins) {
            self.places[bin as usize] = place;
        }
        self.width = members.candidates;
        self.rows.clear();
        self.rows.resize(self.width * self.bins.len(), 0.0);
        if weights.is_empty() {
            return;
        }
        self.words.resize_with(self.words.len().max(self.bins.len()), Words::default);
        let items = &members.items[..members.candidates];
        let words = self.words[..self.bins.len()].par_chunks_mut(LINE);
        words.zip(self.bins.par_chunks(LINE)).zip(self.rows.par_chunks_mut(self.width * LINE)).for_each(
            |((words, bins), rows)| {
                corpus.popularity.read(bins, items, words);
                words.iter_mut().for_each(|words| words.silence(new));
                rows.chunks_exact_mut(self.width).zip(words).for_each(|(row, words)| words.mix(weights, row));
            },
        );
    }

    /// The row of an example.
    pub(super) fn place(&self, example: &Example) -> usize {
        self.places[example.bin as usize] as usize
    }

    pub(super) fn row(&self, place: usize) -> &[f32] {
        &self.rows[place * self.width..][..self.width]
    }

    /// Adds the gradients of the weights, from those of an example's logits.
    pub(super) fn along(&self, place: usize, adjoints: &[f32], gradients: &mut [f32]) {
        if !gradients.is_empty() {
            self.words[place].along(adjoints, gradients);
        }
    }
}
