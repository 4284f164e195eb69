//! The learned interest-decay model: what a user wants is the sum of what each past event still says.
//!
//! - Trace: `S_m(t) = sum_i w[a_i, m] exp(-(lambda_m s_i + delta_m n_i)) v_i` for each of M time scales, with the age `s_i` in days of
//!   event i, the number `n_i` of events after it, and the vector `v_i` of its item.
//! - `score(j) = (sum_m W_m S_m) . e_j + b_j + sum_h p_h log(1 + c_jh) + sum_r g_r asinh(x_rj)`, with decayed counts `c_jh`
//!   of the item at several half-lives, and for each relation r the sum `x_rj = sum_i kappa_r(a_i, s_i, n_i) R_r[i, j]`, whose
//!   kernel `kappa_r` is a signed mixture of the same time scales, so that it may rise before it falls. Items that the
//!   user knows already are told of a little differently ([`familiar`]).
//! - Item vectors are `e_j = v_j = id_j + features of the catalogue + P f_j`, with the vector `f_j` of what is written of the item,
//!   made short ([`Texts`](crate::interest::Texts)): an item that nobody touched is known by its features and its text.
//! - Every score is a sum over events by construction: the vector part is linear in them, and the saturated sum of a
//!   relation is shared in proportion to what each event put in. There is no table of users.
//!
//! All numbers, the rates included, are learned ([`crate::train`]). Sums of decayed vectors are the state of
//! [`Trace`](crate::decay::Trace). The logarithm of a sum is what a mixture of intensities gives in a softmax, hence `asinh`,
//! which is linear where little is known and logarithmic where much is.

mod balance;
mod explain;
mod familiar;
mod fit;
mod greatest;
mod later;
mod learned;
mod past;
mod record;
mod recount;
mod saved;
mod search;
mod settings;
mod similar;
mod start;

pub use later::LaterItems;
pub use learned::{
    Learned, LearnedDepartment, LearnedPopularity, LearnedRelation, LearnedScale, LearnedType,
};
pub use settings::TraceSettings;
pub use start::Start;

use std::sync::Arc;

use super::search::dot;
use super::sums::Sums;
use super::{Explanation, Parameters, Query, Recommender, Scored, Scores};
use crate::decay::{TimeBasis, Trace};
use crate::events::{Event, History, ItemId, Timestamp};
use crate::interest::{Features, Reduction};
use crate::train::{Goal, Group, Link, PopularityTable, Weights, add_scaled, asinh_all};
use crate::wide::wide;
use past::Past;
use search::Searching;

/// Fitted trace model; see the module's documentation.
#[derive(Debug, Clone)]
pub struct TraceModel {
    weights: Weights,
    basis: TimeBasis,
    /// `e_j`, row by row.
    vectors: Arc<[f32]>,
    links: Vec<Link>,
    popularity: PopularityTable,
    /// Items and times of the training events, oldest first: popularity is counted from them.
    events: Arc<Vec<(Timestamp, ItemId)>>,
    goal: Goal,
    /// How what is written of items was made short; of no numbers where it does not speak.
    reduction: Reduction,
    searching: Searching,
}

impl TraceModel {
    /// A model from what was learned.
    pub fn new(
        weights: Weights,
        features: &Features,
        links: Vec<Link>,
        popularity: PopularityTable,
        events: Vec<(Timestamp, ItemId)>,
        goal: Goal,
    ) -> Self {
        let vectors = weights.item_vectors(features).into();
        let (events, searching) = (Arc::new(events), Searching::default());
        let (basis, reduction) = (weights.basis(), features.texts.reduction.clone());
        Self { basis, weights, vectors, links, popularity, events, goal, reduction, searching }
    }

    /// The learned time scales.
    pub fn basis(&self) -> &TimeBasis {
        &self.basis
    }

