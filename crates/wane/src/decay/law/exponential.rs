//! Exponential: `2^(-x)`, `x = age / half-life`.
//!
//! The memoryless law: each half-life halves what is left. The only one that can be kept as a running state.

pub(super) fn weight(x: f64) -> f64 {
    super::left_after(x)
}
