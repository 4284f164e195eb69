//! Gaussian: `2^(-x^2)`, `x = age / half-life`: hardly any loss at first, then a fast one.

pub(super) fn weight(x: f64) -> f64 {
    super::left_after(x * x)
}
