//! The top of a concave likelihood in any number of parameters: Newton's method with step halving, and a ridge where the data set
//! no bound.
//!
//! A covariate that *separates* (all gaps of one kind end, or none do) drives its coefficient to infinity, and covariates that say
//! the same leave a flat direction. Then a tiny ridge, `-lambda / 2 sum b^2` on coefficients of covariates scaled to a range of 1,
//! holds them; which ones they were is part of the answer.

use faer::prelude::Solve;
use faer::{Mat, Side};

use super::super::Unfit;

/// Steps at most.
const STEPS: usize = 100;
/// Halvings of a step at most.
const HALVINGS: i32 = 40;
/// Newton's decrement (twice what is still to be gained, in nats) from which one more step ends at the top: a step squares the distance.
const TOP: f64 = 1e-8;
/// Share of a likelihood that rounding may take from a step up.
const ROUNDING: f64 = 1e-12;
/// A log hazard ratio across a covariate's whole range that is no effect but a separation.
const RUNAWAY: f64 = 15.0;
/// Strength of the ridge.
const RIDGE: f64 = 1e-3;
/// Share of a parameter's information at least that others do not have.
const OWN_SHARE: f64 = 1e-9;

/// A likelihood at a place.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) value: f64,
    pub(super) slope: Vec<f64>,
    /// Minus the matrix of second derivatives, row by row; only what is not above the diagonal is kept.
    lower: Vec<f64>,
}

impl Here {
    pub(super) fn new(n: usize) -> Self {
        Self { value: 0.0, slope: vec![0.0; n], lower: vec![0.0; n * n] }
    }

    /// Adds a product `weight v v'` to the information.
    pub(super) fn add_product(&mut self, weight: f64, v: &[f64]) {
        add_product(&mut self.lower, weight, v);
    }

    /// Adds a matrix of which only what is not above the diagonal is read.
    pub(super) fn add_lower(&mut self, weight: f64, lower: &[f64]) {
        self.lower.iter_mut().zip(lower).for_each(|(sum, own)| *sum += weight * own);
    }

    pub(super) fn add_to_diagonal(&mut self, place: usize, value: f64) {
        self.lower[place * self.slope.len() + place] += value;
    }

    pub(super) fn information(&self) -> Mat<f64> {
        let n = self.slope.len();
        Mat::from_fn(n, n, |a, b| self.lower[a.max(b) * n + a.min(b)])
    }
}

/// Adds `weight v v'` to a matrix, row by row, but not above its diagonal.
pub(super) fn add_product(lower: &mut [f64], weight: f64, v: &[f64]) {
    for (a, row) in lower.chunks_exact_mut(v.len().max(1)).enumerate() {
        let times = weight * v[a];
        row[..=a].iter_mut().zip(v).for_each(|(sum, other)| *sum += times * other);
    }
}

/// The top of a likelihood.
#[derive(Debug)]
pub(super) struct Top {
    pub(super) at: Vec<f64>,
    /// The likelihood there, without the ridge.
    pub(super) value: f64,
    /// The inverse of the information (with the ridge, where there is one).
    pub(super) covariance: Mat<f64>,
    /// Covariates that a ridge had to hold.
    pub(super) held: Vec<usize>,
}

enum Stop {
    /// These parameters have no bound, or nothing of their own to say.
    Unbounded(Vec<usize>),
    NoTop,
}

/// Climbs to the top. The first `n_covariates` parameters are coefficients; what follows needs no ridge.
///
/// # Errors
/// [`Unfit::NoTop`] where there is none even with a ridge.
pub(super) fn climb(n_covariates: usize, start: &[f64], of: &dyn Fn(&[f64]) -> Here) -> Result<Top, Unfit> {
    let held = match ascend(n_covariates, start, 0.0, of) {
        Ok(top) => return Ok(top),
        Err(Stop::Unbounded(held)) => held.into_iter().filter(|&place| place < n_covariates).collect(),
        Err(Stop::NoTop) => Vec::new(),
    };
    ascend(n_covariates, start, RIDGE, of).map(|top| Top { held, ..top }).map_err(|_| Unfit::NoTop)
}

