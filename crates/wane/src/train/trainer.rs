//! The training loop: batches, steps and epochs.

use faer::Accum;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use super::adamw::{AdamW, Step};
use super::batch::{Members, Visit, visits};
use super::corpus::Corpus;
use super::fashions::Fashions;
use super::kernels::add_scaled;
use super::lane::{self, Dropout, Lane};
use super::products::{add_product, product, table, table_mut};
use super::weights::{Group, Shape, Weights};

/// Shares of a batch that run side by side. A fixed number, so that sums are taken in one order on any machine.
const LANES: usize = 4;

/// What an example takes, in passes through one event.
const EXAMPLE_IN_EVENTS: usize = 24;

/// Vectors that one thread gathers at once.
const TOGETHER: usize = 128;

/// Rows of the projection whose gradients one thread sums.
const BACK: usize = 16;

/// Steps of an epoch at least, where that leaves a batch of [`LEAST_BATCH`].
const STEPS: usize = 100;
const LEAST_BATCH: usize = 32;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Examples of one step.
    pub batch: usize,
    /// Further items that compete in one step; all items where there are no more.
    pub negatives: usize,
    /// Step size of AdamW at its height.
    pub rate: f32,
    /// Steps over which the step size rises from 0.
    pub warm_up: u32,
    /// Weight decay of item and feature vectors.
    pub decay: f32,
    /// Share of the numbers of event vectors that are dropped.
    pub dropout: f32,
    /// Share of the numbers of query vectors that are dropped.
    pub query_dropout: f32,
    /// Share that the mean of weights keeps per step.
    pub average: f32,
    /// Share of the log-Q correction for items that are candidates more often than others, 0 to 1.
    pub correction: f32,
    /// Probability with which an item with features or a text is met as if it were new: without vector, bias and popularity, and
    /// where texts speak without what is mined of it. At 1 every item is.
    pub id_dropout: f32,
    /// Step size of relations, kernels and popularity, relative.
    pub shared_rate: f32,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            batch: 512,
            negatives: 256,
            rate: 6e-3,
            warm_up: 100,
            decay: 0.05,
            dropout: 0.6,
            query_dropout: 0.0,
            average: 0.999,
            correction: 1.0,
            id_dropout: 0.1,
            shared_rate: 5.0,
        }
    }
}

/// Weights in training.
pub struct Trainer<'a> {
    corpus: &'a Corpus<'a>,
    recipe: Recipe,
    weights: Weights,
    vectors: AdamW,
    features: AdamW,
    bias: AdamW,
    shared: AdamW,
    members: Members,
    lanes: Vec<Lane>,
    /// Vectors and offsets of the members.
    gathered: Vec<f32>,
    /// Which members have their own vector in this step.
    keeps: Vec<bool>,
    /// What is written of the members.
    texts: Vec<f32>,
    /// Candidates that have not.
    new: Vec<u32>,
    fashions: Fashions,
    offsets: Vec<f32>,
    seed: u64,
    steps: u32,
    epoch: u32,
}

impl<'a> Trainer<'a> {
    /// Starts from given weights.
    pub fn new(corpus: &'a Corpus<'a>, weights: Weights, mut recipe: Recipe, seed: u64) -> Self {
        // A small log needs small steps: at least some hundred of them in an epoch.
        recipe.batch = recipe.batch.min((corpus.len() / STEPS).max(LEAST_BATCH));
        recipe.warm_up = recipe.warm_up.min(STEPS as u32);
        Self {
            vectors: AdamW::new(&weights.vectors, weights.shape.dim),
            features: AdamW::new(&weights.features, weights.shape.dim),
            bias: AdamW::new(&weights.bias, 1),
            shared: AdamW::new(&weights.shared, weights.shape.shared()),
            members: Members::new(weights.shape.items),
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            gathered: Vec::new(),
            keeps: Vec::new(),
            texts: Vec::new(),
            new: Vec::new(),
            fashions: Fashions::default(),
            offsets: Vec::new(),
            corpus,
            recipe,
            weights,
            seed,
            steps: 0,
            epoch: 0,
        }
    }

