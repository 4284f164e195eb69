//! What one step of training looks at: some examples by user, the items they touch, and the items that compete.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::corpus::Corpus;

/// Examples of one user that share one pass over the user's history, at least.
const PER_VISIT: usize = 16;
/// Events of a pass for each of its examples, at most: the examples of a long history share fewer passes.
const PER_EXAMPLE: usize = 32;

/// Some examples of one user, in order of time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Visit {
    pub(super) user: u32,
    /// Places in the corpus's examples.
    pub(super) examples: Vec<u32>,
}

/// Not a member of the batch.
pub(super) const ABSENT: u32 = u32::MAX;

/// The items of a batch under local numbers: candidates first, then the other items of the histories.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Item of each local number.
    pub(super) items: Vec<u32>,
    /// Local number of each item, or [`ABSENT`].
    place: Vec<u32>,
    /// How many of them are candidates.
    pub(super) candidates: usize,
    /// A bit for each item, set for candidates: most items are none, and the bits of all stay in the nearest cache.
    is_candidate: Vec<u64>,
}

impl Members {
    pub(super) fn new(n_items: usize) -> Self {
        Self {
            items: Vec::new(),
            place: vec![ABSENT; n_items],
            candidates: 0,
            is_candidate: vec![0; n_items.div_ceil(64)],
        }
    }

    /// The local number of a candidate.
    #[inline]
    pub(super) fn candidate(&self, item: u32) -> Option<u32> {
        let bits = self.is_candidate[item as usize / 64];
        (bits >> (item % 64) & 1 == 1).then(|| self.place[item as usize])
    }

    pub(super) fn place(&self, item: u32) -> u32 {
        self.place[item as usize]
    }

    fn add(&mut self, item: u32) {
        let place = &mut self.place[item as usize];
        if *place == ABSENT {
            *place = self.items.len() as u32;
            self.items.push(item);
        }
    }

    /// Collects the members of a batch: its targets and `negatives` further candidates, then all items of the histories.
    pub(super) fn collect(
        &mut self,
        corpus: &Corpus<'_>,
        visits: &[Visit],
        negatives: usize,
        random: &mut StdRng,
    ) {
        for item in self.items.drain(..) {
            self.place[item as usize] = ABSENT;
            self.is_candidate[item as usize / 64] = 0;
        }
        if negatives >= corpus.trained.len() {
            corpus.trained.iter().for_each(|&item| self.add(item));
        } else {
            for example in visits.iter().flat_map(|visit| &visit.examples) {
                corpus.targets(&corpus.examples[*example as usize]).iter().for_each(|&item| self.add(item));
            }
            for _ in 0..negatives {
                self.add(corpus.trained[random.random_range(0..corpus.trained.len())]);
            }
        }
        self.candidates = self.items.len();
        self.items.iter().for_each(|item| self.is_candidate[*item as usize / 64] |= 1 << (item % 64));
        for visit in visits {
            let Some(&last) = visit.examples.last() else { continue };
            let example = &corpus.examples[last as usize];
            let history = corpus.log.history(example.user).first(example.known as usize);
            history.items().iter().for_each(|item| self.add(item.0));
        }
    }
}

/// All visits of one epoch in a seeded order.
pub(super) fn visits(corpus: &Corpus<'_>, seed: u64) -> Vec<Visit> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut visits = Vec::new();
    let mut start = 0u32;
    for examples in corpus.examples.chunk_by(|a, b| a.user == b.user) {
        let mut places: Vec<u32> = (start..start + examples.len() as u32).collect();
        places.shuffle(&mut random);
        let events = examples.last().map_or(0, |last| last.known as usize);
        visits.extend(places.chunks(PER_VISIT.max(events / PER_EXAMPLE)).map(|chunk| {
            let mut examples = chunk.to_vec();
            examples.sort_unstable();
            Visit { user: corpus.examples[start as usize].user.0, examples }
        }));
        start += examples.len() as u32;
    }
    visits.shuffle(&mut random);
    visits
}
