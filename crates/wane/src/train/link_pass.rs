//! What the relations say of one example's candidates, forward and backward.
//!
//! - `z_j += g_r asinh(x_rj)` with `x_rj = sum_i kappa_r(a_i, s_i, n_i) R_r[x_i, j]` over the recent events i, and
//!   `kappa_r = sum_m c[r, a, m] exp(-(lambda_m s_i + delta_m n_i))`.
//! - Examples of one batch meet the same items again and again, so an item's links to the batch's candidates are
//!   looked up once ([`NearLinks`]); what is left per example is to add short rows.
//! - What the example's own user put into a mined link to a target is taken out of it ([`OwnPairs`]), and mined
//!   relations are silent about the known history, as when the model is asked; see [`Link::is_mined`].

use super::batch::ABSENT;
use super::corpus::Example;
use super::kernels::{asinh_all, exp_all};
use super::lane::{Step, reset};
use super::links::{Link, LinkRows};
use super::weights::{Group, Shape};
use crate::events::{History, ItemId, UserId};

/// Events of a user that relations look back on at most.
const EVENTS: usize = 1_000;

/// Number of the last events whose places are among the last `reach`, [`EVENTS`] at most.
pub(crate) fn recent(steps: &[u32], reach: u32) -> usize {
    let last = steps.last().copied().unwrap_or_default();
    steps.iter().rev().take(EVENTS).take_while(|&&step| last - step < reach).count()
}

/// The pass over one example; its buffers are used again for the next.
#[derive(Debug, Default)]
pub(super) struct LinkPass {
    near: NearLinks,
    events: Events,
    own: OwnPairs,
    said: Vec<Said>,
    /// A row of all candidates: sums on the way forward, their adjoints on the way back.
    row: Vec<f32>,
    /// Number of the relation of an example that touched a candidate last.
    stamps: Vec<u32>,
    stamp: u32,
    /// Candidates that the relation at work touched, and room for more.
    touched: Vec<u32>,
    /// Candidates of the known history.
    is_known: Vec<bool>,
}

/// The recent events of an example, newest first.
#[derive(Debug, Default)]
struct Events {
    members: Vec<u32>,
    types: Vec<u8>,
    ages: Vec<f32>,
    newer: Vec<f32>,
    /// Department among those of [`Group::Returns`], or [`ABSENT`].
    departments: Vec<u32>,
    /// Which weights are an event's own, or [`ABSENT`]: most events link to no candidate, and need none.
    slots: Vec<u32>,
    /// Weight in each scale of the events that have a slot.
    decays: Vec<f32>,
}

/// What one relation says of one example.
#[derive(Debug, Default)]
struct Said {
    /// Candidates it speaks for, their sums `x`, and `asinh x`.
    touched: Vec<u32>,
    sums: Vec<f32>,
    saturated: Vec<f32>,
    /// Recent events that link to candidates, with the places of their links.
    events: Vec<(u32, u32)>,
    corrections: Vec<Correction>,
}

/// By how much the strength of an event's link to a target differs for this user.
#[derive(Debug, Clone, Copy)]
struct Correction {
    event: u32,
    candidate: u32,
    strength: f32,
}

/// Links of the batch's items to its candidates, filled as they are asked for.
#[derive(Debug, Default)]
struct NearLinks {
    /// By relation, then member: first and last place of its links.
    ranges: Vec<(u32, u32)>,
    candidates: Vec<u32>,
    strengths: Vec<f32>,
}

impl NearLinks {
    fn clear(&mut self, links: usize, members: usize) {
        self.ranges.clear();
        self.ranges.resize(links * members, (ABSENT, ABSENT));
        self.candidates.clear();
        self.strengths.clear();
    }

    /// Looks up a member's links; returns the place of its row, if there is anything in it.
    fn load(&mut self, step: &Step<'_>, number: usize, member: u32) -> Option<u32> {
        let (link, members) = (&step.corpus.links[number], step.members);
        let place = number * members.items.len() + member as usize;
        if self.ranges[place].0 == ABSENT {
            let first = self.candidates.len();
            let mut add = |to: ItemId, strength| {
                if let Some(candidate) = members.candidate(to.0).filter(|&place| !step.is_silent(link, place))
                {
                    self.candidates.push(candidate);
                    self.strengths.push(strength);
                }
            };
            if !step.is_silent(link, member) {
                link.strengths(ItemId(members.items[member as usize]), &mut add);
            }
            self.ranges[place] = (first as u32, self.candidates.len() as u32);
        }
        let (first, last) = self.ranges[place];
        (last > first).then_some(place as u32)
    }

