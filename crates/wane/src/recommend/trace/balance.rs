//! What each part of the score deserves, learned from held-out questions.
//!
//! Vectors are trained on the very transitions that they then predict, so in training they look surer than they will be of
//! transitions to come; repeats, relations and popularity hardly memorise and are given too little beside them. So each
//! part p of the score gets one factor `theta_p`: the score becomes `sum_p theta_p x_pj`, and the factors minimise
//!
//! `sum_q -log softmax_j(sum_p theta_p x_pj)[target of q] + sum_p (theta_p - 1)^2 / (2 sd^2)`
//!
//! over held-out questions q. Of items that the user knows already, vectors, bias and popularity say something else than of
//! new ones, so there each of these parts has a second factor beside its first, with a prior around 0, and there is a
//! bonus. This is convex in two dozen numbers: Newton's method needs few passes, and fewer when it starts
//! from the factors of the epoch before. The penalty is a normal prior around "as trained", from which a handful of questions
//! cannot move it far. Where all items compete, those that no relation names are represented by a sample, whose
//! logits are raised by the logarithm of how many each stands for.
//!
//! David Wolpert, "Stacked generalization", Neural Networks 5, 1992.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use faer::prelude::Solve;
use faer::{Mat, Side};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use super::TraceModel;
use super::past::Past;
use crate::error::{Error, Result};
use crate::events::ItemId;
use crate::recommend::search::dot as product;
use crate::recommend::sums::Sums;
use crate::recommend::{Query, Question};
use crate::train::{Group, Shape, Weights, add_scaled, asinh_all, dot, softmax};
use crate::wide::wide;

/// Standard deviation of the prior around what has been trained.
const SPREAD: f64 = 0.5;
/// Newton steps at most.
const STEPS: usize = 10;
/// Decrease of the mean loss, in nats, below which nothing more is gained.
const LITTLE: f64 = 1e-5;
/// Numbers kept at most (four bytes each).
const ROOM: usize = 100_000_000;
/// Items drawn where all compete.
const DRAWN: usize = 2_000;

/// Least size of a factor that another is told as a share of.
const LEAST: f64 = 1e-3;

/// One factor for each part of the score: every scale of the vectors, the bias, popularity at each half-life, every
/// relation; then what the first of these, up to the relations, are raised by for familiar items, and the bonus of such.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Balance(Vec<f64>);

/// How many parts come before the relations.
fn before_links(shape: Shape) -> usize {
    shape.scales + 1 + shape.fashions
}

impl Balance {
    /// Everything counts as trained.
    pub(super) fn even(shape: Shape) -> Self {
        let (parts, own) = (before_links(shape) + shape.links, before_links(shape) + 1);
        Self((0..parts + own).map(|place| if place < parts { 1.0 } else { 0.0 }).collect())
    }

    /// The factors' bits, for a file.
    pub(super) fn bits(&self) -> Vec<u64> {
        self.0.iter().map(|factor| factor.to_bits()).collect()
    }

    /// The factors again from their bits.
    pub(super) fn from_bits(bits: &[u64]) -> Self {
        Self(bits.iter().map(|bits| f64::from_bits(*bits)).collect())
    }

    /// Proves that there is a factor for each part of a model of this shape.
    ///
    /// # Errors
    /// [`Error::Setting`] for the state of another training.
    pub(super) fn check(&self, shape: Shape) -> Result<()> {
        let expected = Self::even(shape).0.len();
        if self.0.len() == expected {
            return Ok(());
        }
        let expected = format!("{expected} factors; the state is of another training, begin anew");
        Err(Error::setting("balance", expected, self.0.len()))
    }

