//! Popularity of a batch's candidates in the time bins of its examples, mixed once per step instead of once per example.

use rayon::prelude::*;

use super::batch::{ABSENT, Members, Visit};
use super::corpus::{Corpus, Example};
use super::popularity::Words;

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
    /// Mixes the counts of a batch with these weights.
    pub(super) fn mix(&mut self, corpus: &Corpus<'_>, visits: &[Visit], members: &Members, weights: &[f32]) {
        for &bin in &self.bins {
            self.places[bin as usize] = ABSENT;
        }
        self.bins.clear();
        for &example in visits.iter().flat_map(|visit| &visit.examples) {
            let bin = corpus.examples[example as usize].bin;
            if self.places.len() <= bin as usize {
                self.places.resize(bin as usize + 1, ABSENT);
            }
            if self.places[bin as usize] == ABSENT {
                self.places[bin as usize] = self.bins.len() as u32;
                self.bins.push(bin);
            }
        }
        self.width = members.candidates;
        self.rows.clear();
        self.rows.resize(self.width * self.bins.len(), 0.0);
        if weights.is_empty() {
            return;
        }
        self.words.resize_with(self.words.len().max(self.bins.len()), Words::default);
        let items = &members.items[..members.candidates];
        let rows = self.rows.par_chunks_mut(self.width).zip(&mut self.words);
        rows.zip(&self.bins).for_each(|((row, words), &bin)| {
            corpus.popularity.read(bin as usize, items, words);
            words.mix(weights, row);
        });
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
