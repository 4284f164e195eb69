//! What a question knows of the past: the events, newest first, with what is left of each in every time scale.
//!
//! It is worked out once for a question, and all parts of the score read it: vectors, relations, familiar items, reasons. The trace
//! of a user, [`Trace`](crate::decay::Trace), is the same sum carried on from event to event, but for what is [`NOTHING`]; from the
//! events themselves exponentials are taken many at once and each item's vector is read once.

use std::borrow::Cow;
use std::ops::Range;

use super::TraceModel;
use super::greatest::Share;
use crate::events::{Event, ItemId};
use crate::recommend::sums::ByItem;
use crate::recommend::{Query, Reason};
use crate::train::{Group, exp_all, recent};
use crate::wide::wide;

/// Of what decay leaves, less than so much is nothing: it is beyond the last place of any score. So nearly all of a long history is
/// nothing in the fast scales, and need not be multiplied.
const NOTHING: f32 = 1.0 / (1u64 << 40) as f32;

/// A history as of a moment.
pub(super) struct Past {
    /// Newest first.
    pub(super) events: Vec<PastEvent>,
    /// What is left of each event in each scale, event by event. In no scale is more left of an older event than of a newer one.
    decays: Vec<f32>,
    /// The same times the weights of its type: what it has in the user's state.
    left: Vec<f32>,
    scales: usize,
    /// Places pushed up to each event, oldest first.
    steps: Vec<u32>,
    /// Numbers of events by their items, the newest of each first.
    by_item: Vec<(ItemId, u32)>,
    /// Where the events of each item stand there, the item of the newest event first.
    items: Vec<Range<usize>>,
    /// The vectors of the items, in their order; of one that came after the fit, zeros.
    pub(super) vectors: Vec<f32>,
    /// `S_m`, scale by scale.
    pub(super) state: Vec<f32>,
}

pub(super) struct PastEvent {
    /// Its place in the history.
    place: usize,
    age_days: f64,
    pub(super) event: Event,
}

impl Past {
    /// What is left of an event in each scale.
    pub(super) fn decays(&self, number: usize) -> &[f32] {
        self.decays.get(number * self.scales..(number + 1) * self.scales).unwrap_or_default()
    }

    /// What an event has in the user's state, in each scale.
    pub(super) fn left(&self, number: usize) -> &[f32] {
        self.left.get(number * self.scales..(number + 1) * self.scales).unwrap_or_default()
    }

    /// The numbers of each item's events, the newest first; the item of the newest event first.
    pub(super) fn of_items(&self) -> impl ExactSizeIterator<Item = &[(ItemId, u32)]> {
        self.items.iter().map(|own| &self.by_item[own.clone()])
    }

    /// `S_m = sum_i left_m(i) v_i`, the events of an item first.
    fn state(&self, dim: usize) -> Vec<f32> {
        let (mut state, mut weights) = (vec![0.0; self.scales * dim], vec![0.0; self.scales]);
        wide(
            #[inline(always)]
            || {
                for (own, vector) in self.items.iter().zip(self.vectors.chunks_exact(dim.max(1))) {
                    weights.fill(0.0);
                    for &(_, number) in &self.by_item[own.clone()] {
                        let left = self.left(number as usize);
                        weights.iter_mut().zip(left).for_each(|(weight, left)| *weight += left);
                    }
                    for (state, &weight) in state.chunks_exact_mut(dim.max(1)).zip(&weights) {
                        if weight != 0.0 {
                            state.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
                        }
                    }
                }
            },
        );
        state
    }

    /// How many events a relation looks back on.
    pub(super) fn reached(&self, reach: u32) -> usize {
        recent(&self.steps, reach)
    }

    /// The scales in which anything is left of an event, and of older ones at most.
    pub(super) fn scales_left(&self, number: usize) -> impl Iterator<Item = usize> {
        self.decays(number).iter().enumerate().filter(|(_, left)| **left != 0.0).map(|(scale, _)| scale)
    }

    /// A share as a reason, of whose event the weights of the scales are known.
    #[inline(always)]
    pub(super) fn reason(
        &self,
        share: &Share,
        relation: Cow<'static, str>,
        weights: impl Iterator<Item = f32>,
    ) -> Reason {
        let PastEvent { place, age_days, .. } = self.events[share.number];
        let (mut fresh, mut left) = (0.0, 0.0);
        for (weight, decay) in weights.zip(self.decays(share.number)) {
            fresh += weight.abs();
            left += weight.abs() * decay;
        }
        let decay = if fresh > 0.0 { f64::from(left / fresh) } else { 1.0 };
        Reason { event: place, relation, age_days, decay, share: share.value }
    }
}

