//! The top of a category's likelihood, with standard errors.
//!
//! - First steps are Newton's with the information in the place of the curvature, damped where they lead down (Levenberg
//!   1944). That is slow near the top, where the two differ, so the last steps learn the curvature from the slopes (BFGS;
//!   Nocedal and Wright 2006, 6.1).
//! - Weak normal priors on the logarithms keep finite what the log says nothing of.
//! - Standard errors are those of `H^-1 B H^-1`, with the curvature H and the information B (Huber 1967): they hold where
//!   users are not quite as the model has them.

use faer::prelude::Solve;
use faer::{Mat, Side};

use super::likelihood::{Frame, Point, Sums};

/// Steps at most.
const STEPS: usize = 100;
/// What a step gains, in nats, where the top is near.
const NEAR: f64 = 0.5;
/// Twice what is still to be gained at the top.
const TOP: f64 = 2e-3;
/// Halvings of a step that does not lead up.
const HALVINGS: usize = 30;
/// The furthest that a parameter moves in one step.
const FURTHEST: f64 = 1.0;
/// Standard deviation of the priors of `ln alpha` and `ln beta`.
const KERNEL: f64 = 3.0;
/// That of the parameters of the base rates.
const BASE: f64 = 10.0;
/// Step of the differences that give the curvature.
const DIFFERENCE: f64 = 1e-3;

/// A top.
pub(super) struct Top {
    pub(super) at: Point,
    pub(super) log_likelihood: f64,
    /// What was counted there.
    pub(super) sums: Sums,
    /// Whether the top was reached.
    pub(super) is_top: bool,
}

/// A likelihood with its prior.
struct Hill<'a> {
    frame: &'a Frame<'a>,
    /// Where the prior is centred.
    prior: &'a Point,
}

/// Climbs from a start to the top.
pub(super) fn climb(frame: &Frame<'_>, prior: &Point, start: &Point) -> Top {
    let hill = Hill { frame, prior };
    let (at, here) = hill.approach(start);
    let (at, here, is_top) = hill.finish(at, here);
    Top { log_likelihood: here.value - hill.prior_at(&at), at, sums: here, is_top }
}

/// Comes near the top.
pub(super) fn approach(frame: &Frame<'_>, prior: &Point, start: &Point) -> Top {
    let hill = Hill { frame, prior };
    let (at, here) = hill.approach(start);
    Top { log_likelihood: here.value - hill.prior_at(&at), at, sums: here, is_top: false }
}

/// Covariance of the parameters at a top; nothing where the likelihood is flat.
pub(super) fn covariance(frame: &Frame<'_>, prior: &Point, at: &Point) -> Option<Mat<f64>> {
    Hill { frame, prior }.covariance(at)
}

impl Top {
    /// A point of which nothing is known yet.
    pub(super) fn unseen(at: Point) -> Self {
        Self { log_likelihood: f64::NEG_INFINITY, at, sums: Sums::new(0, 0), is_top: false }
    }
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

    /// Steps by the information, until they gain little.
    fn approach(&self, start: &Point) -> (Point, Sums) {
        let (mut at, mut damping) = (start.clone(), 1e-3);
        let mut here = self.look(&at);
        for _ in 0..STEPS {
            let Some(step) = newton(&here, damping) else {
                damping = more(damping);
                continue;
            };
            let hoped: f64 = step.iter().zip(&here.slope).map(|(step, slope)| 0.5 * step * slope).sum();
            if hoped < NEAR {
                break;
            }
            let next = moved(&at, &step);
            let there = self.look(&next);
            let gained = there.value - here.value;
            if gained >= 0.0 {
                (here, at) = (there, next);
                damping = if damping < 1e-6 { 0.0 } else { damping / 8.0 };
                if gained < NEAR {
                    break;
                }
            } else {
                damping = more(damping);
            }
        }
        (at, here)
    }

    /// Steps by an inverse curvature that starts as that of the information and learns from the slopes that it meets (BFGS).
    fn finish(&self, mut at: Point, mut here: Sums) -> (Point, Sums, bool) {
        let size = at.values.len();
        let start = |here: &Sums| {
            Some(matrix(here, 0.0).llt(Side::Lower).ok()?.solve(Mat::<f64>::identity(size, size)))
        };
        let Some(mut inverse) = start(&here) else { return (at, here, false) };
        for _ in 0..STEPS {
            let slope = Mat::from_fn(size, 1, |a, _| here.slope[a]);
            let direction = &inverse * &slope;
            let hoped: f64 = (0..size).map(|a| direction[(a, 0)] * here.slope[a]).sum();
            if hoped < TOP {
                return (at, here, true);
            }
            let mut scale = 1.0;
            let found = (0..HALVINGS).find_map(|_| {
                let step: Vec<f64> = (0..size).map(|a| scale * direction[(a, 0)]).collect();
                let next = moved(&at, &step);
                let there = self.look(&next);
                scale *= 0.5;
                (there.value > here.value).then_some((next, there))
            });
            let Some((next, there)) = found else { return (at, here, hoped < NEAR) };
            let s = Mat::from_fn(size, 1, |a, _| next.values[a] - at.values[a]);
            let y = Mat::from_fn(size, 1, |a, _| here.slope[a] - there.slope[a]);
            let sy: f64 = (0..size).map(|a| s[(a, 0)] * y[(a, 0)]).sum();
            if sy > 1e-12 {
                let hy = &inverse * &y;
                let yhy: f64 = (0..size).map(|a| y[(a, 0)] * hy[(a, 0)]).sum();
                let (own, mixed) = ((1.0 + yhy / sy) / sy, 1.0 / sy);
                inverse = Mat::from_fn(size, size, |a, b| {
                    inverse[(a, b)] + own * s[(a, 0)] * s[(b, 0)]
                        - mixed * (hy[(a, 0)] * s[(b, 0)] + s[(a, 0)] * hy[(b, 0)])
                });
            }
            (at, here) = (next, there);
        }
        (at, here, false)
    }

    fn covariance(&self, at: &Point) -> Option<Mat<f64>> {
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
        let curvature = curvature.llt(Side::Lower).or_else(|_| matrix(here, 0.0).llt(Side::Lower)).ok()?;
        let inverse = curvature.solve(Mat::<f64>::identity(size, size));
        let covariance = &inverse * matrix(here, 0.0) * &inverse;
        (0..size).all(|a| covariance[(a, a)].is_finite()).then_some(covariance)
    }
}

/// The point a step away, no parameter moving too far.
fn moved(at: &Point, step: &[f64]) -> Point {
    let parts = at.values.iter().zip(step);
    Point { values: parts.map(|(value, step)| value + step.clamp(-FURTHEST, FURTHEST)).collect() }
}

fn more(damping: f64) -> f64 {
    f64::max(damping * 6.0, 1e-4)
}

fn matrix(sums: &Sums, damping: f64) -> Mat<f64> {
    let size = sums.slope.len();
    Mat::from_fn(size, size, |a, b| sums.information[a * size + b] * if a == b { 1.0 + damping } else { 1.0 })
}

fn newton(here: &Sums, damping: f64) -> Option<Vec<f64>> {
    let size = here.slope.len();
    let right = Mat::from_fn(size, 1, |a, _| here.slope[a]);
    let solved = matrix(here, damping).llt(Side::Lower).ok()?.solve(right);
    let step: Vec<f64> = (0..size).map(|a| solved[(a, 0)]).collect();
    step.iter().all(|step| step.is_finite()).then_some(step)
}
