//! What a question knows of the past: the events, newest first, with what is left of each in every time scale.
//!
//! It is worked out once for a question, and all parts of the score read it: vectors, relations, familiar items, reasons. The trace
//! of a user, [`Trace`](crate::decay::Trace), is the same sum carried on from event to event; from the events themselves
//! exponentials are taken many at once and each item's vector is read once.

use std::borrow::Cow;
use std::ops::Range;

use faer::Accum;

use super::TraceModel;
use crate::events::{Event, ItemId};
use crate::recommend::search::dot;
use crate::recommend::{Query, Reason};
use crate::train::{Group, exp_all, product, recent, table, table_mut};

/// A history as of a moment.
pub(super) struct Past {
    /// Newest first.
    pub(super) events: Vec<PastEvent>,
    /// What is left of each event in each scale, event by event.
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

    /// How many events a relation looks back on.
    pub(super) fn reached(&self, reach: u32) -> usize {
        recent(&self.steps, reach)
    }

    /// The event as a reason, of which the weights of the scales are known.
    pub(super) fn reason(
        &self,
        number: usize,
        relation: Cow<'static, str>,
        weights: impl Iterator<Item = f32>,
        share: f64,
    ) -> Reason {
        let PastEvent { place, age_days, .. } = self.events[number];
        let (mut fresh, mut left) = (0.0, 0.0);
        for (weight, decay) in weights.zip(self.decays(number)) {
            fresh += weight.abs();
            left += weight.abs() * decay;
        }
        let decay = if fresh > 0.0 { f64::from(left / fresh) } else { 1.0 };
        Reason { event: place, relation, age_days, decay, share }
    }
}

impl TraceModel {
    /// The past of a question.
    pub(super) fn past(&self, query: &Query<'_>) -> Past {
        let steps = self.goal.steps(query.history);
        let last = steps.last().copied().unwrap_or_default();
        let (mut events, mut decays) = (Vec::with_capacity(steps.len()), Vec::new());
        decays.reserve(steps.len() * self.basis.len());
        for (place, (event, step)) in query.history.iter().zip(&steps).enumerate().rev() {
            let age_days = query.as_of.days_since(event.time);
            let (age, newer) = (age_days as f32, (last - step) as f32);
            let scales = self.basis.rates.iter().zip(&self.basis.displacements);
            decays.extend(scales.map(|(rate, push)| -(rate * age + push * newer)));
            events.push(PastEvent { place, age_days, event });
        }
        exp_all(&mut decays);
        let mut left = decays.clone();
        for (left, past) in left.chunks_exact_mut(self.basis.len().max(1)).zip(&events) {
            // Of a type that the model does not know nothing is left.
            let of_type = self.type_weights(&past.event).iter().copied().chain(std::iter::repeat(0.0));
            left.iter_mut().zip(of_type).for_each(|(left, of_type)| *left *= of_type);
        }
        let mut by_item: Vec<(ItemId, u32)> = events.iter().map(|past| past.event.item).zip(0..).collect();
        by_item.sort_unstable();
        let mut items = Vec::with_capacity(by_item.len());
        for own in by_item.chunk_by(|one, next| one.0 == next.0) {
            let start = items.last().map_or(0, |before: &Range<usize>| before.end);
            items.push(start..start + own.len());
        }
        items.sort_unstable_by_key(|own| by_item[own.start].1);
        let vectors = self.vectors_of(items.iter().map(|own| by_item[own.start].0));
        Past { events, decays, left, scales: self.basis.len(), steps, by_item, items, vectors }
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

    /// `S_m`, scale by scale.
    pub(super) fn state(&self, past: &Past) -> Vec<f32> {
        let (dim, scales, n_items) = (self.weights.shape.dim, past.scales, past.items.len());
        let mut weights = vec![0.0; n_items * scales];
        for (weights, events) in weights.chunks_exact_mut(scales.max(1)).zip(past.of_items()) {
            for &(_, number) in events {
                weights.iter_mut().zip(past.left(number as usize)).for_each(|(weight, left)| *weight += left);
            }
        }
        let mut state = vec![0.0; scales * dim];
        product(
            table_mut(&mut state, scales, dim),
            table(&weights, n_items, scales).transpose(),
            table(&past.vectors, n_items, dim),
            Accum::Replace,
        );
        state
    }

    /// The events that any relation looks back on. To their items mined relations are silent.
    pub(super) fn known<'a>(&self, past: &'a Past) -> &'a [PastEvent] {
        let furthest = self.links.iter().map(|link| link.reach).max().unwrap_or_default();
        past.events.get(..past.reached(furthest)).unwrap_or_default()
    }

    /// Items of the known history, sorted.
    pub(super) fn familiar(&self, past: &Past) -> Vec<ItemId> {
        let (known, n_items) = (self.known(past).len(), self.weights.shape.items);
        let own = past.of_items().map(|events| events[0]).filter(|own| (own.1 as usize) < known);
        let mut items: Vec<ItemId> =
            own.map(|(item, _)| item).filter(|item| item.index() < n_items).collect();
        items.sort_unstable();
        items
    }

    /// What a relation's kernel leaves of an event. `weights` becomes the kernel's coefficients for it.
    pub(super) fn kernel(&self, link: usize, past: &Past, number: usize, weights: &mut Vec<f32>) -> f32 {
        self.write_coefficients(link, &past.events[number].event, weights);
        dot(weights, past.decays(number))
    }

    /// Coefficients of a relation's kernel for an event: those of its type, and what its item's department adds.
    pub(super) fn write_coefficients(&self, link: usize, event: &Event, weights: &mut Vec<f32>) {
        let departments = self.links[link].departments();
        let department = departments.and_then(|departments| departments.of_item(event.item));
        self.write_coefficients_of(link, event.event_type.index(), department, weights);
    }

    /// The same for a type and a department.
    pub(super) fn write_coefficients_of(
        &self,
        link: usize,
        kind: usize,
        department: Option<usize>,
        weights: &mut Vec<f32>,
    ) {
        let (types, scales) = (self.weights.shape.types, self.weights.shape.scales);
        let row = |group: Group, number: usize| {
            let start = (number * types + kind) * scales;
            self.weights.group(group).get(start..start + scales).unwrap_or_default()
        };
        weights.clear();
        weights.extend_from_slice(row(Group::Kernels, link));
        if let Some(place) = department {
            weights.iter_mut().zip(row(Group::Returns, place)).for_each(|(common, own)| *common += own);
        }
    }
}
