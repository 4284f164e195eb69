//! Power (Lomax): `(1 + (2^(1/p) - 1) x)^(-p)`, `x = age / half-life`, `p > 0` the shape.
//!
//! A long tail: the older an interest, the slower it wanes. Forgetting curves of people look like this
//! (Wixted and Ebbesen 1991).

pub(super) fn weight(x: f64, shape: f64) -> f64 {
    (1.0 + ((1.0 / shape).exp2() - 1.0) * x).powf(-shape)
}
