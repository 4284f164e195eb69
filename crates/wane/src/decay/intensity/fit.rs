//! The top of a category's likelihood, with standard errors.
//!
//! - First steps are Newton's with the information in the place of the curvature, damped where they lead down (Levenberg
//!   1944). Where the two differ they creep, so further steps learn the curvature from the slopes (BFGS; Nocedal and Wright
//!   2006, 6.1), and what was learned serves the next climb.
//! - Weak normal priors on the logarithms keep finite what the log says nothing of.
//! - Standard errors are those of `H^-1 B H^-1`, with the curvature H and the information B (Huber 1967): they hold where
//!   users are not quite as the model has them.

use faer::prelude::Solve;
use faer::{Mat, Side};

use super::likelihood::{Frame, Point, Sums};

/// Steps at most.
const STEPS: usize = 100;
/// What a step by the information gains, in nats, where it begins to creep.
const CREEPING: f64 = 20.0;
/// What is still to be gained, twice, in nats, near the top and at the top.
const NEAR: f64 = 0.5;
const TOP: f64 = 1e-2;
/// Halvings of a step that does not lead up.
const HALVINGS: usize = 30;
/// The furthest that parameters move in one step: those of what is excited, and those of the base rates.
const FURTHEST: [f64; 2] = [1.0, 10.0];
/// The share of a curvature that is kept where a step met less.
const KEPT: f64 = 0.2;
/// Standard deviation of the priors of `ln alpha` and `ln beta`.
const KERNEL: f64 = 3.0;
/// That of the parameters of the base rates.
const BASE: f64 = 20.0;
/// Step of the differences that give the curvature.
const DIFFERENCE: f64 = 1e-3;

/// A point of the hill, and what is known there.
#[derive(Clone)]
pub(super) struct Top {
    pub(super) at: Point,
    pub(super) log_likelihood: f64,
    /// What was counted there.
    pub(super) sums: Sums,
    /// Inverse of the curvature, as far as it was learned; nothing before the first steps.
    inverse: Option<Mat<f64>>,
    /// Whether the top was reached.
    pub(super) is_top: bool,
}

impl Top {
    /// A point of which nothing is known yet.
    pub(super) fn unseen(at: Point) -> Self {
        Self { log_likelihood: f64::NEG_INFINITY, at, sums: Sums::new(0, 0), inverse: None, is_top: false }
    }

    /// With another curvature.
    pub(super) fn with_inverse(self, inverse: Option<Mat<f64>>) -> Self {
        Self { inverse, ..self }
    }

    /// As it will be about where so many times the users are looked at.
    pub(super) fn with_users(mut self, times: f64) -> Self {
        self.inverse = self.inverse.map(|own| own * times.recip());
        self
    }
}

/// A likelihood with its prior.
struct Hill<'a> {
    frame: &'a Frame<'a>,
    /// Where the prior is centred.
    prior: &'a Point,
}

/// Comes near the top.
pub(super) fn approach(frame: &Frame<'_>, prior: &Point, from: Top) -> Top {
    Hill { frame, prior }.climb(from, NEAR)
}

/// Climbs to the top.
pub(super) fn climb(frame: &Frame<'_>, prior: &Point, from: Top) -> Top {
    Hill { frame, prior }.climb(from, TOP)
}

/// The inverse of the curvature at a top, by differences of slopes; nothing where the likelihood is flat.
pub(super) fn inverse_curvature(frame: &Frame<'_>, prior: &Point, at: &Point) -> Option<Mat<f64>> {
    Hill { frame, prior }.inverse_curvature(at)
}

/// Covariance of the parameters at a top, with the inverse of the curvature there.
pub(super) fn covariance(
    frame: &Frame<'_>,
    prior: &Point,
    at: &Point,
    inverse: &Mat<f64>,
) -> Option<Mat<f64>> {
    let information = matrix(&Hill { frame, prior }.look(at), 0.0);
    let covariance = inverse * information * inverse;
    (0..at.values.len()).all(|a| covariance[(a, a)].is_finite()).then_some(covariance)
}

