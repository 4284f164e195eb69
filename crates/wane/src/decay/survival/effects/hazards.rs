//! Proportional hazards (Cox 1972): `h(t | x) = h_s(t) exp(x b)`, with a baseline `h_s` for every cell that nothing is assumed of.
//!
//! Ties by Efron's method (1977). With the `d` returns `D` at one age of one baseline, the gaps `R` that are at least as long,
//! `r_i = exp(x_i b)`, and for `k = 0 .. d - 1`
//!
//! `S_k = sum_R r - (k / d) sum_D r`, `m_k = (sum_R r x - (k / d) sum_D r x) / S_k`:
//!
//! - log partial likelihood: `sum_D x b - sum_k ln S_k`
//! - gradient: `sum_D x - sum_k m_k`
//! - information: `sum_k ((sum_R r x x' - (k / d) sum_D r x x') / S_k - m_k m_k')`
//! - a gap's score: `[i in D] (x_i - mean_k m_k) - r_i sum_{ages up to its length} sum_k w_ik (x_i - m_k) / S_k`, with `w_ik = 1 - k / d`
//!   at the age of its own return and 1 before. Scores add up to the gradient; summed by user they give the robust
//!   covariance (Lin and Wei 1989).
//!
//! One sort, then one pass over the gaps per step.

use faer::Mat;

use super::climb::{Here, add_product, climb, sandwich};
use super::concordance::concordance;
use super::design::Design;
use super::{Coefficient, FEWEST_USERS, ObservedGaps};
use crate::decay::survival::Unfit;

/// A fitted model of proportional hazards.
#[derive(Debug, Clone, PartialEq)]
pub struct ProportionalHazards {
    /// Log hazard ratios, one per covariate.
    pub coefficients: Vec<Coefficient>,
    /// Logarithm of the partial likelihood.
    pub log_likelihood: f64,
    /// How often, of two comparable gaps of one baseline, the one with the higher hazard ends first: 0.5 is chance (Harrell 1982).
    pub concordance: f64,
    /// Covariates that a ridge had to hold: all gaps of one kind ended, or none did, or another covariate says the same.
    pub held: Vec<usize>,
}

/// Fits log hazard ratios.
///
/// # Errors
/// [`Unfit`], which says why there is no fit.
pub fn proportional_hazards(gaps: &ObservedGaps) -> Result<ProportionalHazards, Unfit> {
    let design = Design::of(gaps)?;
    let of = |at: &[f64]| design.partial_likelihood(at);
    let top = climb(design.width, &vec![0.0; design.width], &of)?;
    let robust = (design.n_users >= FEWEST_USERS)
        .then(|| sandwich(&top.covariance, &design.scores(&top.at), &design.user));
    let coefficient = |place: usize| {
        let error = |matrix: &Mat<f64>| matrix[(place, place)].max(0.0).sqrt() / design.range[place];
        Coefficient {
            value: top.at[place] / design.range[place],
            standard_error: error(&top.covariance),
            robust_error: robust.as_ref().map(error),
        }
    };
    Ok(ProportionalHazards {
        coefficients: (0..design.width).map(coefficient).collect(),
        log_likelihood: top.value,
        concordance: concordance(&design, &top.at),
        held: top.held,
    })
}

/// Sums of `r`, `r x` and, but for what is above the diagonal, `r x x'`.
#[derive(Clone)]
struct Sums {
    r: f64,
    rx: Vec<f64>,
    rxx: Vec<f64>,
}

impl Sums {
    fn new(width: usize) -> Self {
        Self { r: 0.0, rx: vec![0.0; width], rxx: vec![0.0; width * width] }
    }

    fn add(&mut self, r: f64, x: &[f64]) {
        self.r += r;
        self.rx.iter_mut().zip(x).for_each(|(sum, value)| *sum += r * value);
        add_product(&mut self.rxx, r, x);
    }

    fn clear(&mut self) {
        self.r = 0.0;
        self.rx.fill(0.0);
        self.rxx.fill(0.0);
    }
}

impl Design {
    /// Calls back for each age of a baseline, the highest first, with the places of its gaps, sums over the gaps at least as long, and
    /// sums over its returns.
    fn each_age(
        &self,
        baseline: &std::ops::Range<usize>,
        at: &[f64],
        mut see: impl FnMut(std::ops::Range<usize>, &Sums, &Sums),
    ) {
        let (mut at_risk, mut ended) = (Sums::new(self.width), Sums::new(self.width));
        let mut end = baseline.end;
        while end > baseline.start {
            let days = self.days[end - 1];
            let start = baseline.start + self.days[baseline.start..end].partition_point(|own| *own < days);
            ended.clear();
            for gap in start..end {
                let r = self.score(gap, at).exp();
                at_risk.add(r, self.row(gap));
                if self.is_return[gap] {
                    ended.add(r, self.row(gap));
                }
            }
            see(start..end, &at_risk, &ended);
            end = start;
        }
    }