    /// The learned numbers.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The relations that speak, in the order of their kernels.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The state of a user with this history.
    pub fn trace(&self, history: History<'_>) -> Trace {
        let mut trace = Trace::new(self.basis.len(), self.weights.shape.dim);
        let mut last = 0;
        for (event, step) in history.iter().zip(self.goal.steps(history)) {
            self.update(&mut trace, &event, step - last);
            last = step;
        }
        trace
    }

    /// Adds one event to a user's state. `pushed`: 1, or 0 for a further item of one basket where baskets are predicted.
    pub fn update(&self, trace: &mut Trace, event: &Event, pushed: u32) {
        trace.push(&self.basis, event.time, pushed as f32, self.type_weights(event), self.vector(event.item));
    }

    /// The query vector of a state at a moment: its product with an item's vector is the vector part of the score.
    pub fn query_vector(&self, trace: &Trace, as_of: Timestamp) -> Vec<f32> {
        let mut state = vec![0.0; self.basis.len() * self.weights.shape.dim];
        trace.at(&self.basis, as_of, &mut state);
        self.mixed(&state, |_| 1.0)
    }

    /// `sum_m share_m W_m S_m`.
    fn mixed(&self, state: &[f32], share: impl Fn(usize) -> f32) -> Vec<f32> {
        let dim = self.weights.shape.dim;
        let mut query = vec![0.0; dim];
        for (place, (value, row)) in
            state.iter().zip(self.weights.group(Group::Mixing).chunks_exact(dim)).enumerate()
        {
            let factor = share(place / dim) * value;
            // Most of a state is often nothing: see `past`.
            if factor != 0.0 {
                add_scaled(&mut query, factor, row);
            }
        }
        query
    }

    /// Adds to each score that there is what the vectors say.
    fn add_vectors(&self, query: &[f32], scores: &mut Scores) {
        wide(
            #[inline(always)]
            || scores.change_touched(|item, other| dot(query, self.vector(item)) + other),
        );
    }

    fn vector(&self, item: ItemId) -> &[f32] {
        let dim = self.weights.shape.dim;
        self.vectors.get(item.index() * dim..(item.index() + 1) * dim).unwrap_or_default()
    }

    fn type_weights(&self, event: &Event) -> &[f32] {
        let scales = self.basis.len();
        let start = event.event_type.index() * scales;
        self.weights.group(Group::Types).get(start..start + scales).unwrap_or_default()
    }

    fn bias(&self, item: ItemId) -> f32 {
        self.weights.bias.get(item.index()).copied().unwrap_or_default()
    }

    /// Weighted popularity of some items at a moment.
    fn add_popularity(&self, as_of: Timestamp, items: impl Iterator<Item = u32>, scores: &mut [f32]) {
        self.popularity.add(self.popularity.bin(as_of), self.weights.group(Group::Fashions), items, scores);
    }

    /// Gives what the relations say, the items of a relation at once, and what is added to familiar items: of all, or of `only`
    /// these. `sums` is scratch space.
    fn speak(
        &self,
        as_of: Timestamp,
        past: &Past,
        only: Option<&[ItemId]>,
        sums: &mut Sums,
        mut say: impl FnMut(&[(ItemId, f32)]),
    ) {
        self.speak_of_links(past, only, sums, &mut say);
        let mut shares = Vec::new();
        self.each_familiar(
            as_of,
            past,
            only,
            sums,
            #[inline(always)]
            |item, share, _| shares.push((item, share)),
        );
        say(&shares);
    }

    /// Gives what the relations say.
    fn speak_of_links(
        &self,
        past: &Past,
        only: Option<&[ItemId]>,
        sums: &mut Sums,
        mut say: impl FnMut(&[(ItemId, f32)]),
    ) {
        let (mut values, mut shares) = (Vec::new(), Vec::new());
        self.sum_links(past, only, sums, |r, sums| {
            let gain = self.weights.group(Group::Gains)[r];
            values.clear();
            values.extend(sums.iter().map(|(_, sum)| sum));
            asinh_all(&mut values);
            shares.clear();
            shares.extend(sums.iter().zip(&values).map(|((item, _), value)| (item, gain * value)));
            say(&shares);
        });
    }