    /// Runs once over all examples and returns the mean of their losses; `advance` hears of each step's examples.
    pub fn epoch(&mut self, advance: impl Fn(u64)) -> f64 {
        let visits = visits(self.corpus, self.seed ^ (u64::from(self.epoch) << 32));
        let (mut start, mut loss) = (0, 0.0);
        while start < visits.len() {
            let mut examples = 0;
            let size = visits[start..].iter().take_while(|visit| {
                let fits = examples < self.recipe.batch;
                examples += visit.examples.len();
                fits
            });
            let end = start + size.count();
            loss += self.step(&visits[start..end]);
            advance(visits[start..end].iter().map(|visit| visit.examples.len() as u64).sum());
            start = end;
        }
        self.epoch += 1;
        loss / self.corpus.len().max(1) as f64
    }

    /// The mean weights. An item without events, or always met as new, keeps no vector of its own; its bias is what was learned of
    /// items known by their features alone, or where it has none that of the least visited items.
    pub fn averaged(&self) -> Weights {
        let mut weights = self.means();
        let mut is_trained = vec![false; weights.shape.items];
        self.corpus.trained.iter().for_each(|&item| is_trained[item as usize] = true);
        let mut biases: Vec<f32> =
            self.corpus.trained.iter().map(|&item| weights.bias[item as usize]).collect();
        biases.sort_by(f32::total_cmp);
        let low = biases.get(biases.len() / 4).copied().unwrap_or_default();
        let is_described = |item: usize| self.corpus.features.describe(item as u32);
        let has_own = |item: usize| is_trained[item] && self.recipe.id_dropout < 1.0;
        for item in (0..weights.shape.items).filter(|&item| !has_own(item)) {
            weights.vectors[item * weights.shape.dim..][..weights.shape.dim].fill(0.0);
            let novelty = weights.group(Group::Novelty).first().copied();
            weights.bias[item] = novelty.filter(|_| is_described(item)).unwrap_or(low);
        }
        weights
    }

    fn means(&self) -> Weights {
        let average = self.average();
        let means = |rows: &AdamW, weights: &[f32]| rows.means(weights, self.steps, average);
        Weights {
            shape: self.weights.shape,
            vectors: means(&self.vectors, &self.weights.vectors),
            features: means(&self.features, &self.weights.features),
            bias: means(&self.bias, &self.weights.bias),
            shared: means(&self.shared, &self.weights.shared),
        }
    }

    /// The step size as of now: it rises over the first steps, then stays.
    pub fn rate(&self) -> f32 {
        self.recipe.rate * (self.steps as f32 / self.recipe.warm_up.max(1) as f32).min(1.0)
    }

    fn average(&self) -> f32 {
        let steps = self.steps as f32;
        self.recipe.average.min((1.0 + steps) / (10.0 + steps))
    }

    /// One step; returns the sum of the examples' losses.
    fn step(&mut self, visits: &[Visit]) -> f64 {
        let loss = self.pass(visits);
        self.update();
        loss
    }

    /// Runs forward and backward and leaves the sums of all gradients in the first lane; returns the sum of losses.
    fn pass(&mut self, visits: &[Visit]) -> f64 {
        let seed = self.seed ^ (u64::from(self.steps) << 20) ^ 0x5eed;
        let mut random = StdRng::seed_from_u64(seed);
        self.members.collect(self.corpus, visits, self.recipe.negatives, &mut random);
        self.gather(&mut random);
        let fashions = self.weights.group(Group::Fashions);
        self.fashions.mix(self.corpus, visits, &self.members, &self.new, fashions);
        let examples: usize = visits.iter().map(|visit| visit.examples.len()).sum();
        let basis = self.weights.basis();
        let step = lane::Step {
            corpus: self.corpus,
            weights: &self.weights,
            basis: &basis,
            members: &self.members,
            vectors: &self.gathered,
            offsets: &self.offsets,
            share: 1.0 / examples as f32,
            fashions: &self.fashions,
            keeps: &self.keeps,
            dropout: Dropout { events: self.recipe.dropout, query: self.recipe.query_dropout },
        };
        let parts = split_evenly(self.corpus, visits);
        self.lanes
            .par_iter_mut()
            .zip(parts)
            .enumerate()
            .for_each(|(lane, (work, visits))| work.run(&step, visits, seed ^ ((lane as u64 + 1) << 56)));
        self.add_up();
        self.lanes.iter().map(|lane| lane.loss).sum()
    }

