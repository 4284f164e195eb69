//! Log-logistic: `1 / (1 + x^k)`, `x = age / half-life`, `k > 0` the shape: a Weibull start with a power tail.

pub(super) fn weight(x: f64, shape: f64) -> f64 {
    1.0 / (1.0 + x.powf(shape))
}
