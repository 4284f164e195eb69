//! Fitting a law of return by maximum likelihood with censoring.
//!
//! `ln L = sum returned ln f(t) + sum censored ln S(t)`, by Newton's method with exact curvatures, damped where the
//! likelihood is not concave (Levenberg 1944), from several starts where a law has several hills. Standard errors
//! are those of the observed information, carried over to the natural parameters and to the half-life by the
//! delta method. They take gaps as independent; where one user makes many, [`FittedLaw::with_jackknife`] says more truly how
//! surely a half-life is known.
//!
//! A law that the data drive to the edge of its parameters (a cured share of nothing, a mixture of one) is not a
//! failure of the search: a simpler law says the same, and the fit says which parameter it was.

use std::fmt;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::kaplan_meier::Z95;
use super::law::{Scale, cured};
use super::{GapRow, Gaps, Interval, Left, ReturnLaw, kaplan_meier};
use crate::decay::jet::Jet;
use crate::decay::newton::{climb, covariance};

/// Returns at least, for a law to be fitted.
const FEWEST: u64 = 10;
/// Groups of users at least, for a jackknife.
const FEWEST_GROUPS: usize = 10;
/// Share of the returns at least that come before a bump: the mode of a broad law lies near age 0 and says nothing.
const BEFORE_BUMP: f64 = 0.1;
/// Size of the logarithm of a shape, or of odds, beyond which it has run away.
const EDGE_OF_SHAPES: f64 = 8.0;
/// The same of the logarithm of a time in days.
const EDGE_OF_TIMES: f64 = 64.0;
/// Different lengths that a fit looks at exactly.
const EXACT: usize = 1_024;
/// Binary digits that it looks at of more: half a per cent off at most, which moves an estimate by some millionths.
const BITS: u32 = 7;

/// A fitted parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Its name in the law's formula; `cured` for the share that never returns.
    pub name: &'static str,
    /// Its estimate; scales and `exp(mu)` are in days.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
}

/// A law fitted to gaps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FittedLaw {
    /// The law.
    pub law: ReturnLaw,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Logarithm of the likelihood, in densities per day.
    pub log_likelihood: f64,
    /// Akaike's criterion: less is better.
    pub aic: f64,
    /// The Bayesian criterion: less is better.
    pub bic: f64,
    /// The age in days by which half of those who return have done so.
    pub half_life_days: Interval,
    /// Standard error of its logarithm.
    pub log_half_life_error: f64,
    /// The share that never returns, where the law has one.
    pub never_returns: Option<Interval>,
    /// The age in days at which returns are most frequent, where a tenth have come back before it: goods that run out.
    pub bump_days: Option<f64>,
    /// The largest distance from the Kaplan-Meier curve: a share between 0 and 1.
    pub misfit: f64,
    #[serde(skip)]
    at: Vec<f64>,
}

/// Why a law has no fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// So many returns are too few.
    TooFew(u64),
    /// A parameter ran to the edge of what it can be.
    AtTheEdge(&'static str),
    /// No top of the likelihood was found.
    NoTop,
}

impl fmt::Display for Unfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew(n) => write!(out, "{n} returns are too few, {FEWEST} are needed"),
            Self::AtTheEdge(name) => {
                write!(out, "the parameter `{name}` runs to its edge: a simpler law says the same")
            }
            Self::NoTop => write!(out, "the likelihood has no top"),
        }
    }
}

/// Of some laws the one with the least Bayesian criterion, with and without a cured share; the reason of the simplest law's failure
/// where none fits.
///
/// # Errors
/// [`Unfit`] where no law fits.
pub fn best_law(gaps: &Gaps, laws: &[ReturnLaw]) -> Result<FittedLaw, Unfit> {
    let tried = laws.iter().flat_map(|&law| [fit_law(gaps, law, false), fit_law(gaps, law, true)]);
    let mut why = None;
    let mut best: Option<FittedLaw> = None;
    for fit in tried {
        match fit {
            Ok(fit) if best.as_ref().is_none_or(|best| fit.bic < best.bic) => best = Some(fit),
            Ok(_) => {}
            Err(unfit) => why = why.or(Some(unfit)),
        }
    }
    best.ok_or(why.unwrap_or(Unfit::NoTop))
}

