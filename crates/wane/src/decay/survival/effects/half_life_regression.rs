//! Half-life regression (Settles and Meeder 2016): the logarithm of the half-life is linear in the covariates, here by maximum
//! likelihood, with gaps of which the end was not seen.
//!
//! `S(t | x) = 2^-(t / h)^shape`, `ln h = a_s + x b`: an exponential (shape 1) or Weibull law of accelerated failure times, with an
//! intercept `a_s` for every cell. The likelihood is climbed in `c = -shape b` and the shape, in which it is concave: with
//! `z = shape ln t + x c + alpha_s`, `w = e^z`, `v = (x, ln t)` and `y = 1` for a return,
//!
//! - log-likelihood: `sum y (ln shape + z - ln t) - w`
//! - the intercepts have their best value in closed form, `alpha_s = ln (sum y / sum t^shape e^(x c))`, and with it
//! - gradient: `sum (y - w) v`, and `sum y / shape` more for the shape
//! - information: `sum w (v - m_s)(v - m_s)'`, with the mean `m_s` of `v` weighted by `w`, and `sum y / shape^2` more for the shape
//! - a gap's score: `(y - w)(v - m_s)`, and `y / shape` more for the shape.
//!
//! Errors of `b` follow by the delta method.

use faer::Mat;

use super::climb::{Here, climb, sandwich};
use super::design::Design;
use super::{Coefficient, FEWEST_USERS, ObservedGaps};
use crate::decay::survival::{ReturnLaw, Unfit};

/// A fitted half-life regression.
#[derive(Debug, Clone, PartialEq)]
pub struct HalfLifeRegression {
    /// Its law: exponential or Weibull.
    pub law: ReturnLaw,
    /// Logarithms of the factors of the half-life, one per covariate.
    pub coefficients: Vec<Coefficient>,
    /// Logarithm of the shape, where the law has one.
    pub log_shape: Option<Coefficient>,
    /// Logarithm of the likelihood, in densities per day.
    pub log_likelihood: f64,
    /// The Bayesian criterion: less is better.
    pub bic: f64,
    /// Covariates that a ridge had to hold.
    pub held: Vec<usize>,
}

/// Fits a half-life regression under a law: [`ReturnLaw::Exponential`], or else Weibull.
///
/// # Errors
/// [`Unfit`], which says why there is no fit.
pub fn half_life_regression(gaps: &ObservedGaps, law: ReturnLaw) -> Result<HalfLifeRegression, Unfit> {
    let design = Design::of(gaps)?;
    let has_shape = law != ReturnLaw::Exponential;
    let law = if has_shape { ReturnLaw::Weibull } else { law };
    let rows = Rows::of(&design, has_shape);
    let mut start = vec![0.0; design.width];
    start.extend(has_shape.then_some(1.0));
    let top = climb(design.width, &start, &|at| rows.likelihood(at))?;
    let shape = if has_shape { top.at[design.width] } else { 1.0 };
    // From the parameters that were climbed to those that are told: b = -c / shape, ln shape.
    let n = rows.n;
    let slope = Mat::from_fn(n, n, |a, b| match (a == design.width, b == design.width) {
        (false, false) if a == b => -1.0 / (shape * design.range[a]),
        (false, true) => top.at[a] / (shape * shape * design.range[a]),
        (true, true) => 1.0 / shape,
        _ => 0.0,
    });
    let told = |covariance: &Mat<f64>| &slope * covariance * slope.transpose();
    let plain = told(&top.covariance);
    let robust = (design.n_users >= FEWEST_USERS)
        .then(|| told(&sandwich(&top.covariance, &rows.scores(&top.at), &design.user)));
    let coefficient = |place: usize, value: f64| {
        let error = |matrix: &Mat<f64>| matrix[(place, place)].max(0.0).sqrt();
        Coefficient { value, standard_error: error(&plain), robust_error: robust.as_ref().map(error) }
    };
    let of_covariate = |place: usize| coefficient(place, -top.at[place] / (shape * design.range[place]));
    let n_free = (n + design.baselines.len()) as f64;
    Ok(HalfLifeRegression {
        law,
        coefficients: (0..design.width).map(of_covariate).collect(),
        log_shape: has_shape.then(|| coefficient(design.width, shape.ln())),
        log_likelihood: top.value,
        bic: n_free * (design.days.len() as f64).ln() - 2.0 * top.value,
        held: top.held,
    })
}

