//! Weibull: `2^(-x^k)`, `x = age / half-life`, `k > 0` the shape.
//!
//! `k < 1` wanes fast and then lingers, `k = 1` is exponential, `k > 1` holds on and then drops.

pub(super) fn weight(x: f64, shape: f64) -> f64 {
    super::left_after(x.powf(shape))
}