    /// Candidates and strengths of a member's links, once they are loaded.
    fn row(&self, place: u32) -> (&[u32], &[f32]) {
        let (first, last) = self.ranges[place as usize];
        let range = first as usize..last as usize;
        (&self.candidates[range.clone()], &self.strengths[range])
    }
}

impl LinkPass {
    /// Makes ready for another batch.
    pub(super) fn prepare(&mut self, step: &Step<'_>) {
        let candidates = step.members.candidates;
        self.near.clear(step.corpus.links.len(), step.members.items.len());
        self.own.user = None;
        self.said.resize_with(step.corpus.links.len(), Said::default);
        reset(&mut self.row, candidates);
        self.stamps.clear();
        self.stamps.resize(candidates, 0);
        self.stamp = 0;
        self.touched.resize(candidates, 0);
        self.is_known.clear();
        self.is_known.resize(candidates, false);
    }

    /// Adds what the relations say to the logits of an example.
    pub(super) fn forward(&mut self, step: &Step<'_>, example: &Example, logits: &mut [f32]) {
        let Some(reach) = step.corpus.links.iter().map(|link| link.reach).max() else { return };
        let history = step.corpus.log.history(example.user).first(example.known as usize);
        let history = history.last(recent(&step.corpus.steps(example.user)[..history.len()], reach));
        self.events.read(step, history, example);
        self.find(step);
        self.mark_known(true);
        for (number, link) in step.corpus.links.iter().enumerate() {
            let is_mined = link.is_mined();
            self.add_up(step, number);
            if is_mined {
                self.correct(step, number, link, example);
            }
            self.saturate(number, is_mined);
            let gain = step.weights.group(Group::Gains)[number];
            let said = &self.said[number];
            said.touched.iter().zip(&said.saturated).for_each(|(&c, x)| logits[c as usize] += gain * x);
        }
        self.mark_known(false);
    }

    /// Finds the events that link to candidates, and weighs them.
    fn find(&mut self, step: &Step<'_>) {
        let Self { near, events, said, .. } = self;
        for ((number, link), said) in step.corpus.links.iter().enumerate().zip(said) {
            said.events.clear();
            let within = events.newer.iter().take_while(|&&newer| newer < link.reach as f32).count();
            for event in 0..within {
                if let Some(place) = near.load(step, number, events.members[event]) {
                    said.events.push((event as u32, place));
                    events.need(step, event);
                }
            }
        }
        exp_all(&mut events.decays);
    }

    /// Sums what a relation's recent events say.
    fn add_up(&mut self, step: &Step<'_>, number: usize) {
        self.stamp += 1;
        let Self { near, events, said, row, stamps, stamp, touched, .. } = self;
        let said = &mut said[number];
        let mut n_touched = 0;
        for &(event, place) in &said.events {
            let kappa = events.kernel(step, number, event as usize);
            let (candidates, strengths) = near.row(place);
            n_touched = add_row(row, (stamps, *stamp), (touched, n_touched), kappa, candidates, strengths);
        }
        said.touched.clear();
        said.touched.extend_from_slice(&touched[..n_touched]);
    }

    /// Takes out of a mined relation's links to the targets what the user put in.
    fn correct(&mut self, step: &Step<'_>, number: usize, link: &Link, example: &Example) {
        let Self { own, events, said, stamps, .. } = self;
        let LinkRows::Mined { mined, .. } = &link.rows else { return };
        own.visit(step, example.user);
        let said = &mut said[number];
        said.corrections.clear();
        for &target in step.corpus.targets(example) {
            let candidate = step.members.place(target);
            if stamps.get(candidate as usize) != Some(&self.stamp) || self.is_known[candidate as usize] {
                continue;
            }
            own.count(step, link, target);
            for &(event, _) in &said.events {
                let from = ItemId(step.members.items[events.members[event as usize] as usize]);
                let Some(own) = own.of(from) else { continue };
                let Some(strength) = mined.relation.weight(from, ItemId(target)) else { continue };
                let strength = mined.without(from, ItemId(target), strength, own) - strength;
                said.corrections.push(Correction { event, candidate, strength });
            }
        }
        for correction in &said.corrections {
            let kappa = events.kernel(step, number, correction.event as usize);
            self.row[correction.candidate as usize] += kappa * correction.strength;
        }
    }

    /// Takes the sums off the row and saturates them.
    fn saturate(&mut self, number: usize, is_mined: bool) {
        let Self { said, row, is_known, .. } = self;
        let said = &mut said[number];
        if is_mined {
            said.touched.retain(|&candidate| !is_known[candidate as usize]);
        } else {
            said.corrections.clear();
        }
        said.sums.clear();
        said.sums.extend(said.touched.iter().map(|&candidate| row[candidate as usize]));
        said.saturated.clone_from(&said.sums);
        asinh_all(&mut said.saturated);
    }

