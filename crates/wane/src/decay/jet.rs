//! A number with its first and second derivatives along some parameters: exact slopes and curvatures of likelihoods, written
//! as the likelihoods themselves are.
//!
//! For `y = g(x)` the chain rule gives `y' = g'(x) x'` and `y'' = g'(x) x'' + g''(x) x' x'^T`.

use std::ops::{Add, Mul, Neg, Sub};

/// A value with its gradient and Hessian matrix along `N` parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Jet<const N: usize> {
    pub value: f64,
    pub slope: [f64; N],
    pub curvature: [[f64; N]; N],
}

impl<const N: usize> Jet<N> {
    pub(super) const fn constant(value: f64) -> Self {
        Self { value, slope: [0.0; N], curvature: [[0.0; N]; N] }
    }

    /// The parameter in a place.
    pub(super) fn parameter(place: usize, value: f64) -> Self {
        let mut jet = Self::constant(value);
        jet.slope[place] = 1.0;
        jet
    }

    /// A function of this, from its value and its first two derivatives here.
    fn chain(self, value: f64, first: f64, second: f64) -> Self {
        let mut jet = Self::constant(value);
        for a in 0..N {
            jet.slope[a] = first * self.slope[a];
            for b in 0..N {
                jet.curvature[a][b] = first * self.curvature[a][b] + second * self.slope[a] * self.slope[b];
            }
        }
        jet
    }

    pub(super) fn exp(self) -> Self {
        let value = self.value.exp();
        self.chain(value, value, value)
    }

    /// `ln(1 + e^x)`.
    pub(super) fn softplus(self) -> Self {
        let share = 1.0 / (1.0 + (-self.value).exp());
        let value = self.value.max(0.0) + (-self.value.abs()).exp().ln_1p();
        self.chain(value, share, share * (1.0 - share))
    }

    /// `ln(e^x + e^y)`.
    pub(super) fn log_sum(self, other: Self) -> Self {
        other + (self - other).softplus()
    }

    /// `ln Gamma(x)`, for x above 0.
    pub(super) fn ln_gamma(self) -> Self {
        use statrs::function::gamma::{digamma, ln_gamma};
        self.chain(ln_gamma(self.value), digamma(self.value), trigamma(self.value))
    }

    /// `ln x`, for x above 0.
    pub(super) fn ln(self) -> Self {
        let inverse = 1.0 / self.value;
        self.chain(self.value.ln(), inverse, -inverse * inverse)
    }

    /// `ln P(Z > x)` of a standard normal variable.
    pub(super) fn log_normal_tail(self) -> Self {
        let (value, hazard) = log_normal_tail(self.value);
        self.chain(value, -hazard, -hazard * (hazard - self.value))
    }
}

/// The second derivative of `ln Gamma`: stepped up to where its asymptotic series is exact (Abramowitz and Stegun 6.4.6, 6.4.12).
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 12.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = square * (1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square / 30.0)));
    sum + (1.0 + 0.5 / x + series) / x
}

/// `ln P(Z > x)` and the hazard `phi(x) / P(Z > x)`.
fn log_normal_tail(x: f64) -> (f64, f64) {
    const FAR: f64 = 20.0;
    let log_density = -0.5 * (x * x + (2.0 * std::f64::consts::PI).ln());
    let tail = if x < FAR {
        (0.5 * statrs::function::erf::erfc(x / std::f64::consts::SQRT_2)).ln()
    } else {
        // The first terms of the asymptotic series: the next one is below 1e-7 of the sum.
        let inverse = 1.0 / (x * x);
        log_density - x.ln() + (-inverse + 3.0 * inverse * inverse - 15.0 * inverse.powi(3)).ln_1p()
    };
    (tail, (log_density - tail).exp())
}

impl<const N: usize> Add for Jet<N> {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.value += other.value;
        for a in 0..N {
            self.slope[a] += other.slope[a];
            for b in 0..N {
                self.curvature[a][b] += other.curvature[a][b];
            }
        }
        self
    }
}

