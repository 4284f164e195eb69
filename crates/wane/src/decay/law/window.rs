//! Window: full weight up to the half-life, none beyond it. What "the last 30 days" means in a query.
//!
//! At the edge itself the weight is 1/2, so that the half-life keeps its meaning.

pub(super) fn weight(x: f64) -> f64 {
    match x.partial_cmp(&1.0) {
        Some(std::cmp::Ordering::Less) => 1.0,
        Some(std::cmp::Ordering::Equal) => 0.5,
        _ => 0.0,
    }
}