/// Gaps with what the likelihood is made of.
struct Rows<'a> {
    design: &'a Design,
    /// Parameters: one per covariate, then the shape, where there is one.
    n: usize,
    ln_t: Vec<f64>,
    /// `v` of each gap.
    v: Vec<f64>,
}

/// One baseline at one place of the parameters.
struct Baseline {
    /// `w` of each gap.
    weights: Vec<f64>,
    /// Weighted mean of `v`.
    mean: Vec<f64>,
    alpha: f64,
}

impl<'a> Rows<'a> {
    fn of(design: &'a Design, has_shape: bool) -> Self {
        let ln_t: Vec<f64> = design.days.iter().map(|days| days.ln()).collect();
        let v = |(gap, ln_t): (usize, &f64)| {
            design.row(gap).iter().copied().chain(has_shape.then_some(*ln_t)).collect::<Vec<f64>>()
        };
        let v = ln_t.iter().enumerate().flat_map(v).collect();
        Self { design, n: design.width + usize::from(has_shape), ln_t, v }
    }

    fn v(&self, gap: usize) -> &[f64] {
        &self.v[gap * self.n..(gap + 1) * self.n]
    }

    fn shape(&self, at: &[f64]) -> f64 {
        at.get(self.design.width).copied().unwrap_or(1.0)
    }

    /// `z` without the intercept.
    fn z(&self, gap: usize, at: &[f64]) -> f64 {
        self.shape(at) * self.ln_t[gap] + self.design.score(gap, at)
    }

    fn baseline(&self, places: &std::ops::Range<usize>, at: &[f64]) -> Baseline {
        let z: Vec<f64> = places.clone().map(|gap| self.z(gap, at)).collect();
        let most = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = z.iter().map(|z| (z - most).exp()).sum();
        let returns = places.clone().filter(|&gap| self.design.is_return[gap]).count() as f64;
        let alpha = returns.ln() - sum.ln() - most;
        let weights: Vec<f64> = z.iter().map(|z| (z + alpha).exp()).collect();
        let mut mean = vec![0.0; self.n];
        for (gap, w) in places.clone().zip(&weights) {
            mean.iter_mut().zip(self.v(gap)).for_each(|(mean, v)| *mean += w * v / returns);
        }
        Baseline { weights, mean, alpha }
    }

    fn likelihood(&self, at: &[f64]) -> Here {
        let (n, shape) = (self.n, self.shape(at));
        let mut here = Here::new(n);
        if shape <= 0.0 {
            here.value = f64::NAN;
            return here;
        }
        let mut off = vec![0.0; n];
        for places in &self.design.baselines {
            let own = self.baseline(places, at);
            for (gap, w) in places.clone().zip(&own.weights) {
                let y = f64::from(u8::from(self.design.is_return[gap]));
                here.value += y * (shape.ln() + self.z(gap, at) + own.alpha - self.ln_t[gap]) - w;
                for (a, v) in self.v(gap).iter().enumerate() {
                    off[a] = v - own.mean[a];
                    here.slope[a] += (y - w) * off[a];
                }
                here.add_product(*w, &off);
                if n > self.design.width {
                    here.slope[n - 1] += y / shape;
                    here.add_to_diagonal(n - 1, y / (shape * shape));
                }
            }
        }
        here
    }

    fn scores(&self, at: &[f64]) -> Vec<f64> {
        let shape = self.shape(at);
        let mut scores = Vec::with_capacity(self.v.len());
        for places in &self.design.baselines {
            let own = self.baseline(places, at);
            for (gap, w) in places.clone().zip(&own.weights) {
                let y = f64::from(u8::from(self.design.is_return[gap]));
                for (a, v) in self.v(gap).iter().enumerate() {
                    let of_shape = if a == self.design.width { y / shape } else { 0.0 };
                    scores.push((y - w) * (v - own.mean[a]) + of_shape);
                }
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::super::slopes::{check, check_sum, design};
    use super::Rows;

    #[test]
    fn slopes_are_those_of_differences_and_scores_add_up_to_them() {
        let design = design();
        for at in [&[0.2, -0.4][..], &[0.7, -1.2, 0.8], &[0.0, 0.3, 1.7]] {
            let rows = Rows::of(&design, at.len() == 3);
            check(at, &|at| rows.likelihood(at));
            check_sum(&rows.likelihood(at).slope, &rows.scores(at));
        }
    }
}