/// Fits one law.
///
/// # Errors
/// [`Unfit`], which says why there is no fit.
pub fn fit_law(gaps: &Gaps, law: ReturnLaw, is_cured: bool) -> Result<FittedLaw, Unfit> {
    let returned = gaps.returned();
    if returned < FEWEST {
        return Err(Unfit::TooFew(returned));
    }
    match law.parameters().len() + usize::from(is_cured) {
        1 => Search::<1>::of(gaps, law, is_cured).fit(gaps),
        2 => Search::<2>::of(gaps, law, is_cured).fit(gaps),
        3 => Search::<3>::of(gaps, law, is_cured).fit(gaps),
        4 => Search::<4>::of(gaps, law, is_cured).fit(gaps),
        _ => Search::<5>::of(gaps, law, is_cured).fit(gaps),
    }
}

impl FittedLaw {
    /// The same with the standard error of the half-life from groups of users: the law is fitted without each in turn, and
    /// `se^2 = (G - 1) / G sum_g (y_g - mean y)^2`. Where that can't be done it stays as it is.
    #[must_use]
    pub fn with_jackknife(mut self, groups: &[Gaps]) -> Self {
        let without = |left_out: usize| {
            let others = groups.iter().enumerate().filter(|(place, _)| *place != left_out);
            let gaps = Gaps::sum(others.map(|(_, gaps)| gaps));
            match self.at.len() {
                1 => Search::<1>::of(&gaps, self.law, self.is_cured()).again(&self.at),
                2 => Search::<2>::of(&gaps, self.law, self.is_cured()).again(&self.at),
                3 => Search::<3>::of(&gaps, self.law, self.is_cured()).again(&self.at),
                4 => Search::<4>::of(&gaps, self.law, self.is_cured()).again(&self.at),
                _ => Search::<5>::of(&gaps, self.law, self.is_cured()).again(&self.at),
            }
        };
        let used: Vec<usize> = (0..groups.len()).filter(|&place| groups[place].count() > 0).collect();
        let values: Option<Vec<f64>> = used.iter().map(|&place| without(place)).collect();
        if let Some(values) = values.filter(|values| values.len() >= FEWEST_GROUPS) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            // Groups that are all alike say nothing of how surely it is known.
            if squares > 0.0 {
                self.set_error((squares * (n - 1.0) / n).sqrt(), n - 1.0);
            }
        }
        self
    }

    /// Sets the standard error of the half-life's logarithm, known from so many degrees of freedom.
    fn set_error(&mut self, error: f64, free: f64) {
        let wide = StudentsT::new(0.0, 1.0, free).map_or(Z95, |law| law.inverse_cdf(0.975));
        let middle = self.half_life_days.value;
        self.log_half_life_error = error;
        self.half_life_days.low = middle * (-wide * error).exp();
        self.half_life_days.high = middle * (wide * error).exp();
    }

    fn is_cured(&self) -> bool {
        self.never_returns.is_some()
    }

    /// The share that has not returned by an age in days, those who never do included.
    pub fn left(&self, days: f64) -> f64 {
        self.logs(days).1.value.exp()
    }

    fn constants(&self) -> Vec<Jet<1>> {
        self.at.iter().map(|&value| Jet::constant(value)).collect()
    }

    fn logs(&self, days: f64) -> (Jet<1>, Jet<1>) {
        let at = self.constants();
        let logs = self.law.logs(&at, days.max(1e-12).ln());
        at.get(self.law.parameters().len()).map_or(logs, |&odds| cured(odds, logs))
    }
}

