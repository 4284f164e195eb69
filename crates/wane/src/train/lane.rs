//! Forward and backward passes over a share of a batch, on one thread.
//!
//! For each example with history `i = 1..n` at a moment, over the candidates j:
//!
//! - trace `S_m = sum_i w[a_i, m] exp(-(lambda_m s_i + delta_m n_i)) v_i`, by its recurrence through the user's history;
//! - query `q = sum_m W_m S_m`, logits `z_j = q . e_j + b_j + sum_h p_h log(1 + c_jh) + sum_r g_r asinh(x_rj) - log Q_j`, where
//!   `x_rj = sum_i kappa_r(a_i, s_i, n_i) R_r[x_i, j]` and `kappa_r = sum_m c[r, a, m] exp(-(lambda_m s_i + delta_m n_i))`;
//! - loss: the mean over the targets of `-log softmax(z)`.
//!
//! Backward, the softmax gives `dz = p - y`; the recurrence has the adjoint `A <- exp(-(lambda dt + delta)) A`, run from the last
//! event to the first, along which `dv_i = sum_m w A_m` and `d lambda_m -= dt kept <A_m, S_m>` are read off.

use faer::Accum;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::batch::{Members, Visit};
use super::corpus::{Corpus, Example};
use super::fashions::Fashions;
use super::kernels::{Retreat, add_scaled, advance, dot, softmax};
use super::link_pass::LinkPass;
use super::links::Link;
use super::products::{product, table, table_mut};
use super::weights::{Group, Shape, Weights, sigmoid};
use crate::decay::TimeBasis;
use crate::events::{History, UserId};

/// Examples whose logits are held at once: their table stays in the cache.
const TILE: usize = 64;

/// What all lanes of a step read.
pub(super) struct Step<'a> {
    pub(super) corpus: &'a Corpus<'a>,
    pub(super) weights: &'a Weights,
    pub(super) basis: &'a TimeBasis,
    pub(super) members: &'a Members,
    /// Vectors of the members, row by row.
    pub(super) vectors: &'a [f32],
    /// Bias of the candidates, less the logarithm of how often each is expected among them.
    pub(super) offsets: &'a [f32],
    /// What one example's loss counts.
    pub(super) share: f32,
    pub(super) fashions: &'a Fashions,
    pub(super) dropout: Dropout,
    /// Which members have their own vector: the others are met as if they were new.
    pub(super) keeps: &'a [bool],
}

impl Step<'_> {
    /// Whether a relation is silent of a member. Nothing is mined yet of an item that is new; where that were heard in training, it
    /// would do the work of the text, and its absence would then count against the item.
    pub(super) fn is_silent(&self, link: &Link, member: u32) -> bool {
        self.corpus.features.texts.dim > 0 && link.is_mined() && !self.keeps[member as usize]
    }
}

/// Shares of numbers that are dropped in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dropout {
    /// Of the vectors of events.
    pub(super) events: f32,
    /// Of the query vector.
    pub(super) query: f32,
}

/// Buffers and gradients of one thread's share of a batch.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Gradients of the members' vectors.
    pub(super) vectors: Vec<f32>,
    /// Gradients of the candidates' offsets.
    pub(super) offsets: Vec<f32>,
    /// Gradients of the shared weights.
    pub(super) shared: Vec<f32>,
    pub(super) loss: f64,
    runs: Vec<Run>,
    states: Vec<f32>,
    events: Vec<f32>,
    masks: Vec<f32>,
    traces: Vec<f32>,
    queries: Vec<f32>,
    query_masks: Vec<f32>,
    query_adjoints: Vec<f32>,
    logits: Vec<f32>,
    links: LinkPass,
}

/// Where a visit's numbers lie in the buffers.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// First state; there is one more state than events.
    state: usize,
    event: usize,
    row: usize,
    events: usize,
}