impl Hill<'_> {
    fn precision(&self, place: usize) -> f64 {
        if place < 2 * self.frame.sources.len() { KERNEL.powi(-2) } else { BASE.powi(-2) }
    }

    fn prior_at(&self, at: &Point) -> f64 {
        let parts = at.values.iter().zip(&self.prior.values).enumerate();
        parts.map(|(place, (value, centre))| -0.5 * self.precision(place) * (value - centre).powi(2)).sum()
    }

    fn look(&self, at: &Point) -> Sums {
        let mut sums = self.frame.pass(at);
        let size = at.values.len();
        sums.value += self.prior_at(at);
        for (place, (value, centre)) in at.values.iter().zip(&self.prior.values).enumerate() {
            sums.slope[place] -= self.precision(place) * (value - centre);
            sums.information[place * size + place] += self.precision(place);
        }
        sums
    }

    /// The part of a step that moves no parameter too far.
    fn furthest(&self, step: &[f64]) -> f64 {
        let (kernels, base) = step.split_at(2 * self.frame.sources.len());
        let most = |step: &[f64]| step.iter().fold(0.0, |most: f64, part| most.max(part.abs()));
        let part = |step: &[f64], furthest: f64| furthest / most(step).max(furthest);
        part(kernels, FURTHEST[0]).min(part(base, FURTHEST[1]))
    }

    /// Climbs until so much is still to be gained. Where the curvature is not known from steps before, the information tells the
    /// first steps.
    fn climb(&self, from: Top, left: f64) -> Top {
        let (at, sums, inverse) = match from.inverse {
            Some(inverse) => (from.at.clone(), self.look(&from.at), Some(inverse)),
            None => {
                let (at, sums) = self.by_information(&from.at);
                let inverse = inverse(&matrix(&sums, 0.0));
                (at, sums, inverse)
            }
        };
        let mut top = Top { at, log_likelihood: 0.0, sums, inverse, is_top: false };
        self.by_slopes(&mut top, left);
        top.log_likelihood = top.sums.value - self.prior_at(&top.at);
        top
    }

    /// Steps by the information, until they creep. They are damped as Nielsen has it (Madsen, Nielsen and Tingleff 2004).
    fn by_information(&self, start: &Point) -> (Point, Sums) {
        let (mut at, mut damping, mut stricter) = (start.clone(), 1e-3, 2.0);
        let mut here = self.look(&at);
        for _ in 0..STEPS {
            let step = newton(&here, damping);
            let hoped: f64 =
                step.iter().flatten().zip(&here.slope).map(|(step, slope)| 0.5 * step * slope).sum();
            if step.is_some() && hoped < CREEPING {
                break;
            }
            let found =
                step.map(|step| moved(&at, &step, self.furthest(&step))).map(|next| (self.look(&next), next));
            if let Some((there, next)) = found.filter(|(there, _)| there.value >= here.value) {
                let gained = there.value - here.value;
                damping *= (1.0 - (2.0 * gained / hoped - 1.0).powi(3)).clamp(1.0 / 3.0, 2.0);
                stricter = 2.0;
                (here, at) = (there, next);
                if gained < CREEPING {
                    break;
                }
            } else {
                damping *= stricter;
                stricter *= 2.0;
            }
        }
        (at, here)
    }

    /// Steps by an inverse curvature that learns from the slopes that it meets (BFGS).
    fn by_slopes(&self, top: &mut Top, left: f64) {
        let Top { at, sums: here, inverse, is_top, .. } = top;
        let size = at.values.len();
        let Some(inverse) = inverse else { return };
        for _ in 0..STEPS {
            let slope = Mat::from_fn(size, 1, |a, _| here.slope[a]);
            let direction = &*inverse * &slope;
            let hoped: f64 = (0..size).map(|a| direction[(a, 0)] * here.slope[a]).sum();
            *is_top = hoped < left;
            if *is_top {
                return;
            }
            let direction: Vec<f64> = (0..size).map(|a| direction[(a, 0)]).collect();
            let mut scale = self.furthest(&direction);
            let found = (0..HALVINGS).find_map(|_| {
                let next = moved(at, &direction, scale);
                let there = self.look(&next);
                if there.value > here.value {
                    return Some((next, there));
                }
                scale *= 0.5;
                None
            });
            let Some((next, there)) = found else {
                *is_top = hoped < NEAR;
                return;
            };
            let step = Mat::from_fn(size, 1, |a, _| scale * direction[a]);
            let fallen = Mat::from_fn(size, 1, |a, _| here.slope[a] - there.slope[a]);
            *inverse = learned(inverse, &step, &fallen, &(scale * &slope));
            (*at, *here) = (next, there);
        }
    }

    fn inverse_curvature(&self, at: &Point) -> Option<Mat<f64>> {
        let here = &self.look(at);
        let size = at.values.len();
        let slope = |place: usize| {
            let mut near = at.clone();
            near.values[place] += DIFFERENCE;
            self.look(&near).slope
        };
        let rows: Vec<Vec<f64>> = (0..size)
            .map(|place| {
                let there = slope(place);
                here.slope.iter().zip(&there).map(|(here, there)| (here - there) / DIFFERENCE).collect()
            })
            .collect();
        let curvature = Mat::from_fn(size, size, |a, b| 0.5 * (rows[a][b] + rows[b][a]));
        // Where it is not a top in every direction, the information has to do for the curvature.
        inverse(&curvature).or_else(|| inverse(&matrix(here, 0.0)))
    }
}