/// The search for the top of one likelihood along `N` parameters.
struct Search<const N: usize> {
    law: ReturnLaw,
    is_cured: bool,
    /// Logarithm of the age, returns, gaps that were not seen to end.
    rows: Vec<(f64, f64, f64)>,
}

impl<const N: usize> Search<N> {
    fn of(gaps: &Gaps, law: ReturnLaw, is_cured: bool) -> Self {
        let mut rows = gaps.rows().to_vec();
        if rows.len() > EXACT {
            rows = gaps.rows_with_digits(BITS);
        }
        let of_length = rows.chunk_by(|a, b| a.millis == b.millis).map(|rows| {
            let sum = |count: fn(&GapRow) -> u64| rows.iter().map(count).sum::<u64>() as f64;
            (rows[0].days().ln(), sum(|row| row.returned), sum(|row| row.censored))
        });
        Self { law, is_cured, rows: of_length.collect() }
    }

    fn logs(&self, at: &[Jet<N>; N], ln_t: f64) -> (Jet<N>, Jet<N>) {
        let logs = self.law.logs(at, ln_t);
        if self.is_cured { cured(at[N - 1], logs) } else { logs }
    }

    fn log_likelihood(&self, at: [f64; N]) -> Jet<N> {
        let mut jets = [Jet::constant(0.0); N];
        (0..N).for_each(|place| jets[place] = Jet::parameter(place, at[place]));
        let mut sum = Jet::constant(0.0);
        for &(ln_t, returned, censored) in &self.rows {
            let (density, left) = self.logs(&jets, ln_t);
            if returned > 0.0 {
                sum = sum + density * returned;
            }
            if censored > 0.0 {
                sum = sum + left * censored;
            }
        }
        sum
    }

    fn fit(&self, gaps: &Gaps) -> Result<FittedLaw, Unfit> {
        let tops = self.starts().into_iter().map(|start| self.top(start));
        let mut best: Result<([f64; N], Jet<N>), Unfit> = Err(Unfit::NoTop);
        for top in tops {
            best = match (best, top) {
                (Ok(best), Ok(top)) => Ok(if top.1.value > best.1.value { top } else { best }),
                (Err(Unfit::NoTop), other) => other,
                (Err(_), Ok(top)) => Ok(top),
                (best, Err(_)) => best,
            };
        }
        let (at, top) = best?;
        self.describe(gaps, at, &top)
    }

    /// The logarithm of the half-life at the top near parameters that were the best of nearly the same gaps.
    fn again(&self, near: &[f64]) -> Option<f64> {
        let mut at = [0.0; N];
        at.iter_mut().zip(near).for_each(|(at, near)| *at = *near);
        Some(self.half_life(&self.top(at).ok()?.0).0)
    }

    fn top(&self, start: [f64; N]) -> Result<([f64; N], Jet<N>), Unfit> {
        climb(&|at| self.log_likelihood(at), &|at| self.check(at), start).ok_or(Unfit::NoTop)?
    }

    /// Whether no parameter has run away.
    fn check(&self, at: &[f64; N]) -> Result<(), Unfit> {
        let names = self.law.parameters().iter().map(|&(name, scale)| (name, scale));
        let all = names.chain(self.is_cured.then_some(("cured", Scale::Odds)));
        for ((name, scale), value) in all.zip(at) {
            let is_shape =
                matches!(scale, Scale::Odds | Scale::RatioTo(_)) || matches!(name, "shape" | "sigma");
            let edge = if is_shape { EDGE_OF_SHAPES } else { EDGE_OF_TIMES };
            if value.abs() > edge || !value.is_finite() {
                return Err(Unfit::AtTheEdge(name));
            }
        }
        Ok(())
    }