    /// Sums the lanes' gradients into the first, in one order.
    fn add_up(&mut self) {
        let (first, rest) = self.lanes.split_at_mut(1);
        let total = &mut first[0];
        for lane in rest.iter() {
            add(&mut total.vectors, &lane.vectors);
            add(&mut total.offsets, &lane.offsets);
            add(&mut total.shared, &lane.shared);
        }
        let novelty = self.weights.shape.range(Group::Novelty).start;
        self.new.iter().for_each(|&place| total.shared[novelty] += total.offsets[place as usize]);
    }

    /// Vectors `e_j = id_j + sum of its features' vectors / sqrt(their number) + P f_j` of the members, and offsets of the candidates.
    fn gather(&mut self, random: &mut StdRng) {
        let dim = self.weights.shape.dim;
        let features = self.corpus.features;
        let items = &self.members.items;
        let dropout = self.recipe.id_dropout;
        self.keeps.clear();
        self.keeps.extend(
            items
                .iter()
                .map(|&item| dropout < 1.0 && !features.describe(item) || random.random::<f32>() >= dropout),
        );
        self.gathered.resize(items.len() * dim, 0.0);
        let rows = self.gathered.par_chunks_exact_mut(dim).with_min_len(TOGETHER);
        rows.zip(items).zip(&self.keeps).for_each(|((row, &item), is_kept)| {
            if *is_kept {
                row.copy_from_slice(&self.weights.vectors[item as usize * dim..][..dim]);
            } else {
                row.fill(0.0);
            }
            let own = features.of_item(item);
            for &feature in own {
                let vector = &self.weights.features[feature as usize * dim..][..dim];
                add_scaled(row, feature_share(own), vector);
            }
        });
        self.gather_texts();
        self.offsets.clear();
        let candidates = &self.members.items[..self.members.candidates];
        let corpus = self.corpus;
        let chosen = self.recipe.negatives as f32 / corpus.trained.len().max(1) as f32;
        self.new.clear();
        self.new.extend(
            (0u32..).zip(&self.keeps[..candidates.len()]).filter(|(_, kept)| !**kept).map(|new| new.0),
        );
        let novelty = self.weights.group(Group::Novelty).first().copied().unwrap_or_default();
        let batch = self.recipe.batch as f32 / corpus.targets.len().max(1) as f32;
        self.offsets.extend(candidates.iter().zip(&self.keeps).map(|(&item, is_kept)| {
            let bias = if *is_kept { self.weights.bias[item as usize] } else { novelty };
            // How often the item is expected among the candidates: drawn, or as somebody's target.
            let expected = chosen + batch * corpus.wanted[item as usize] as f32;
            bias - self.recipe.correction * expected.min(1.0).ln()
        }));
    }

    /// Adds `P f_j` to the vectors of the members.
    fn gather_texts(&mut self) {
        let (texts, dim) = (&self.corpus.features.texts, self.weights.shape.dim);
        if texts.dim == 0 {
            return;
        }
        self.texts.clear();
        self.members.items.iter().for_each(|&item| self.texts.extend(texts.of_item(item)));
        let projection = self.weights.projection(self.corpus.features);
        let blocks =
            self.gathered.par_chunks_mut(TOGETHER * dim).zip(self.texts.par_chunks(TOGETHER * texts.dim));
        blocks.for_each(|(rows, texts_of_rows)| {
            let n = rows.len() / dim;
            add_product(table_mut(rows, n, dim), table(texts_of_rows, n, texts.dim), projection, 1.0);
        });
    }