    fn mark_known(&mut self, is_known: bool) {
        for &member in &self.events.members {
            if let Some(known) = self.is_known.get_mut(member as usize) {
                *known = is_known;
            }
        }
    }

    /// Adds the gradients of kernels, gains, rates and displacements, from those of the example's logits.
    pub(super) fn backward(&mut self, step: &Step<'_>, adjoints: &[f32], shared: &mut [f32]) {
        // Sums that nobody asks for any more make room for adjoints, which are 0 where a relation is silent.
        for number in 0..self.said.len() {
            let said = &self.said[number];
            let gain = step.weights.group(Group::Gains)[number];
            for &(_, place) in &said.events {
                self.near.row(place).0.iter().for_each(|&candidate| self.row[candidate as usize] = 0.0);
            }
            let mut of_gain = 0.0;
            for ((&candidate, x), saturated) in said.touched.iter().zip(&said.sums).zip(&said.saturated) {
                let adjoint = adjoints[candidate as usize];
                of_gain += adjoint * saturated;
                self.row[candidate as usize] = adjoint * gain / (1.0 + x * x).sqrt();
            }
            shared[step.weights.shape.range(Group::Gains).start + number] += of_gain;
            for &(event, place) in &said.events {
                let (candidates, strengths) = self.near.row(place);
                let of_kappa = sum_row(&self.row, candidates, strengths);
                self.events.along(step, number, event as usize, of_kappa, shared);
            }
            for correction in &said.corrections {
                let of_kappa = correction.strength * self.row[correction.candidate as usize];
                self.events.along(step, number, correction.event as usize, of_kappa, shared);
            }
        }
    }
}

/// Adds `kappa * strength` to the row at each candidate. A candidate that this stamp has not met starts at 0 and
/// joins the touched ones, whose number is returned.
fn add_row(
    row: &mut [f32],
    (stamps, stamp): (&mut [u32], u32),
    (touched, mut n_touched): (&mut [u32], usize),
    kappa: f32,
    candidates: &[u32],
    strengths: &[f32],
) -> usize {
    for (&candidate, strength) in candidates.iter().zip(strengths) {
        let place = candidate as usize;
        let is_new = stamps[place] != stamp;
        stamps[place] = stamp;
        // Without a branch: the place is written in any case, and kept if it is new.
        if let Some(next) = touched.get_mut(n_touched) {
            *next = candidate;
        }
        n_touched += usize::from(is_new);
        row[place] = if is_new { 0.0 } else { row[place] } + kappa * strength;
    }
    n_touched
}

/// Sum of `strength * value` over a row's candidates.
fn sum_row(values: &[f32], candidates: &[u32], strengths: &[f32]) -> f32 {
    candidates.iter().zip(strengths).map(|(&candidate, strength)| strength * values[candidate as usize]).sum()
}

impl Events {
    fn read(&mut self, step: &Step<'_>, history: History<'_>, example: &Example) {
        self.members.clear();
        self.types.clear();
        self.ages.clear();
        self.newer.clear();
        self.departments.clear();
        self.decays.clear();
        let known = example.known as usize;
        let steps = &step.corpus.steps(example.user)[known - history.len()..known];
        let last = steps.last().copied().unwrap_or_default();
        if let Some(departments) = step.corpus.links.iter().find_map(Link::departments) {
            let place = |item: &ItemId| departments.of_item(*item).map_or(ABSENT, |place| place as u32);
            self.departments.extend(history.items().iter().rev().map(place));
        }
        for (event, place) in history.iter().zip(steps).rev() {
            let newer = (last - place) as f32;
            let age = example.as_of.days_since(event.time) as f32;
            self.members.push(step.members.place(event.item.0));
            self.types.push(event.event_type.0);
            self.ages.push(age);
            self.newer.push(newer);
        }
        self.slots.clear();
        self.slots.resize(history.len(), ABSENT);
    }

    /// Gives an event a slot, with the logarithms of its weights.
    fn need(&mut self, step: &Step<'_>, event: usize) {
        if self.slots[event] == ABSENT {
            self.slots[event] = self.decays.len() as u32;
            let (age, newer) = (self.ages[event], self.newer[event]);
            let scales = step.basis.rates.iter().zip(&step.basis.displacements);
            self.decays.extend(scales.map(|(rate, displacement)| -(rate * age + displacement * newer)));
        }
    }