impl Lane {
    /// Runs over some visits and leaves their gradients.
    pub(super) fn run(&mut self, step: &Step<'_>, visits: &[Visit], seed: u64) {
        let shape = step.weights.shape;
        reset(&mut self.vectors, step.vectors.len());
        reset(&mut self.offsets, step.offsets.len());
        reset(&mut self.shared, shape.shared());
        self.loss = 0.0;
        let mut random = SmallRng::seed_from_u64(seed);
        self.trace_forward(step, visits, &mut random);
        self.query_forward(step, &mut random);
        self.rank(step, visits);
        self.query_backward(step);
        self.trace_backward(step, visits);
        // Rates and displacements are learned through ln and softplus.
        for m in 0..shape.scales {
            self.shared[shape.range(Group::Rates).start + m] *= step.basis.rates[m];
            self.shared[shape.range(Group::Displacements).start + m] *=
                sigmoid(step.weights.group(Group::Displacements)[m]);
        }
    }

    fn trace_forward(&mut self, step: &Step<'_>, visits: &[Visit], random: &mut SmallRng) {
        let Shape { dim, scales, .. } = step.weights.shape;
        let width = scales * dim;
        self.runs.clear();
        let mut next = Run { state: 0, event: 0, row: 0, events: 0 };
        for visit in visits {
            let events =
                visit.examples.last().map_or(0, |&last| step.corpus.examples[last as usize].known as usize);
            self.runs.push(Run { events, ..next });
            next.state += events + 1;
            next.event += events;
            next.row += visit.examples.len();
        }
        self.states.resize(next.state * width, 0.0);
        self.events.resize(next.event * dim, 0.0);
        self.traces.resize(next.row * width, 0.0);
        self.masks.clear();
        fill_mask(&mut self.masks, next.event * dim, step.dropout.events, random);
        let types = step.weights.group(Group::Types);
        let mut kept = vec![0.0; scales];
        for (visit, &run) in visits.iter().zip(&self.runs) {
            let history = step.corpus.log.history(UserId(visit.user));
            let steps = step.corpus.steps(UserId(visit.user));
            self.states[run.state * width..][..width].fill(0.0);
            for k in 0..run.events {
                let vector = &mut self.events[(run.event + k) * dim..][..dim];
                let member = step.members.place(history.items()[k].0) as usize;
                let mask = &self.masks[(run.event + k) * dim..][..dim];
                let known = &step.vectors[member * dim..][..dim];
                vector.iter_mut().zip(known.iter().zip(mask)).for_each(|(x, (v, mask))| *x = v * mask);
                step.basis.weights(gap_before(history, k), newer(steps, k), &mut kept);
                let (before, after) = self.states[(run.state + k) * width..][..2 * width].split_at_mut(width);
                let kind = history.event_types()[k].index();
                advance(after, before, &kept, &types[kind * scales..][..scales], vector);
            }
            for (row, &example) in visit.examples.iter().enumerate() {
                let example = &step.corpus.examples[example as usize];
                step.basis.weights(age_of_last(history, example), 0.0, &mut kept);
                let state = &self.states[(run.state + example.known as usize) * width..][..width];
                let trace = &mut self.traces[(run.row + row) * width..][..width];
                for (m, kept) in kept.iter().enumerate() {
                    let scales = trace[m * dim..][..dim].iter_mut().zip(&state[m * dim..][..dim]);
                    scales.for_each(|(trace, state)| *trace = kept * state);
                }
            }
        }
    }

    fn query_forward(&mut self, step: &Step<'_>, random: &mut SmallRng) {
        let Shape { dim, scales, .. } = step.weights.shape;
        let rows = self.traces.len() / (scales * dim);
        self.queries.resize(rows * dim, 0.0);
        self.query_adjoints.resize(rows * dim, 0.0);
        product(
            table_mut(&mut self.queries, rows, dim),
            table(&self.traces, rows, scales * dim),
            table(step.weights.group(Group::Mixing), scales * dim, dim),
            Accum::Replace,
        );
        self.query_masks.clear();
        fill_mask(&mut self.query_masks, rows * dim, step.dropout.query, random);
        self.queries.iter_mut().zip(&self.query_masks).for_each(|(q, mask)| *q *= mask);
    }

