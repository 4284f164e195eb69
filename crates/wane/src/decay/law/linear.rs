//! Linear: `max(0, 1 - x / 2)`, `x = age / half-life`: gone for good after two half-lives.

pub(super) fn weight(x: f64) -> f64 {
    (1.0 - x / 2.0).max(0.0)
}