    /// Weight of an event in each scale, once it is needed.
    fn decays(&self, event: usize, scales: usize) -> &[f32] {
        &self.decays[self.slots[event] as usize..][..scales]
    }

    /// First coefficient of a relation's kernel for the type of an event, among the kernels.
    fn coefficients(&self, shape: Shape, number: usize, event: usize) -> usize {
        (number * shape.types + self.types[event] as usize) * shape.scales
    }

    /// First coefficient of what an event's department adds to a relation, among those of [`Group::Returns`].
    fn own_coefficients(&self, step: &Step<'_>, number: usize, event: usize) -> Option<usize> {
        let shape = step.weights.shape;
        step.corpus.links[number].departments()?;
        let department = self.departments[event];
        let row = department as usize * shape.types + self.types[event] as usize;
        (department != ABSENT).then_some(row * shape.scales)
    }

    /// `kappa` of a relation for an event.
    fn kernel(&self, step: &Step<'_>, number: usize, event: usize) -> f32 {
        let shape = step.weights.shape;
        let decays = self.decays(event, shape.scales);
        let product = |group: Group, first: usize| -> f32 {
            let coefficients = &step.weights.group(group)[first..][..shape.scales];
            coefficients.iter().zip(decays).map(|(coefficient, decay)| coefficient * decay).sum()
        };
        let kappa = product(Group::Kernels, self.coefficients(shape, number, event));
        kappa + self.own_coefficients(step, number, event).map_or(0.0, |first| product(Group::Returns, first))
    }

    /// Backward through [`Self::kernel`].
    fn along(&self, step: &Step<'_>, number: usize, event: usize, of_kappa: f32, shared: &mut [f32]) {
        if of_kappa == 0.0 {
            return;
        }
        let shape = step.weights.shape;
        let first = self.coefficients(shape, number, event);
        if let Some(first) = self.own_coefficients(step, number, event) {
            self.along_part(step, (Group::Returns, first), event, of_kappa, shared);
        }
        self.along_part(step, (Group::Kernels, first), event, of_kappa, shared);
    }

    fn along_part(
        &self,
        step: &Step<'_>,
        (group, first): (Group, usize),
        event: usize,
        of_kappa: f32,
        shared: &mut [f32],
    ) {
        let shape = step.weights.shape;
        let kernels = shape.range(group).start + first;
        let (rates, displacements) =
            (shape.range(Group::Rates).start, shape.range(Group::Displacements).start);
        let coefficients = &step.weights.group(group)[first..][..shape.scales];
        let decays = self.decays(event, shape.scales);
        for (m, (coefficient, decay)) in coefficients.iter().zip(decays).enumerate() {
            shared[kernels + m] += of_kappa * decay;
            let of_decay = of_kappa * coefficient * decay;
            shared[rates + m] -= of_decay * self.ages[event];
            shared[displacements + m] -= of_decay * self.newer[event];
        }
    }
}

/// What one user's events put into the links to a target.
#[derive(Debug, Default)]
struct OwnPairs {
    user: Option<UserId>,
    /// The user's items with their places in the history, by item.
    places: Vec<(u32, u32)>,
    /// Items with a share in the target's links.
    pairs: Vec<(ItemId, f32)>,
}

impl OwnPairs {
    /// Reads the history of a user, unless it is at hand.
    fn visit(&mut self, step: &Step<'_>, user: UserId) {
        if self.user != Some(user) {
            self.user = Some(user);
            self.places.clear();
            let items = step.corpus.log.history(user).items();
            self.places.extend(items.iter().map(|item| item.0).zip(0u32..));
            self.places.sort_unstable();
        }
    }

    /// Sums what the whole history put into the links to a target.
    fn count(&mut self, step: &Step<'_>, link: &Link, target: u32) {
        self.pairs.clear();
        let (Some(user), LinkRows::Mined { pairing, is_reversed, .. }) = (self.user, &link.rows) else {
            return;
        };
        let (items, places) = (step.corpus.log.history(user).items(), step.corpus.steps(user));
        let first = self.places.partition_point(|&(item, _)| item < target);
        for &(_, at) in self.places[first..].iter().take_while(|&&(item, _)| item == target) {
            pairing.partners(items, places, at as usize, *is_reversed, |from, weight| {
                match self.pairs.iter_mut().find(|(item, _)| *item == from) {
                    Some((_, sum)) => *sum += weight,
                    None => self.pairs.push((from, weight)),
                }
            });
        }
    }

    fn of(&self, from: ItemId) -> Option<f32> {
        self.pairs.iter().find(|(item, _)| *item == from).map(|(_, sum)| *sum)
    }
}