    /// Where to start from: moments and quantiles of the ages, and for a cured share what is left at the end.
    fn starts(&self) -> Vec<[f64; N]> {
        let seen: f64 = self.rows.iter().map(|row| row.1).sum();
        let mean = self.rows.iter().map(|row| row.0 * row.1).sum::<f64>() / seen;
        let spread = self.rows.iter().map(|row| (row.0 - mean).powi(2) * row.1).sum::<f64>() / seen;
        let spread = spread.sqrt().clamp(0.05, 5.0);
        let quantile = |share: f64| {
            let mut left = share * seen;
            let row = self.rows.iter().find(|row| {
                left -= row.1;
                left <= 0.0
            });
            row.map_or(mean, |row| row.0)
        };
        let exposure: f64 = self.rows.iter().map(|row| row.0.exp() * (row.1 + row.2)).sum();
        let rate = if self.is_cured { quantile(0.6) } else { (exposure / seen).ln() };
        let of_law: Vec<Vec<f64>> = match self.law {
            ReturnLaw::Exponential => vec![vec![rate]],
            ReturnLaw::Weibull => vec![vec![mean + 0.5, -spread.ln()], vec![rate, 0.0]],
            ReturnLaw::LogNormal => vec![vec![mean, spread.ln()]],
            ReturnLaw::LogLogistic => vec![vec![mean, -(spread * 0.55).ln()]],
            ReturnLaw::Lomax => vec![vec![rate, 0.7], vec![quantile(0.3), -0.5]],
            ReturnLaw::TwoExponentials => [(0.1, 0.7, -1.0), (0.25, 0.8, 0.0), (0.5, 0.95, 1.0)]
                .map(|(fast, slow, odds)| {
                    let ratio = (quantile(slow) - quantile(fast)).max(0.3);
                    vec![quantile(fast), ratio.ln(), odds]
                })
                .to_vec(),
            ReturnLaw::ExponentialAndLogNormal => [(0.1, 0.6, -1.5), (0.25, 0.75, 0.0), (0.5, 0.9, 1.0)]
                .map(|(fast, slow, odds)| vec![quantile(fast), quantile(slow), -0.5, odds])
                .to_vec(),
        };
        let all: f64 = self.rows.iter().map(|row| row.1 + row.2).sum();
        let never = (1.0 - seen / all).clamp(0.02, 0.98);
        let odds = (never / (1.0 - never)).ln();
        let odds: &[f64] = if self.is_cured { &[odds, odds - 1.5] } else { &[0.0] };
        let with = |of_law: &Vec<f64>, odds: f64| {
            let mut at = [odds; N];
            at.iter_mut().zip(of_law).for_each(|(at, value)| *at = *value);
            at
        };
        of_law.iter().flat_map(|of_law| odds.iter().map(move |&odds| with(of_law, odds))).collect()
    }

    fn describe(&self, gaps: &Gaps, at: [f64; N], top: &Jet<N>) -> Result<FittedLaw, Unfit> {
        let covariance = covariance(top).ok_or(Unfit::NoTop)?;
        let error = |gradient: &[f64; N]| {
            let along =
                |a: usize| (0..N).map(|b| covariance[(a, b)] * gradient[b]).sum::<f64>() * gradient[a];
            (0..N).map(along).sum::<f64>().max(0.0).sqrt()
        };
        let mut parameters = Vec::with_capacity(N);
        for (place, &(name, scale)) in self.law.parameters().iter().enumerate() {
            let (value, gradient) = natural(scale, &at, place);
            parameters.push(Parameter { name, value, standard_error: error(&gradient) });
        }
        let mut never_returns = None;
        if self.is_cured {
            let (value, gradient) = natural(Scale::Odds, &at, N - 1);
            parameters.push(Parameter { name: "cured", value, standard_error: error(&gradient) });
            // Symmetric in the logarithm of the odds, so that it stays a share.
            let half = Z95 * covariance[(N - 1, N - 1)].sqrt();
            let share = |odds: f64| 1.0 / (1.0 + (-odds).exp());
            never_returns =
                Some(Interval { value, low: share(at[N - 1] - half), high: share(at[N - 1] + half) });
        }
        let (ln_half_life, gradient) = self.half_life(&at);
        let log_half_life_error = error(&gradient);
        let around = |sign: f64| (ln_half_life + sign * Z95 * log_half_life_error).exp();
        let (n, k) = (gaps.count() as f64, N as f64);
        let mut fitted = FittedLaw {
            law: self.law,
            parameters,
            log_likelihood: top.value,
            aic: 2.0 * (k - top.value),
            bic: k * n.ln() - 2.0 * top.value,
            half_life_days: Interval { value: ln_half_life.exp(), low: around(-1.0), high: around(1.0) },
            log_half_life_error,
            never_returns,
            bump_days: None,
            misfit: 0.0,
            at: at.to_vec(),
        };
        let curve = kaplan_meier(gaps);
        fitted.misfit = misfit(&fitted, &curve);
        fitted.bump_days = bump(&fitted, &curve);
        Ok(fitted)
    }