/// Numbers of events by their items, and where those of each item stand: see [`Past`].
fn by_item(events: &[PastEvent]) -> (Vec<(ItemId, u32)>, Vec<Range<usize>>) {
    let mut items = ByItem::<()>::with_room(events.len());
    let numbers: Vec<usize> = events.iter().map(|past| items.number(past.event.item)).collect();
    let mut starts = vec![0; items.iter().len() + 1];
    numbers.iter().for_each(|&item| starts[item + 1] += 1);
    (1..starts.len()).for_each(|item| starts[item] += starts[item - 1]);
    let ranges = starts.windows(2).map(|own| own[0]..own[1]).collect();
    let mut by_item = vec![(ItemId(0), 0); events.len()];
    for ((number, past), item) in (0..).zip(events).zip(numbers) {
        by_item[starts[item]] = (past.event.item, number);
        starts[item] += 1;
    }
    (by_item, ranges)
}

impl TraceModel {
    /// The past of a question.
    pub(super) fn past(&self, query: &Query<'_>) -> Past {
        let steps = self.goal.steps(query.history);
        let last = steps.last().copied().unwrap_or_default();
        let scales = self.basis.len();
        let mut events = Vec::with_capacity(steps.len());
        let mut decays = vec![0.0; steps.len() * scales];
        let newest_first = query.history.iter().zip(&steps).enumerate().rev();
        for ((place, (event, step)), left) in newest_first.zip(decays.chunks_exact_mut(scales.max(1))) {
            let age_days = query.as_of.days_since(event.time);
            let (age, newer) = (age_days as f32, (last - step) as f32);
            for ((left, rate), push) in left.iter_mut().zip(&self.basis.rates).zip(&self.basis.displacements)
            {
                *left = -(rate * age + push * newer);
            }
            events.push(PastEvent { place, age_days, event });
        }
        exp_all(&mut decays);
        decays.iter_mut().for_each(|decay| *decay = if *decay < NOTHING { 0.0 } else { *decay });
        let mut left = decays.clone();
        for (left, past) in left.chunks_exact_mut(scales.max(1)).zip(&events) {
            match self.type_weights(&past.event) {
                // Of a type that the model does not know nothing is left.
                [] => left.fill(0.0),
                of_type => left.iter_mut().zip(of_type).for_each(|(left, of_type)| *left *= of_type),
            }
        }
        let (by_item, items) = by_item(&events);
        let vectors = self.vectors_of(items.iter().map(|own| by_item[own.start].0));
        let state = Vec::new();
        let mut past = Past { events, decays, left, scales, steps, by_item, items, vectors, state };
        past.state = past.state(self.weights.shape.dim);
        past
    }

    /// They lie far apart in memory: fetched one after another, with nothing to be done between, many are on their way at once.
    fn vectors_of(&self, items: impl ExactSizeIterator<Item = ItemId>) -> Vec<f32> {
        let dim = self.weights.shape.dim;
        let mut vectors = Vec::with_capacity(items.len() * dim);
        for (number, item) in items.enumerate() {
            vectors.extend_from_slice(self.vector(item));
            vectors.resize((number + 1) * dim, 0.0);
        }
        vectors
    }

    /// The events that any relation looks back on. To their items mined relations are silent.
    pub(super) fn known<'a>(&self, past: &'a Past) -> &'a [PastEvent] {
        let furthest = self.links.iter().map(|link| link.reach).max().unwrap_or_default();
        past.events.get(..past.reached(furthest)).unwrap_or_default()
    }

    /// Items of the known history with their vectors, the item of the newest event first.
    pub(super) fn familiar<'a>(&self, past: &'a Past) -> impl Iterator<Item = (ItemId, &'a [f32])> {
        let (known, n_items) = (self.known(past).len(), self.weights.shape.items);
        let own = past.of_items().map(|events| events[0]).take_while(move |own| (own.1 as usize) < known);
        let own = own.zip(past.vectors.chunks_exact(self.weights.shape.dim.max(1)));
        own.map(|((item, _), vector)| (item, vector)).filter(move |(item, _)| item.index() < n_items)
    }

    /// What a relation's kernel leaves of an event.
    pub(super) fn kernel(&self, link: usize, past: &Past, number: usize) -> f32 {
        let [common, own] = self.coefficients(link, &past.events[number].event);
        let left = past.decays(number);
        let sum = |coefficients: &[f32]| -> f32 { coefficients.iter().zip(left).map(|(a, b)| a * b).sum() };
        sum(common) + sum(own)
    }

    /// Coefficients of a relation's kernel for an event: those of its type, and what its item's department adds, if anything.
    pub(super) fn coefficients(&self, link: usize, event: &Event) -> [&[f32]; 2] {
        let departments = self.links[link].departments();
        let department = departments.and_then(|departments| departments.of_item(event.item));
        self.coefficients_of(link, event.event_type.index(), department)
    }

    /// The same for a type and a department.
    pub(super) fn coefficients_of(&self, link: usize, kind: usize, department: Option<usize>) -> [&[f32]; 2] {
        let (types, scales) = (self.weights.shape.types, self.weights.shape.scales);
        let row = |group: Group, number: usize| {
            let start = (number * types + kind) * scales;
            self.weights.group(group).get(start..start + scales).unwrap_or_default()
        };
        [row(Group::Kernels, link), department.map_or(&[], |place| row(Group::Returns, place))]
    }
}