impl<const N: usize> Add<f64> for Jet<N> {
    type Output = Self;

    fn add(mut self, other: f64) -> Self {
        self.value += other;
        self
    }
}

impl<const N: usize> Mul<f64> for Jet<N> {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        self.chain(self.value * factor, factor, 0.0)
    }
}

impl<const N: usize> Neg for Jet<N> {
    type Output = Self;

    fn neg(self) -> Self {
        self * -1.0
    }
}

impl<const N: usize> Sub for Jet<N> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl<const N: usize> Mul for Jet<N> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let mut jet = Self::constant(self.value * other.value);
        for a in 0..N {
            jet.slope[a] = self.slope[a] * other.value + self.value * other.slope[a];
            for b in 0..N {
                jet.curvature[a][b] = self.curvature[a][b] * other.value
                    + self.slope[a] * other.slope[b]
                    + self.slope[b] * other.slope[a]
                    + self.value * other.curvature[a][b];
            }
        }
        jet
    }
}

/// Slopes and curvatures are the central differences of values and slopes.
#[cfg(test)]
pub(super) fn check_derivatives<const N: usize>(at: [f64; N], error: f64, of: impl Fn([f64; N]) -> Jet<N>) {
    let (jet, step) = (of(at), 1e-5);
    let near = |analytic: f64, up: f64, down: f64| {
        let numeric = (up - down) / (2.0 * step);
        assert!((analytic - numeric).abs() < error * (1.0 + numeric.abs()), "{analytic} is not {numeric}");
    };
    for a in 0..N {
        let moved = |by: f64| {
            let mut at = at;
            at[a] += by;
            of(at)
        };
        let (up, down) = (moved(step), moved(-step));
        near(jet.slope[a], up.value, down.value);
        (0..N).for_each(|b| near(jet.curvature[a][b], up.slope[b], down.slope[b]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_differences() {
        let of = |at: [f64; 2]| {
            let (x, y) = (Jet::<2>::parameter(0, at[0]), Jet::<2>::parameter(1, at[1]));
            ((x * y).exp() * 0.3).log_sum(y + 0.7) + (x - y * 2.0).log_normal_tail() * x + (-x).softplus()
        };
        for at in [[0.3, -0.4], [1.2, 0.8], [9.0, -8.0]] {
            super::check_derivatives(at, 1e-5, of);
        }
    }

    #[test]
    fn the_second_derivative_of_ln_gamma_is_the_known_one() {
        // scipy.special.polygamma(1, x)
        for (x, expected) in
            [(0.1, 101.43329915079276), (1.0, 1.6449340668482264), (7.3, 0.14679576813142703)]
        {
            assert!((trigamma(x) - expected).abs() < 1e-10 * expected, "{x}: {}", trigamma(x));
        }
        let jet = (Jet::<1>::parameter(0, 0.7) * 2.0).ln_gamma() + Jet::<1>::parameter(0, 0.7).ln();
        let (step, of) = (1e-5, |x: f64| statrs::function::gamma::ln_gamma(2.0 * x) + x.ln());
        let slope = (of(0.7 + step) - of(0.7 - step)) / (2.0 * step);
        assert!((jet.slope[0] - slope).abs() < 1e-6);
    }

    #[test]
    fn the_far_tail_goes_on_where_the_near_one_ends() {
        // scipy.stats.norm.logsf
        for (x, expected) in [
            (-3.0, -0.001350809964748202),
            (5.0, -15.064998393988725),
            (19.9, -201.91716770733265),
            (30.0, -454.3212439563432),
        ] {
            let (tail, hazard) = log_normal_tail(x);
            assert!((tail - expected).abs() < 1e-6 * expected.abs(), "{x}: {tail} is not {expected}");
            assert!(hazard > x);
        }
    }
}