    fn update(&mut self) {
        self.steps += 1;
        let rate = self.rate();
        let step = Step { number: self.steps, rate, decay: self.recipe.decay, average: self.average() };
        let mut by_item: Vec<(u32, u32)> = self.members.items.iter().copied().zip(0u32..).collect();
        by_item.sort_unstable();
        self.update_features(step);
        let total = &self.lanes[0];
        let candidates = self.members.candidates as u32;
        by_item.retain(|&(_, place)| self.keeps[place as usize]);
        let offsets: Vec<(u32, u32)> =
            by_item.iter().copied().filter(|&(_, place)| place < candidates).collect();
        self.bias.update(&mut self.weights.bias, &offsets, &total.offsets, step);
        self.vectors.update(&mut self.weights.vectors, &by_item, &total.vectors, step);
        let shared = Step { rate: rate * self.recipe.shared_rate, decay: 0.0, ..step };
        self.shared.update(&mut self.weights.shared, &[(0, 0)], &total.shared, shared);
        let mixing = self.weights.shape.range(Group::Mixing);
        let keep = 1.0 - rate * self.recipe.decay;
        self.weights.shared[mixing].iter_mut().for_each(|w| *w *= keep);
    }

    /// `dP = F^T G` over the members.
    fn project_back(&self, gradients: &mut [f32]) {
        let (n, of_text, dim) =
            (self.members.items.len(), self.corpus.features.texts.dim, self.weights.shape.dim);
        let rows = gradients.par_chunks_mut(BACK * dim).enumerate();
        rows.for_each(|(block, gradients)| {
            let k = gradients.len() / dim;
            let texts = table(&self.texts, n, of_text).subcols(block * BACK, k);
            let vectors = table(&self.lanes[0].vectors, n, dim);
            product(table_mut(gradients, k, dim), texts.transpose(), vectors, Accum::Replace);
        });
    }

    /// Updates the vectors of the members' features, and the projection of their texts.
    fn update_features(&mut self, step: Step) {
        let (gradients, is_touched) = self.feature_gradients();
        let touched = (0u32..).zip(is_touched).filter(|(_, is_touched)| *is_touched);
        let touched: Vec<(u32, u32)> = touched.map(|(feature, _)| (feature, feature)).collect();
        self.features.update(&mut self.weights.features, &touched, &gradients, step);
    }

    /// Gradients of the features' vectors and of the projection, and which of them the members touch.
    fn feature_gradients(&self) -> (Vec<f32>, Vec<bool>) {
        let Shape { dim, features, .. } = self.weights.shape;
        let mut gradients = vec![0.0; features * dim];
        let mut is_touched = vec![false; features];
        for (&item, gradient) in self.members.items.iter().zip(self.lanes[0].vectors.chunks_exact(dim)) {
            let own = self.corpus.features.of_item(item);
            for &feature in own {
                is_touched[feature as usize] = true;
                add_scaled(&mut gradients[feature as usize * dim..][..dim], feature_share(own), gradient);
            }
        }
        let first = self.corpus.features.n_features;
        is_touched[first..].fill(true);
        self.project_back(&mut gradients[first * dim..]);
        (gradients, is_touched)
    }
}

/// What each of an item's features weighs in its vector.
pub(crate) fn feature_share(features: &[u32]) -> f32 {
    1.0 / (features.len().max(1) as f32).sqrt()
}

fn add(a: &mut [f32], b: &[f32]) {
    a.par_chunks_mut(16_384).zip(b.par_chunks(16_384)).for_each(|(a, b)| add_scaled(a, 1.0, b));
}

/// [`LANES`] runs of visits with about equal work.
fn split_evenly<'a>(corpus: &Corpus<'_>, visits: &'a [Visit]) -> Vec<&'a [Visit]> {
    let work = |visit: &Visit| {
        let events = visit.examples.last().map_or(0, |&last| corpus.examples[last as usize].known as usize);
        EXAMPLE_IN_EVENTS * visit.examples.len() + events
    };
    let total: usize = visits.iter().map(work).sum();
    let mut parts = Vec::with_capacity(LANES);
    let (mut rest, mut done) = (visits, 0);
    for lane in 1..LANES {
        let size = rest.iter().take_while(|visit| {
            let fits = done < total * lane / LANES;
            done += if fits { work(visit) } else { 0 };
            fits
        });
        let (part, others) = rest.split_at(size.count());
        parts.push(part);
        rest = others;
    }
    parts.push(rest);
    parts
}

mod state;

#[cfg(test)]
mod gradient_check;
