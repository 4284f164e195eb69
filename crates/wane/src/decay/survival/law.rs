//! Laws of the time until a user comes back, as likelihoods of unbounded parameters.
//!
//! `t` is an age in days, `f` the density of returns at it, `S` the share that has not returned by then, `h = f / S` the
//! hazard.
//!
//! - exponential: `S = exp(-t / scale)`; the hazard never changes.
//! - Weibull: `S = exp(-(t / scale)^shape)`; above shape 1 the hazard rises: goods run out.
//! - log-normal: `S = P(Z > (ln t - mu) / sigma)`; the hazard rises, then falls.
//! - log-logistic: `S = 1 / (1 + (t / scale)^shape)`.
//! - Lomax (a power law): `S = (1 + t / scale)^-shape`.
//! - two exponentials: a share of the returns is fast, the rest slow.
//! - exponential and log-normal: a share comes back at once (the same errand), the rest when the goods have run out.
//!
//! Each may have a *cured* share that never returns (Boag 1949): `S = c + (1 - c) S_law`.

use serde::Serialize;

use crate::decay::jet::Jet;

/// A law of return; see the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReturnLaw {
    /// One rate for ever.
    Exponential,
    /// A hazard that rises or falls as a power of the age.
    Weibull,
    /// Logarithms of ages are normal.
    LogNormal,
    /// Logarithms of ages are logistic.
    LogLogistic,
    /// A power law.
    Lomax,
    /// A fast and a slow rate.
    TwoExponentials,
    /// A fast rate and a later bump.
    ExponentialAndLogNormal,
}

/// How an unbounded number stands for a parameter.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// As it is.
    Plain,
    /// Its logarithm.
    Log,
    /// The logarithm of its odds.
    Odds,
    /// The logarithm of the logarithm of its ratio to another parameter, which it exceeds.
    RatioTo(usize),
}

impl ReturnLaw {
    /// All laws, simple ones first.
    pub const ALL: [Self; 7] = [
        Self::Exponential,
        Self::Weibull,
        Self::LogNormal,
        Self::LogLogistic,
        Self::Lomax,
        Self::TwoExponentials,
        Self::ExponentialAndLogNormal,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exponential => "exponential",
            Self::Weibull => "weibull",
            Self::LogNormal => "log-normal",
            Self::LogLogistic => "log-logistic",
            Self::Lomax => "lomax",
            Self::TwoExponentials => "two-exponentials",
            Self::ExponentialAndLogNormal => "exponential-and-log-normal",
        }
    }

    /// Its parameters by name, with what stands for them.
    pub(super) const fn parameters(self) -> &'static [(&'static str, Scale)] {
        const SCALE: (&str, Scale) = ("scale", Scale::Log);
        const SHAPE: (&str, Scale) = ("shape", Scale::Log);
        match self {
            Self::Exponential => &[SCALE],
            Self::Weibull | Self::LogLogistic | Self::Lomax => &[SCALE, SHAPE],
            Self::LogNormal => &[("mu", Scale::Plain), ("sigma", Scale::Log)],
            Self::TwoExponentials => {
                &[("fast scale", Scale::Log), ("slow scale", Scale::RatioTo(0)), ("fast share", Scale::Odds)]
            }
            Self::ExponentialAndLogNormal => {
                &[SCALE, ("mu", Scale::Plain), ("sigma", Scale::Log), ("exponential share", Scale::Odds)]
            }
        }
    }

    /// `ln f` and `ln S` at an age, given by its logarithm, without a cured share.
    pub(super) fn logs<const N: usize>(self, at: &[Jet<N>], ln_t: f64) -> (Jet<N>, Jet<N>) {
        match self {
            Self::Exponential => exponential(at[0], ln_t),
            Self::Weibull => {
                let z = at[1].exp() * (-at[0] + ln_t);
                let left = -z.exp();
                (at[1] + z + left + -ln_t, left)
            }
            Self::LogNormal => log_normal(at[0], at[1], ln_t),
            Self::LogLogistic => {
                let z = at[1].exp() * (-at[0] + ln_t);
                let left = -z.softplus();
                (at[1] + z + left * 2.0 + -ln_t, left)
            }
            Self::Lomax => {
                let (u, shape) = ((-at[0] + ln_t).softplus(), at[1].exp());
                (at[1] - at[0] - (shape + 1.0) * u, -(shape * u))
            }
            Self::TwoExponentials => {
                mixture(at[2], exponential(at[0], ln_t), exponential(at[0] + at[1].exp(), ln_t))
            }
            Self::ExponentialAndLogNormal => {
                mixture(at[3], exponential(at[0], ln_t), log_normal(at[1], at[2], ln_t))
            }
        }
    }
}

/// `ln f` and `ln S` where a share, given by the logarithm of its odds, never returns.
pub(super) fn cured<const N: usize>(odds: Jet<N>, (density, left): (Jet<N>, Jet<N>)) -> (Jet<N>, Jet<N>) {
    let (cured, others) = (-(-odds).softplus(), -odds.softplus());
    (others + density, cured.log_sum(others + left))
}

fn exponential<const N: usize>(ln_scale: Jet<N>, ln_t: f64) -> (Jet<N>, Jet<N>) {
    let left = -(-ln_scale + ln_t).exp();
    (left - ln_scale, left)
}

fn log_normal<const N: usize>(mu: Jet<N>, ln_sigma: Jet<N>, ln_t: f64) -> (Jet<N>, Jet<N>) {
    let z = (-mu + ln_t) * (-ln_sigma).exp();
    let constant = 0.5 * (2.0 * std::f64::consts::PI).ln() + ln_t;
    (z * z * -0.5 - ln_sigma + -constant, z.log_normal_tail())
}

fn mixture<const N: usize>(odds: Jet<N>, one: (Jet<N>, Jet<N>), other: (Jet<N>, Jet<N>)) -> (Jet<N>, Jet<N>) {
    let (share, rest) = (-(-odds).softplus(), -odds.softplus());
    ((share + one.0).log_sum(rest + other.0), (share + one.1).log_sum(rest + other.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The density is the slope of what has returned, for every law.
    #[test]
    fn densities_are_the_slopes_of_survival() {
        let at = |values: [f64; 5]| values.map(Jet::<1>::constant);
        for law in ReturnLaw::ALL {
            let parameters = at([0.4, 0.3, -0.5, 0.8, 0.0]);
            for (t, odds) in [(0.3f64, -1.0), (2.0, 0.5), (9.0, -3.0)] {
                let logs = |t: f64| cured(Jet::constant(odds), law.logs(&parameters, t.ln()));
                let left = |t: f64| logs(t).1.value.exp();
                let step = 1e-5;
                let slope = (left(t - step) - left(t + step)) / (2.0 * step);
                let density = logs(t).0.value.exp();
                assert!((density - slope).abs() < 1e-6, "{law:?} at {t}: {density} but {slope}");
            }
        }
    }
}