    /// Gives the sums `x_rj` of each relation in its turn: of all items that it knows, or of `only` these.
    fn sum_links(
        &self,
        past: &Past,
        only: Option<&[ItemId]>,
        sums: &mut Sums,
        mut give: impl FnMut(usize, &Sums),
    ) {
        for (r, link) in self.links.iter().enumerate() {
            sums.clear();
            only.unwrap_or_default().iter().for_each(|&item| sums.touch(item));
            let events = &past.events[..past.reached(link.reach)];
            link.fetch(events.iter().map(|past| past.event.item));
            // A history may hold items that came after the fit.
            let is_known = |item: ItemId| item.index() < self.n_items();
            for (number, own) in events.iter().enumerate().filter(|(_, own)| is_known(own.event.item)) {
                let kappa = self.kernel(r, past, number);
                link.strengths(own.event.item, |to, strength| {
                    if only.is_none() || sums.is_touched(to) {
                        sums.add(to, kappa * strength);
                    }
                });
            }
            if link.is_mined() {
                // To take back what was said of a few items is quicker than to ask of each link, is its item known?
                self.known(past).iter().for_each(|known| sums.silence(known.event.item));
            }
            give(r, sums);
        }
    }
}

impl Recommender for TraceModel {
    fn n_items(&self) -> usize {
        self.weights.shape.items
    }

    /// Sums in one order, offset, relations, vectors, whichever way an item is come by.
    fn score(&self, query: &Query<'_>, scores: &mut Scores) {
        let past = self.past(query);
        let mut sums = scores.take_sums();
        if let Some(candidates) = query.candidates {
            let candidates: Vec<ItemId> =
                candidates.iter().copied().filter(|item| item.index() < self.n_items()).collect();
            let mut offsets: Vec<f32> = candidates.iter().map(|&item| self.bias(item)).collect();
            self.add_popularity(query.as_of, candidates.iter().map(|item| item.0), &mut offsets);
            candidates.iter().zip(offsets).for_each(|(&item, offset)| scores.set(item, offset));
            self.speak(query.as_of, &past, Some(&candidates), &mut sums, |shares| {
                shares.iter().for_each(|&(item, share)| scores.add(item, share));
            });
        } else {
            let table = scores.dense_mut();
            self.write_offsets(query.as_of, table);
            self.speak(query.as_of, &past, None, &mut sums, |shares| {
                shares.iter().for_each(|(item, share)| table[item.index()] += share);
            });
        }
        scores.give_back_sums(sums);
        self.add_vectors(&self.mixed(&past.state, |_| 1.0), scores);
    }

    fn search(
        &self,
        query: &Query<'_>,
        k: usize,
        keep: &dyn Fn(ItemId) -> bool,
        scores: &mut Scores,
    ) -> Option<Vec<Scored>> {
        let index = self.index_for(query)?;
        Some(self.search_index(index, query, &self.past(query), (k, keep), scores))
    }

    fn search_and_explain(
        &self,
        query: &Query<'_>,
        k: usize,
        keep: &dyn Fn(ItemId) -> bool,
        most: usize,
        scores: &mut Scores,
    ) -> Option<(Vec<Scored>, Vec<Explanation>)> {
        let (index, past) = (self.index_for(query)?, self.past(query));
        let best = self.search_index(index, query, &past, (k, keep), scores);
        let items: Vec<ItemId> = best.iter().map(|scored| scored.item).collect();
        let explanations = self.explanations(query, &past, &items, most);
        Some((best, explanations))
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        self.explain_best(query, &[item], usize::MAX).pop().unwrap_or_default()
    }

    fn explain_best(&self, query: &Query<'_>, items: &[ItemId], most: usize) -> Vec<Explanation> {
        self.explanations(query, &self.past(query), items, most)
    }

    fn parameters(&self) -> Parameters {
        saved::parameters(self)
    }
}