    /// The weights with their parts multiplied.
    pub(super) fn applied(&self, mut weights: Weights) -> Weights {
        let shape = weights.shape;
        let parts = before_links(shape) + shape.links;
        // Told as a share of the factor for all items, which must not be 0 for that.
        let of_all = |place: usize| {
            let factor = self.0[place];
            if place < before_links(shape) && factor.abs() < LEAST { LEAST } else { factor }
        };
        let familiar = weights.group_mut(Group::Familiar);
        for (place, more) in familiar[..before_links(shape)].iter_mut().enumerate() {
            *more = (1.0 + *more) * (1.0 + self.0[parts + place] / of_all(place)) as f32 - 1.0;
        }
        familiar[before_links(shape)] += self.0[parts + before_links(shape)] as f32;
        let factor = |place: usize| of_all(place) as f32;
        let rows = weights.group_mut(Group::Mixing).chunks_exact_mut((shape.dim * shape.dim).max(1));
        rows.enumerate().for_each(|(m, rows)| rows.iter_mut().for_each(|w| *w *= factor(m)));
        weights.bias.iter_mut().for_each(|bias| *bias *= factor(shape.scales));
        weights.group_mut(Group::Novelty).iter_mut().for_each(|bias| *bias *= factor(shape.scales));
        let fashions = weights.group_mut(Group::Fashions).iter_mut();
        fashions.enumerate().for_each(|(h, weight)| *weight *= factor(shape.scales + 1 + h));
        let gains = weights.group_mut(Group::Gains).iter_mut();
        gains.enumerate().for_each(|(r, gain)| *gain *= factor(before_links(shape) + r));
        weights
    }