    /// Logits, loss and their gradients, tile by tile.
    fn rank(&mut self, step: &Step<'_>, visits: &[Visit]) {
        let dim = step.weights.shape.dim;
        let n = step.members.candidates;
        let candidates = table(&step.vectors[..n * dim], n, dim);
        let examples: Vec<&Example> = visits
            .iter()
            .flat_map(|visit| &visit.examples)
            .map(|&e| &step.corpus.examples[e as usize])
            .collect();
        self.links.prepare(step);
        for (tile, examples) in examples.chunks(TILE).enumerate() {
            let rows = examples.len();
            let place = tile * TILE * dim..(tile * TILE + rows) * dim;
            self.logits.resize(TILE * n, 0.0);
            let logits = &mut self.logits[..rows * n];
            let queries = table(&self.queries[place.clone()], rows, dim);
            product(table_mut(logits, rows, n), queries, candidates.transpose(), Accum::Replace);
            for (row, example) in logits.chunks_exact_mut(n).zip(examples) {
                self.loss += rank_row(step, example, row, &mut self.links, &mut self.shared);
                add_scaled(&mut self.offsets, 1.0, row);
                let fashions = &mut self.shared[step.weights.shape.range(Group::Fashions)];
                step.fashions.along(step.fashions.place(example), row, fashions);
            }
            let logits = table(&self.logits[..rows * n], rows, n);
            let adjoints = table_mut(&mut self.query_adjoints[place.clone()], rows, dim);
            product(adjoints, logits, candidates, Accum::Replace);
            let vectors = table_mut(&mut self.vectors[..n * dim], n, dim);
            product(vectors, logits.transpose(), queries, Accum::Add);
        }
    }

    fn query_backward(&mut self, step: &Step<'_>) {
        let Shape { dim, scales, .. } = step.weights.shape;
        let rows = self.traces.len() / (scales * dim);
        self.query_adjoints.iter_mut().zip(&self.query_masks).for_each(|(q, mask)| *q *= mask);
        let adjoints = table(&self.query_adjoints, rows, dim);
        let traces = table(&self.traces, rows, scales * dim);
        let mixing = &mut self.shared[step.weights.shape.range(Group::Mixing)];
        product(table_mut(mixing, scales * dim, dim), traces.transpose(), adjoints, Accum::Add);
        // The traces are not needed any more: their table receives their adjoints.
        let mixing = table(step.weights.group(Group::Mixing), scales * dim, dim);
        product(
            table_mut(&mut self.traces, rows, scales * dim),
            adjoints,
            mixing.transpose(),
            Accum::Replace,
        );
    }