    /// Logarithm of the age at which half of those who return have done so, and its slope along the parameters: where
    /// `S(t; p) = 1/2`, `d ln t / dp = (d ln S / dp) / (t h(t))`.
    fn half_life(&self, at: &[f64; N]) -> (f64, [f64; N]) {
        let mut jets = [Jet::constant(0.0); N];
        (0..N).for_each(|place| jets[place] = Jet::parameter(place, at[place]));
        let left = |ln_t: f64| self.law.logs(&jets, ln_t).1.value;
        let (mut low, mut high) = (-60.0, 60.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if left(middle) > -std::f64::consts::LN_2 { low = middle } else { high = middle }
        }
        let ln_t = 0.5 * (low + high);
        let (density, left) = self.law.logs(&jets, ln_t);
        let pace = (density.value - left.value + ln_t).exp();
        (ln_t, left.slope.map(|slope| slope / pace))
    }
}

/// A parameter on its own scale, and its slope along the unbounded ones.
fn natural<const N: usize>(scale: Scale, at: &[f64; N], place: usize) -> (f64, [f64; N]) {
    let mut gradient = [0.0; N];
    let value = match scale {
        Scale::Plain => {
            gradient[place] = 1.0;
            at[place]
        }
        Scale::Log => {
            gradient[place] = at[place].exp();
            at[place].exp()
        }
        Scale::Odds => {
            let share = 1.0 / (1.0 + (-at[place]).exp());
            gradient[place] = share * (1.0 - share);
            share
        }
        Scale::RatioTo(other) => {
            let value = (at[other] + at[place].exp()).exp();
            gradient[other] = value;
            gradient[place] = value * at[place].exp();
            value
        }
    };
    (value, gradient)
}

/// The largest distance between a law and the curve, on either side of each step.
fn misfit(fitted: &FittedLaw, curve: &[Left]) -> f64 {
    let steps = curve.windows(2).map(|pair| {
        let left = fitted.left(pair[1].days);
        (left - pair[1].share).abs().max((left - pair[0].share).abs())
    });
    steps.fold(0.0, f64::max)
}

/// The last age at which returns are more frequent than just before and just after, if enough have come back by then.
fn bump(fitted: &FittedLaw, curve: &[Left]) -> Option<f64> {
    const GRID: usize = 400;
    let (first, last) = (curve.get(1)?.days, curve.last()?.days);
    let age = |place: usize| first * (last / first).powf(place as f64 / GRID as f64);
    let logs = |place: usize| fitted.law.logs(&fitted.constants(), age(place).ln());
    let densities: Vec<f64> = (0..=GRID).map(|place| logs(place).0.value).collect();
    let is_peak =
        |&place: &usize| densities[place] > densities[place - 1] && densities[place] >= densities[place + 1];
    let peak = (1..GRID).rev().find(is_peak)?;
    (logs(peak).1.value.exp() < 1.0 - BEFORE_BUMP).then(|| age(peak))
}