fn ascend(n_covariates: usize, start: &[f64], ridge: f64, of: &dyn Fn(&[f64]) -> Here) -> Result<Top, Stop> {
    let ridged = |at: &[f64]| {
        let mut here = of(at);
        for (place, b) in at[..n_covariates].iter().enumerate() {
            here.value -= 0.5 * ridge * b * b;
            here.slope[place] -= ridge * b;
            here.add_to_diagonal(place, ridge);
        }
        here
    };
    let mut at = start.to_vec();
    let mut here = ridged(&at);
    for _ in 0..STEPS {
        let covariance = inverse(&here.information()).map_err(Stop::Unbounded)?;
        let step: Vec<f64> = (0..at.len()).map(|a| dot(&covariance, a, &here.slope)).collect();
        let decrement: f64 = step.iter().zip(&here.slope).map(|(step, slope)| step * slope).sum();
        if decrement < TOP {
            at.iter_mut().zip(&step).for_each(|(at, step)| *at += step);
            return Ok(Top { value: of(&at).value, at, covariance, held: Vec::new() });
        }
        (at, here) = uphill(&at, &step, here.value, &ridged).ok_or(Stop::NoTop)?;
        let far: Vec<usize> = (0..n_covariates).filter(|&place| at[place].abs() > RUNAWAY).collect();
        if ridge == 0.0 && !far.is_empty() {
            return Err(Stop::Unbounded(far));
        }
    }
    Err(Stop::NoTop)
}

/// The first of the step, its half, its quarter ... that does not lead down; nothing where all do.
fn uphill(at: &[f64], step: &[f64], value: f64, of: &dyn Fn(&[f64]) -> Here) -> Option<(Vec<f64>, Here)> {
    let least = value - ROUNDING * value.abs();
    let mut tried = (0..HALVINGS).map(|halving| {
        let size = 0.5f64.powi(halving);
        let next: Vec<f64> = at.iter().zip(step).map(|(at, step)| at + size * step).collect();
        let there = of(&next);
        (next, there)
    });
    tried.find(|(_, there)| there.value.is_finite() && there.value >= least)
}

/// The inverse of an information matrix, or the parameters that add nothing to those before them.
fn inverse(information: &Mat<f64>) -> Result<Mat<f64>, Vec<usize>> {
    let n = information.nrows();
    let size: Vec<f64> = (0..n).map(|a| information[(a, a)].sqrt()).collect();
    let silent: Vec<usize> = (0..n).filter(|&a| !(size[a].is_finite() && size[a] > 0.0)).collect();
    if !silent.is_empty() {
        return Err(silent);
    }
    let alike = Mat::from_fn(n, n, |a, b| information[(a, b)] / (size[a] * size[b]));
    let Ok(factor) = alike.llt(Side::Lower) else { return Err(repeated(&alike)) };
    if (0..n).any(|a| factor.L()[(a, a)].powi(2) < OWN_SHARE) {
        return Err(repeated(&alike));
    }
    let solved = factor.solve(Mat::<f64>::identity(n, n));
    Ok(Mat::from_fn(n, n, |a, b| solved[(a, b)] / (size[a] * size[b])))
}

/// Parameters that those before them say all of, by pivots of the Cholesky factor.
fn repeated(alike: &Mat<f64>) -> Vec<usize> {
    let n = alike.nrows();
    let mut factor = Mat::<f64>::zeros(n, n);
    let mut found = Vec::new();
    for a in 0..n {
        for b in 0..a {
            let sum: f64 = (0..b).map(|k| factor[(a, k)] * factor[(b, k)]).sum();
            factor[(a, b)] = if found.contains(&b) { 0.0 } else { (alike[(a, b)] - sum) / factor[(b, b)] };
        }
        let own = alike[(a, a)] - (0..a).map(|k| factor[(a, k)].powi(2)).sum::<f64>();
        if own < OWN_SHARE {
            found.push(a);
        } else {
            factor[(a, a)] = own.sqrt();
        }
    }
    found
}

fn dot(matrix: &Mat<f64>, row: usize, vector: &[f64]) -> f64 {
    vector.iter().enumerate().map(|(column, value)| matrix[(row, column)] * value).sum()
}

/// The sandwich `C M C` of a covariance and the products of the scores of users (Lin and Wei 1989); scores are row by row.
pub(super) fn sandwich(covariance: &Mat<f64>, scores: &[f64], users: &[u32]) -> Mat<f64> {
    let n = covariance.nrows();
    let n_users = users.iter().max().map_or(0, |&user| user as usize + 1);
    let mut of_user = vec![0.0; n_users * n];
    for (score, &user) in scores.chunks_exact(n.max(1)).zip(users) {
        let sum = &mut of_user[user as usize * n..][..n];
        sum.iter_mut().zip(score).for_each(|(sum, score)| *sum += score);
    }
    let mut products = Mat::<f64>::zeros(n, n);
    for score in of_user.chunks_exact(n.max(1)) {
        for a in 0..n {
            for b in 0..n {
                products[(a, b)] += score[a] * score[b];
            }
        }
    }
    covariance * products * covariance
}
