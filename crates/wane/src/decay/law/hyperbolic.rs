//! Hyperbolic: `1 / (1 + x)`, `x = age / half-life`: how people discount delay (Mazur 1987).

pub(super) fn weight(x: f64) -> f64 {
    1.0 / (1.0 + x)
}