    /// The factors that make a model answer the questions best, sought from these; returns the mean loss that is left.
    pub(super) fn improve(&mut self, model: &TraceModel, questions: &[&Question<'_>]) -> f64 {
        let kept = Kept::of(questions.len());
        let mut least = f64::INFINITY;
        let mut step = vec![0.0; self.0.len()];
        for _ in 0..STEPS {
            let tried = Self(self.0.iter().zip(&step).map(|(factor, step)| factor - step).collect());
            let slope = tried.slope(model, questions, &kept);
            if !slope.loss.is_finite() || slope.loss > least {
                // Too far: Newton's step promises a decrease only near the minimum.
                step.iter_mut().for_each(|step| *step *= 0.5);
                continue;
            }
            *self = tried;
            let gained = least - slope.loss;
            least = slope.loss;
            if gained < LITTLE * questions.len() as f64 {
                break;
            }
            let Some(next) = slope.newton() else { break };
            step = next;
        }
        least / questions.len().max(1) as f64
    }

    /// Loss, slope and curvature over all questions, the prior included.
    fn slope(&self, model: &TraceModel, questions: &[&Question<'_>], kept: &Kept) -> Slope {
        let slopes: Vec<Slope> = questions
            .par_iter()
            .zip(&kept.parts)
            .enumerate()
            .map_init(Sums::default, |sums, (number, (question, place))| {
                if let Some(parts) = place.get() {
                    return parts.slope(&self.0);
                }
                let parts = Parts::of(model, question, number as u64, sums);
                let slope = parts.slope(&self.0);
                kept.keep(place, parts);
                slope
            })
            .collect();
        let mut total = Slope::of_prior(&self.0, &Self::even(model.weights.shape).0);
        slopes.iter().for_each(|slope| total.add(slope));
        total
    }
}

/// Parts that the next step of Newton's method finds again, as far as there is room for them. Which are kept may depend on
/// the threads; what is made of them does not.
struct Kept {
    parts: Vec<OnceLock<Parts>>,
    room: AtomicUsize,
}

impl Kept {
    fn of(questions: usize) -> Self {
        Self { parts: (0..questions).map(|_| OnceLock::new()).collect(), room: AtomicUsize::new(ROOM) }
    }

    fn keep(&self, place: &OnceLock<Parts>, parts: Parts) {
        let size = parts.values.iter().map(Vec::len).sum();
        let fits = |room: usize| room.checked_sub(size);
        if self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok() {
            // The place is this question's own and was empty.
            let _ = place.set(parts);
        }
    }
}

/// A loss with its slope and curvature along the factors.
struct Slope {
    loss: f64,
    gradient: Vec<f64>,
    /// Row by row.
    curvature: Vec<f64>,
}

impl Slope {
    fn of_prior(factors: &[f64], even: &[f64]) -> Self {
        let (n, precision) = (factors.len(), 1.0 / (SPREAD * SPREAD));
        let off = factors.iter().zip(even).map(|(factor, even)| factor - even);
        Self {
            loss: off.clone().map(|off| precision * off * off / 2.0).sum(),
            gradient: off.map(|off| precision * off).collect(),
            curvature: (0..n * n).map(|place| if place % (n + 1) == 0 { precision } else { 0.0 }).collect(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.gradient.iter_mut().zip(&other.gradient).for_each(|(a, b)| *a += b);
        self.curvature.iter_mut().zip(&other.curvature).for_each(|(a, b)| *a += b);
    }

    /// Newton's step: curvature^-1 gradient.
    fn newton(&self) -> Option<Vec<f64>> {
        let n = self.gradient.len();
        let curvature = Mat::from_fn(n, n, |a, b| self.curvature[a * n + b]);
        let step = curvature.llt(Side::Lower).ok()?.solve(Mat::from_fn(n, 1, |a, _| self.gradient[a]));
        let step: Vec<f64> = (0..n).map(|a| step[(a, 0)]).collect();
        step.iter().all(|step| step.is_finite()).then_some(step)
    }
}

/// The parts of the scores of one question's candidates.
struct Parts {
    /// By part, then candidate.
    values: Vec<Vec<f32>>,
    /// Of each candidate: logarithm of how many items it stands for, and the bonus that it has already.
    offsets: Vec<f32>,
    /// Places of the targets among the candidates.
    targets: Vec<usize>,
    /// Places of the familiar items.
    familiar: Vec<usize>,
    /// How many parts, the first, have a second factor for familiar items.
    n_apart: usize,
}

impl Parts {
    fn of(model: &TraceModel, question: &Question<'_>, number: u64, sums: &mut Sums) -> Self {
        let query = Query { history: question.history, as_of: question.as_of, candidates: None };
        let past = model.past(&query);
        let spoken = model.spoken_by_link(&past, sums);
        let (candidates, mut offsets) = match question.others {
            Some(others) => {
                let candidates = sorted(others.iter().chain(&question.targets).copied());
                let stands_for = vec![0.0; candidates.len()];
                (candidates, stands_for)
            }
            None => draw(model.weights.shape.items, &spoken, &question.targets, number),
        };
        let places = |items: &[ItemId]| -> Vec<usize> {
            items.iter().filter_map(|item| candidates.binary_search(item).ok()).collect()
        };
        let known = sorted(model.familiar(&past).map(|(item, _)| item));
        let (targets, familiar) = (places(&question.targets), places(&known));
        let mut values = model.vector_parts(&past.state, &candidates);
        values.push(candidates.iter().map(|&item| model.bias(item)).collect());
        values.extend(model.popularity_parts(&query, &candidates));
        let (n_apart, more) = (values.len(), model.weights.group(Group::Familiar));
        for &place in &familiar {
            values.iter_mut().zip(more).for_each(|(part, more)| part[place] *= 1.0 + more);
            offsets[place] += more[n_apart];
        }
        for (said, gain) in spoken.iter().zip(model.weights.group(Group::Gains)) {
            let mut part = vec![0.0; candidates.len()];
            for &(item, value) in said {
                if let Ok(place) = candidates.binary_search(&item) {
                    part[place] = value;
                }
            }
            asinh_all(&mut part);
            part.iter_mut().for_each(|value| *value *= gain);
            values.push(part);
        }
        Self { values, offsets, targets, familiar, n_apart }
    }

    fn slope(&self, factors: &[f64]) -> Slope {
        let (n_parts, n) = (self.values.len(), factors.len());
        let own = Own::of(self);
        let mut shares = self.offsets.clone();
        for (part, factor) in self.values.iter().zip(factors) {
            add_scaled(&mut shares, *factor as f32, part);
        }
        for (column, factor) in own.columns_apart().zip(&factors[n_parts..]) {
            self.familiar.iter().zip(column).for_each(|(&place, x)| shares[place] += *factor as f32 * x);
        }
        let each = 1.0 / self.targets.len().max(1) as f64;
        let of_targets =
            |values: &[f32]| self.targets.iter().map(|&place| f64::from(values[place])).sum::<f64>() * each;
        let of_target = of_targets(&shares);
        let loss = f64::from(softmax(&mut shares, 1.0)) - of_target;
        let of_familiar: Vec<f32> = self.familiar.iter().map(|&place| shares[place]).collect();
        let means: Vec<f64> = self.values.iter().map(|part| f64::from(dot(part, &shares))).collect();
        let own_means = own.columns_apart().map(|column| f64::from(dot(column, &of_familiar)));
        let means: Vec<f64> = means.into_iter().chain(own_means).collect();
        let mut curvature = vec![0.0; n * n];
        let mut set = |a: usize, b: usize, product: f64| {
            let value = product - means[a] * means[b];
            curvature[a * n + b] = value;
            curvature[b * n + a] = value;
        };
        let mut weighted = vec![0.0; shares.len()];
        for a in 0..n_parts {
            multiply(&self.values[a], &shares, &mut weighted);
            (0..=a).for_each(|b| set(a, b, f64::from(dot(&weighted, &self.values[b]))));
        }
        let mut weighted = vec![0.0; of_familiar.len()];
        for (a, column) in (n_parts..).zip(own.columns_apart()) {
            multiply(column, &of_familiar, &mut weighted);
            for (b, other) in own.columns.iter().enumerate().take(n_parts) {
                set(a, b, f64::from(dot(&weighted, other)));
            }
            for (b, other) in (n_parts..=a).zip(own.columns_apart()) {
                set(a, b, f64::from(dot(&weighted, other)));
            }
        }
        let of_targets = self.values.iter().map(|part| of_targets(part));
        let place_in_own = |target: &usize| self.familiar.binary_search(target).ok();
        let targets: Vec<usize> = self.targets.iter().filter_map(place_in_own).collect();
        let of_own_targets = own
            .columns_apart()
            .map(|column| targets.iter().map(|&place| f64::from(column[place])).sum::<f64>() * each);
        let gradient = means.iter().zip(of_targets.chain(of_own_targets)).map(|(mean, own)| mean - own);
        Slope { loss, gradient: gradient.collect(), curvature }
    }
}

/// The parts' values for familiar items alone.
struct Own {
    /// By part, then familiar item; last a column of ones.
    columns: Vec<Vec<f32>>,
    n_apart: usize,
}

impl Own {
    fn of(parts: &Parts) -> Self {
        let column = |part: &Vec<f32>| parts.familiar.iter().map(|&place| part[place]).collect();
        let ones = std::iter::once(vec![1.0; parts.familiar.len()]);
        Self { columns: parts.values.iter().map(column).chain(ones).collect(), n_apart: parts.n_apart }
    }

    /// The columns that have a factor of their own.
    fn columns_apart(&self) -> impl Iterator<Item = &Vec<f32>> {
        self.columns.iter().take(self.n_apart).chain(self.columns.last())
    }
}

fn multiply(one: &[f32], other: &[f32], into: &mut [f32]) {
    into.iter_mut().zip(one.iter().zip(other)).for_each(|(into, (a, b))| *into = a * b);
}

impl TraceModel {
    /// What each relation says, before it is saturated: items with their sums.
    fn spoken_by_link(&self, past: &Past, sums: &mut Sums) -> Vec<Vec<(ItemId, f32)>> {
        let mut spoken = Vec::with_capacity(self.links.len());
        self.sum_links(past, None, sums, |_, sums| {
            spoken.push(sums.iter().collect());
        });
        spoken
    }

    /// The products of vectors with what each scale of the trace asks for.
    fn vector_parts(&self, state: &[f32], candidates: &[ItemId]) -> Vec<Vec<f32>> {
        let dim = self.weights.shape.dim;
        let mixing = self.weights.group(Group::Mixing).chunks_exact((dim * dim).max(1));
        let wanted = |(state, mixing): (&[f32], &[f32])| {
            let mut vector = vec![0.0; dim];
            for (value, row) in state.iter().zip(mixing.chunks_exact(dim)) {
                add_scaled(&mut vector, *value, row);
            }
            vector
        };
        let wanted: Vec<Vec<f32>> = state.chunks_exact(dim.max(1)).zip(mixing).map(wanted).collect();
        let mut parts = vec![vec![0.0; candidates.len()]; wanted.len()];
        // An item's vector is fetched once, for all scales.
        wide(
            #[inline(always)]
            || {
                for (place, &item) in candidates.iter().enumerate() {
                    let vector = self.vector(item);
                    parts
                        .iter_mut()
                        .zip(&wanted)
                        .for_each(|(part, wanted)| part[place] = product(wanted, vector));
                }
            },
        );
        parts
    }

    /// Popularity at each half-life, weighted.
    fn popularity_parts(&self, query: &Query<'_>, candidates: &[ItemId]) -> Vec<Vec<f32>> {
        let weights = self.weights.group(Group::Fashions);
        let bin = self.popularity.bin(query.as_of);
        let of_half_life = |h: usize| {
            let only: Vec<f32> =
                weights.iter().enumerate().map(|(other, w)| if other == h { *w } else { 0.0 }).collect();
            let mut part = vec![0.0; candidates.len()];
            self.popularity.add(bin, &only, candidates.iter().map(|item| item.0), &mut part);
            part
        };
        (0..weights.len()).map(of_half_life).collect()
    }
}

/// The items that relations speak for, the targets, and some of all others, with what each stands for.
fn draw(
    n_items: usize,
    spoken: &[Vec<(ItemId, f32)>],
    targets: &[ItemId],
    number: u64,
) -> (Vec<ItemId>, Vec<f32>) {
    let named = sorted(spoken.iter().flatten().map(|said| said.0).chain(targets.iter().copied()));
    let others = n_items - named.len();
    if others <= DRAWN {
        let all: Vec<ItemId> = (0..n_items as u32).map(ItemId).collect();
        return (all, vec![0.0; n_items]);
    }
    let mut random = SmallRng::seed_from_u64(number);
    let drawn = sorted((0..DRAWN).map(|_| ItemId(random.random_range(0..n_items as u32))));
    let is_named = |item: &ItemId| named.binary_search(item).is_ok();
    let n_drawn = drawn.iter().filter(|item| !is_named(item)).count();
    let each = (others as f32 / n_drawn.max(1) as f32).ln();
    let candidates = sorted(named.iter().copied().chain(drawn));
    let stands_for = candidates.iter().map(|item| if is_named(item) { 0.0 } else { each }).collect();
    (candidates, stands_for)
}

fn sorted(items: impl Iterator<Item = ItemId>) -> Vec<ItemId> {
    let mut items: Vec<ItemId> = items.collect();
    items.sort_unstable();
    items.dedup();
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::linear::two_tastes;
    use crate::recommend::{TraceSettings, Training};

    fn wave(place: usize) -> f32 {
        (place as f32 * 0.7).sin() + 0.5 * (place as f32 * 2.9).cos()
    }

    /// Factors of three parts, then of two of them for familiar items, then the bonus of these.
    const AT: [f64; 6] = [1.0, 0.4, -0.3, 0.2, -0.5, 0.7];

    fn parts() -> Parts {
        let values = (0..3).map(|part| (0..40).map(|item| wave(41 * part + item)).collect()).collect();
        let offsets = (0..40).map(|item| if item < 9 { 0.0 } else { 1.3 }).collect();
        Parts { values, offsets, targets: vec![2, 17], familiar: vec![1, 5, 17, 30], n_apart: 2 }
    }

    #[test]
    fn slope_and_curvature_are_those_of_the_loss() {
        let (parts, at) = (parts(), AT);
        let slope = parts.slope(&at);
        let step = 1e-2;
        for a in 0..AT.len() {
            let moved = |by: f64| {
                let mut factors = at;
                factors[a] += by;
                parts.slope(&factors)
            };
            let (up, down) = (moved(step), moved(-step));
            let along = |up: f64, down: f64| (up - down) / (2.0 * step);
            assert!((slope.gradient[a] - along(up.loss, down.loss)).abs() < 1e-3, "gradient {a}");
            for b in 0..AT.len() {
                let difference = along(up.gradient[b], down.gradient[b]);
                assert!((slope.curvature[AT.len() * a + b] - difference).abs() < 1e-3, "curvature {a} {b}");
            }
        }
    }

    #[test]
    fn what_is_kept_is_what_is_found_again_and_room_is_kept_to() {
        let kept = Kept { room: AtomicUsize::new(130), ..Kept::of(2) };
        kept.parts.iter().for_each(|place| kept.keep(place, parts()));
        let of_first = kept.parts[0].get().map(|kept| kept.slope(&AT).gradient);
        assert_eq!(of_first, Some(parts().slope(&AT).gradient));
        assert!(kept.parts[1].get().is_none(), "120 numbers each: there is room for one");
    }

    #[test]
    fn each_drawn_item_stands_for_its_share_of_the_others() {
        let spoken = [vec![(ItemId(7), 1.0), (ItemId(90_000), 0.5)]];
        let (candidates, stands_for) = draw(100_000, &spoken, &[ItemId(3)], 5);
        assert!(candidates.is_sorted() && candidates.len() == stands_for.len());
        let named = [3, 7, 90_000].map(ItemId);
        let weight = |item: ItemId| stands_for[candidates.binary_search(&item).unwrap()];
        assert!(named.iter().all(|&item| weight(item) == 0.0));
        let total: f64 = stands_for.iter().map(|log| f64::from(*log).exp()).sum();
        assert!((total - 100_000.0).abs() < 1.0, "{total}");
        assert_eq!(draw(50, &spoken[..0], &[ItemId(3)], 5), ((0..50).map(ItemId).collect(), vec![0.0; 50]));
    }

    #[test]
    fn balance_answers_held_out_questions_better_and_numbers_that_are_none_change_nothing() {
        let log = two_tastes();
        let settings = TraceSettings { epochs: 3, dim: 4, ..TraceSettings::default() };
        let model = settings.fit(&Training::new(&log, None, 1)).unwrap();
        let questions: Vec<Question<'_>> = log
            .histories()
            .map(|(_, history)| {
                let last = history.len() - 1;
                let (as_of, targets) = (history.times()[last], vec![history.items()[last]]);
                Question { history: history.first(last), as_of, targets, others: None }
            })
            .collect();
        let questions: Vec<&Question<'_>> = questions.iter().collect();
        let even = Balance::even(model.weights.shape);
        let mut balance = even.clone();
        balance.improve(&model, &questions);
        let loss = |balance: &Balance| balance.slope(&model, &questions, &Kept::of(questions.len())).loss;
        assert!(loss(&balance) < loss(&even));
        // At the minimum nothing leads further down, and as bits the factors come back.
        let slope = balance.slope(&model, &questions, &Kept::of(questions.len()));
        assert!(
            slope.gradient.iter().all(|g| g.abs() < 0.05 * questions.len() as f64),
            "{:?}",
            slope.gradient
        );
        assert_eq!(Balance::from_bits(&balance.bits()), balance);
        assert!(balance.check(model.weights.shape).is_ok());
        let short = Balance::from_bits(&balance.bits()[1..]).check(model.weights.shape);
        assert!(short.unwrap_err().to_string().contains("begin anew"));
        // Multiplied into the weights, the factors say the same, and so they do the second time.
        let once = TraceModel { weights: balance.applied(model.weights.clone()), ..model.clone() };
        let prior = |balance: &Balance| Slope::of_prior(&balance.0, &even.0).loss;
        let of_applied = |model: &TraceModel| even.slope(model, &questions, &Kept::of(questions.len())).loss;
        assert!((of_applied(&once) - (loss(&balance) - prior(&balance))).abs() < 1e-3);
        assert!(once.weights.group(Group::Familiar).iter().any(|more| more.abs() > 1e-2));
        let again = balance.slope(&once, &questions, &Kept::of(questions.len())).loss - prior(&balance);
        let twice = TraceModel { weights: balance.applied(once.weights.clone()), ..model.clone() };
        assert!((of_applied(&twice) - again).abs() < 1e-3);
        // A share of nothing cannot be told, so there is no factor of nothing.
        let mut nothing = balance.clone();
        nothing.0[..before_links(model.weights.shape)].fill(0.0);
        assert!(nothing.applied(model.weights.clone()).shared.iter().all(|weight| weight.is_finite()));
        let mut broken = model.clone();
        broken.weights.bias.fill(f32::NAN);
        let mut still = even.clone();
        still.improve(&broken, &questions);
        assert_eq!(still, even);
    }
}
