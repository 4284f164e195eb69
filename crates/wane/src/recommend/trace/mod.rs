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
mod learned;
mod record;
mod saved;
mod search;
mod settings;
mod start;

pub use learned::{
    Learned, LearnedDepartment, LearnedPopularity, LearnedRelation, LearnedScale, LearnedType,
};
pub use settings::TraceSettings;
pub use start::Start;

use std::borrow::Cow;
use std::sync::Arc;

use pulp::Arch;

use super::search::dot;
use super::{Explanation, Parameters, Query, Recommender, Scored, Scores};
use crate::decay::{TimeBasis, Trace};
use crate::events::{Event, History, ItemId, Timestamp};
use crate::interest::{Features, Reduction};
use crate::train::{Goal, Group, Link, PopularityTable, Shape, Weights, add_scaled, asinh_all, recent};
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
    events: Vec<(Timestamp, ItemId)>,
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
        let searching = Searching::default();
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
        self.mixed(trace, as_of, |_| 1.0)
    }

    /// `sum_m share_m W_m S_m`.
    fn mixed(&self, trace: &Trace, as_of: Timestamp, share: impl Fn(usize) -> f32) -> Vec<f32> {
        let dim = self.weights.shape.dim;
        let mut aged = vec![0.0; self.basis.len() * dim];
        trace.at(&self.basis, as_of, &mut aged);
        let mut query = vec![0.0; dim];
        for (place, (value, row)) in
            aged.iter().zip(self.weights.group(Group::Mixing).chunks_exact(dim)).enumerate()
        {
            add_scaled(&mut query, share(place / dim) * value, row);
        }
        query
    }

    /// Adds to each score that there is what the vectors say.
    fn add_vectors(&self, query: &[f32], scores: &mut Scores) {
        Arch::new().dispatch(
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

    /// Coefficients of a relation's kernel for an event, and its value `newer` events and some days after it.
    fn kernel(&self, link: usize, event: &Event, as_of: Timestamp, newer: u32, decays: &mut [f32]) -> f32 {
        self.basis.weights(as_of.days_since(event.time) as f32, newer as f32, decays);
        dot(&self.coefficients(link, event), decays)
    }

    /// Coefficients of a relation's kernel for an event: those of its type, and what its item's department adds.
    fn coefficients(&self, link: usize, event: &Event) -> Cow<'_, [f32]> {
        let departments = self.links[link].departments();
        let department = departments.and_then(|departments| departments.of_item(event.item));
        self.coefficients_of(link, event.event_type.index(), department)
    }

    fn coefficients_of(&self, link: usize, kind: usize, department: Option<usize>) -> Cow<'_, [f32]> {
        let Shape { types, scales, .. } = self.weights.shape;
        let row = |group: Group, number: usize| {
            let start = (number * types + kind) * scales;
            self.weights.group(group).get(start..start + scales).unwrap_or_default()
        };
        let common = row(Group::Kernels, link);
        match department {
            None => Cow::Borrowed(common),
            Some(place) => {
                common.iter().zip(row(Group::Returns, place)).map(|(common, own)| common + own).collect()
            }
        }
    }

    fn bias(&self, item: ItemId) -> f32 {
        self.weights.bias.get(item.index()).copied().unwrap_or_default()
    }

    /// Weighted popularity of some items at a moment.
    fn add_popularity(&self, as_of: Timestamp, items: impl Iterator<Item = u32>, scores: &mut [f32]) {
        self.popularity.add(self.popularity.bin(as_of), self.weights.group(Group::Fashions), items, scores);
    }

    /// All events, newest first: place in the history, places pushed since, event.
    fn newest_first(&self, query: &Query<'_>) -> Vec<(usize, u32, Event)> {
        let steps = self.goal.steps(query.history);
        let last = steps.last().copied().unwrap_or_default();
        let events = query.history.iter().zip(&steps).enumerate().rev();
        events.map(|(place, (event, step))| (place, last - step, event)).collect()
    }

    /// Those that a relation looks back on.
    fn recent(&self, query: &Query<'_>, reach: u32) -> Vec<(usize, u32, Event)> {
        let mut events = self.newest_first(query);
        events.truncate(recent(&self.goal.steps(query.history), reach));
        events
    }

    /// The events that any relation looks back on. To their items mined relations are silent.
    fn known(&self, query: &Query<'_>) -> Vec<(usize, u32, Event)> {
        self.recent(query, self.links.iter().map(|link| link.reach).max().unwrap_or_default())
    }

    /// Gives what the relations say, item by item, and what is added to familiar items: of all, or of `only` these. `sums`
    /// is scratch space.
    fn speak(
        &self,
        query: &Query<'_>,
        trace: &Trace,
        only: Option<&[ItemId]>,
        sums: &mut Scores,
        mut say: impl FnMut(ItemId, f32),
    ) {
        self.sum_links(query, only, sums, |r, sums| {
            let gain = self.weights.group(Group::Gains)[r];
            let mut values: Vec<f32> = sums.touched().iter().map(|&item| sums.get(item)).collect();
            asinh_all(&mut values);
            sums.touched().iter().zip(values).for_each(|(&item, value)| say(item, gain * value));
        });
        self.say_familiar(query, trace, only, sums, say);
    }

    /// Gives the sums `x_rj` of each relation in its turn: of all items that it knows, or of `only` these.
    fn sum_links(
        &self,
        query: &Query<'_>,
        only: Option<&[ItemId]>,
        sums: &mut Scores,
        mut give: impl FnMut(usize, &Scores),
    ) {
        let steps = self.goal.steps(query.history);
        let known = self.known(query);
        let mut decays = vec![0.0; self.basis.len()];
        for (r, link) in self.links.iter().enumerate() {
            sums.clear();
            only.unwrap_or_default().iter().for_each(|&item| sums.set(item, 0.0));
            // A history may hold items that came after the fit.
            let events = known.iter().take(recent(&steps, link.reach));
            for (_, newer, event) in events.filter(|(_, _, event)| event.item.index() < self.n_items()) {
                let kappa = self.kernel(r, event, query.as_of, *newer, &mut decays);
                link.strengths(event.item, |to, strength| {
                    if only.is_none() || sums.is_touched(to) {
                        sums.add(to, kappa * strength);
                    }
                });
            }
            if link.is_mined() {
                // To take back what was said of a few items is quicker than to ask of each link, is its item known?
                known.iter().for_each(|(_, _, event)| sums.silence(event.item));
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
        let trace = self.trace(query.history);
        let vector = self.query_vector(&trace, query.as_of);
        let mut sums = scores.take_spare();
        if let Some(candidates) = query.candidates {
            let candidates: Vec<ItemId> =
                candidates.iter().copied().filter(|item| item.index() < self.n_items()).collect();
            let mut offsets: Vec<f32> = candidates.iter().map(|&item| self.bias(item)).collect();
            self.add_popularity(query.as_of, candidates.iter().map(|item| item.0), &mut offsets);
            candidates.iter().zip(offsets).for_each(|(&item, offset)| scores.set(item, offset));
            self.speak(query, &trace, Some(&candidates), &mut sums, |item, share| scores.add(item, share));
        } else {
            let table = scores.dense_mut();
            self.write_offsets(query.as_of, table);
            self.speak(query, &trace, None, &mut sums, |item, share| table[item.index()] += share);
        }
        scores.give_back(sums);
        self.add_vectors(&vector, scores);
    }

    fn search(
        &self,
        query: &Query<'_>,
        k: usize,
        keep: &dyn Fn(ItemId) -> bool,
        scores: &mut Scores,
    ) -> Option<Vec<Scored>> {
        if query.candidates.is_some() { None } else { self.search_index(query, k, keep, scores) }
    }

    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
        self.explanations(query, &[item], usize::MAX).pop().unwrap_or_default()
    }

    fn explain_best(&self, query: &Query<'_>, items: &[ItemId], most: usize) -> Vec<Explanation> {
        self.explanations(query, items, most)
    }

    fn parameters(&self) -> Parameters {
        saved::parameters(self)
    }
}