    fn trace_backward(&mut self, step: &Step<'_>, visits: &[Visit]) {
        let shape = step.weights.shape;
        let Shape { dim, scales, .. } = shape;
        let width = scales * dim;
        let (rates, displacements, types) = (
            shape.range(Group::Rates).start,
            shape.range(Group::Displacements).start,
            shape.range(Group::Types).start,
        );
        let mut adjoint = vec![0.0; width];
        let mut dx = vec![0.0; dim];
        let (mut kept, mut along_state, mut along_x) =
            (vec![0.0; scales], vec![0.0; scales], vec![0.0; scales]);
        for (visit, &run) in visits.iter().zip(&self.runs) {
            let history = step.corpus.log.history(UserId(visit.user));
            let steps = step.corpus.steps(UserId(visit.user));
            adjoint.fill(0.0);
            let mut examples = visit.examples.iter().enumerate().rev().peekable();
            for k in (0..=run.events).rev() {
                let state = &self.states[(run.state + k) * width..][..width];
                while let Some((row, &example)) =
                    examples.next_if(|(_, e)| step.corpus.examples[**e as usize].known as usize == k)
                {
                    let age = age_of_last(history, &step.corpus.examples[example as usize]);
                    step.basis.weights(age, 0.0, &mut kept);
                    let of_trace = &self.traces[(run.row + row) * width..][..width];
                    for (m, kept) in kept.iter().enumerate() {
                        let of_trace = &of_trace[m * dim..][..dim];
                        self.shared[rates + m] -= age * kept * dot(of_trace, &state[m * dim..][..dim]);
                        add_scaled(&mut adjoint[m * dim..][..dim], *kept, of_trace);
                    }
                }
                let Some(event) = k.checked_sub(1) else { break };
                let gap = gap_before(history, event);
                let pushed = newer(steps, event);
                step.basis.weights(gap, pushed, &mut kept);
                let kind = history.event_types()[event].index();
                Retreat {
                    adjoint: &mut adjoint,
                    state: &self.states[(run.state + event) * width..][..width],
                    kept: &kept,
                    weights: &step.weights.group(Group::Types)[kind * scales..][..scales],
                    x: &self.events[(run.event + event) * dim..][..dim],
                    dx: &mut dx,
                    along_state: &mut along_state,
                    along_x: &mut along_x,
                }
                .run();
                for m in 0..scales {
                    self.shared[types + kind * scales + m] += along_x[m];
                    self.shared[rates + m] -= gap * kept[m] * along_state[m];
                    self.shared[displacements + m] -= pushed * kept[m] * along_state[m];
                }
                let member = step.members.place(history.items()[event].0) as usize;
                let mask = &self.masks[(run.event + event) * dim..][..dim];
                let vector = &mut self.vectors[member * dim..][..dim];
                vector.iter_mut().zip(dx.iter().zip(mask)).for_each(|(v, (dx, mask))| *v += dx * mask);
            }
        }
    }
}

/// Completes a row of logits, turns it into the gradient of the loss by them, and returns the loss.
fn rank_row(
    step: &Step<'_>,
    example: &Example,
    row: &mut [f32],
    links: &mut LinkPass,
    shared: &mut [f32],
) -> f64 {
    add_scaled(row, 1.0, step.offsets);
    let bin = step.fashions.place(example);
    add_scaled(row, 1.0, step.fashions.row(bin));
    links.forward(step, example, row);
    let targets = step.corpus.targets(example);
    let each = 1.0 / targets.len() as f32;
    let places = targets.iter().map(|target| step.members.place(*target) as usize);
    let mut loss: f64 = places.clone().map(|place| f64::from(-row[place] * each)).sum();
    loss += f64::from(softmax(row, step.share));
    places.for_each(|place| row[place] -= each * step.share);
    links.backward(step, row, shared);
    loss
}

/// By how many places an event pushes out what was before it.
fn newer(steps: &[u32], place: usize) -> f32 {
    place.checked_sub(1).map_or(0.0, |before| (steps[place] - steps[before]) as f32)
}

/// Days between an event and the one before it.
fn gap_before(history: History<'_>, place: usize) -> f32 {
    let times = history.times();
    place.checked_sub(1).map_or(0.0, |before| times[place].days_since(times[before])) as f32
}

/// Days between an example and the last known event.
fn age_of_last(history: History<'_>, example: &Example) -> f32 {
    let last = (example.known as usize).checked_sub(1).and_then(|last| history.times().get(last));
    last.map_or(0.0, |last| example.as_of.days_since(*last)) as f32
}

pub(super) fn reset(values: &mut Vec<f32>, n: usize) {
    values.clear();
    values.resize(n, 0.0);
}

/// Appends `n` numbers that are 0 with probability `share` and `1 / (1 - share)` else.
fn fill_mask(mask: &mut Vec<f32>, n: usize, share: f32, random: &mut SmallRng) {
    if share <= 0.0 {
        mask.resize(n, 1.0);
        return;
    }
    let (bound, kept) = ((f64::from(share) * 65_536.0) as u16, 1.0 / (1.0 - share));
    while mask.len() < n {
        let bits = random.next_u64();
        let four = (0..4).map(|part| if (bits >> (16 * part)) as u16 >= bound { kept } else { 0.0 });
        mask.extend(four);
    }
    mask.truncate(n);
}