/// The point a part of a step away.
fn moved(at: &Point, step: &[f64], part: f64) -> Point {
    Point { values: at.values.iter().zip(step).map(|(value, step)| value + part * step).collect() }
}

/// An inverse curvature after a step along which the slopes fell so much (BFGS), where it had them fall as `thought`. Where they fell
/// far less, the curvature falls by a few times at most (Powell 1978), or the hill would have no top in this direction.
fn learned(inverse: &Mat<f64>, s: &Mat<f64>, fallen: &Mat<f64>, thought: &Mat<f64>) -> Mat<f64> {
    let size = s.nrows();
    let dot =
        |one: &Mat<f64>, other: &Mat<f64>| -> f64 { (0..size).map(|a| one[(a, 0)] * other[(a, 0)]).sum() };
    let (seen, expected) = (dot(s, fallen), dot(s, thought));
    let trust = if seen < KEPT * expected { (1.0 - KEPT) * expected / (expected - seen) } else { 1.0 };
    let y = trust * fallen + (1.0 - trust) * thought;
    let hy = inverse * &y;
    let (sy, yhy) = (dot(s, &y), dot(&y, &hy));
    let (own, mixed) = ((1.0 + yhy / sy) / sy, 1.0 / sy);
    Mat::from_fn(size, size, |a, b| {
        inverse[(a, b)] + own * s[(a, 0)] * s[(b, 0)]
            - mixed * (hy[(a, 0)] * s[(b, 0)] + s[(a, 0)] * hy[(b, 0)])
    })
}

fn matrix(sums: &Sums, damping: f64) -> Mat<f64> {
    let size = sums.slope.len();
    Mat::from_fn(size, size, |a, b| sums.information[a * size + b] * if a == b { 1.0 + damping } else { 1.0 })
}

/// Of a matrix that is positive in every direction.
fn inverse(matrix: &Mat<f64>) -> Option<Mat<f64>> {
    let size = matrix.nrows();
    Some(matrix.llt(Side::Lower).ok()?.solve(Mat::<f64>::identity(size, size)))
}

fn newton(here: &Sums, damping: f64) -> Option<Vec<f64>> {
    let size = here.slope.len();
    let right = Mat::from_fn(size, 1, |a, _| here.slope[a]);
    let solved = matrix(here, damping).llt(Side::Lower).ok()?.solve(right);
    let step: Vec<f64> = (0..size).map(|a| solved[(a, 0)]).collect();
    step.iter().all(|step| step.is_finite()).then_some(step)
}