    fn returns(&self, places: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
        places.filter(|&gap| self.is_return[gap])
    }

    fn partial_likelihood(&self, at: &[f64]) -> Here {
        let p = self.width;
        let mut here = Here::new(p);
        let mut mean = vec![0.0; p];
        for baseline in &self.baselines {
            self.each_age(baseline, at, |places, at_risk, ended| {
                let d = self.returns(places.clone()).count();
                for gap in self.returns(places) {
                    here.value += self.score(gap, at);
                    here.slope.iter_mut().zip(self.row(gap)).for_each(|(slope, x)| *slope += x);
                }
                for k in 0..d {
                    let share = k as f64 / d as f64;
                    let s = at_risk.r - share * ended.r;
                    here.value -= s.ln();
                    for (a, mean) in mean.iter_mut().enumerate() {
                        *mean = (at_risk.rx[a] - share * ended.rx[a]) / s;
                        here.slope[a] -= *mean;
                    }
                    here.add_lower(1.0 / s, &at_risk.rxx);
                    here.add_lower(-share / s, &ended.rxx);
                    here.add_product(-1.0, &mean);
                }
            });
        }
        here
    }

    /// The score of each gap; see the module's documentation.
    fn scores(&self, at: &[f64]) -> Vec<f64> {
        let mut scores = vec![0.0; self.covariates.len()];
        for baseline in &self.baselines {
            let mut ages = Vec::new();
            self.each_age(baseline, at, |places, at_risk, ended| {
                let d = self.returns(places.clone()).count();
                ages.push((places, Age::of(d, at_risk, ended)));
            });
            // The lowest first: what a gap has been through adds up with its length.
            let mut before = Through::new(self.width);
            for (places, age) in ages.iter().rev() {
                let mut after = before.clone();
                after.add(&age.others);
                for gap in places.clone() {
                    let (x, r) = (self.row(gap), self.score(gap, at).exp());
                    let own = &mut scores[gap * self.width..][..self.width];
                    let is_return = self.is_return[gap];
                    for a in 0..self.width {
                        own[a] = if is_return {
                            x[a] - age.mean[a]
                                - r * (x[a] * (before.hazard + age.ended.hazard)
                                    - before.mean[a]
                                    - age.ended.mean[a])
                        } else {
                            -r * (x[a] * after.hazard - after.mean[a])
                        };
                    }
                }
                before = after;
            }
        }
        scores
    }
}

/// `sum 1 / S` and `sum m / S`.
#[derive(Clone)]
struct Through {
    hazard: f64,
    mean: Vec<f64>,
}

impl Through {
    fn new(width: usize) -> Self {
        Self { hazard: 0.0, mean: vec![0.0; width] }
    }

    fn add(&mut self, other: &Self) {
        self.hazard += other.hazard;
        self.mean.iter_mut().zip(&other.mean).for_each(|(sum, own)| *sum += own);
    }
}

/// What one age means for the scores of gaps.
struct Age {
    /// For the gaps that it ends.
    ended: Through,
    /// For those that go on.
    others: Through,
    /// `mean_k m_k`.
    mean: Vec<f64>,
}

impl Age {
    fn of(d: usize, at_risk: &Sums, ended: &Sums) -> Self {
        let width = at_risk.rx.len();
        let mut age =
            Self { ended: Through::new(width), others: Through::new(width), mean: vec![0.0; width] };
        for k in 0..d {
            let share = k as f64 / d as f64;
            let s = at_risk.r - share * ended.r;
            age.others.hazard += 1.0 / s;
            age.ended.hazard += (1.0 - share) / s;
            for a in 0..width {
                let mean = (at_risk.rx[a] - share * ended.rx[a]) / s;
                age.mean[a] += mean / d as f64;
                age.others.mean[a] += mean / s;
                age.ended.mean[a] += (1.0 - share) * mean / s;
            }
        }
        age
    }
}

#[cfg(test)]
mod tests {
    use super::super::slopes::{check, check_sum, design};

    #[test]
    fn slopes_are_those_of_differences_and_scores_add_up_to_them() {
        let design = design();
        for at in [[0.0, 0.0], [0.7, -1.2]] {
            check(&at, &|at| design.partial_likelihood(at));
            check_sum(&design.partial_likelihood(&at).slope, &design.scores(&at));
        }
    }
}
