//! How likely it is to leave between two moments, where rates are gamma distributed: the integral of Pareto/NBD and its
//! derivatives.
//!
//! `I = integral from t to T of (alpha + u)^-p (beta + u)^-q du`, with `p = r + x` and `q = s + 1`
//!
//! It is usually written as a difference of two `2F1`, which cancels where a user was seen shortly before `T` and changes its form
//! where `alpha` passes `beta`. Here it is summed by Gauss and Legendre's rule: nothing is ever subtracted, and derivatives
//! are sums over the same nodes.
//!
//! - With `v = ln(c + u)`, `c` the smaller of `alpha` and `beta`, the integrand's logarithm is concave and its only
//!   singularities lie `pi` beside the real line. So panels of length 3 at most suffice.
//! - Where it has fallen by `e^-FALL` the rest is not worth a node, and a panel sees no more than half of that fall.

use crate::decay::jet::Jet;

/// What the integrand's logarithm falls by until the rest does not matter.
const FALL: f64 = 36.0;
/// The longest panel.
const LENGTH: f64 = 3.0;
/// The furthest that the integrand's logarithm falls in one panel.
const PANEL_FALL: f64 = 18.0;
/// Steps toward the end of what matters; stopping early only makes panels longer.
const STEPS: usize = 6;
/// Positive nodes of Gauss and Legendre's rule of 16 with their weights (Abramowitz and Stegun 25.4).
const NODES: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_6),
    (0.458_016_777_657_227_4, 0.169_156_519_395_002_5),
    (0.617_876_244_402_643_8, 0.149_595_988_816_576_7),
    (0.755_404_408_355_003, 0.124_628_971_255_533_9),
    (0.865_631_202_387_831_7, 0.095_158_511_682_492_78),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_89),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_095),
];

/// The integrand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    pub(super) r: f64,
    pub(super) alpha: f64,
    pub(super) s: f64,
    pub(super) beta: f64,
    /// Repeats.
    pub(super) x: f64,
}

/// The integrand over `v`: `near` belongs to the smaller of `alpha` and `beta`.
struct Sides {
    near: f64,
    far: f64,
    near_power: f64,
    far_power: f64,
}

/// A node of the rule: `near + u` and `far + u`, with their logarithms.
struct Node {
    near: f64,
    ln_near: f64,
    far: f64,
    ln_far: f64,
}

impl Sides {
    fn node(&self, v: f64) -> Node {
        let near = v.exp();
        let far = near + (self.far - self.near);
        Node { near, ln_near: v, far, ln_far: far.ln() }
    }

    /// The logarithm of the integrand over `v`.
    fn log(&self, node: &Node) -> f64 {
        (1.0 - self.near_power) * node.ln_near - self.far_power * node.ln_far
    }

    /// The slope of that logarithm.
    fn slope(&self, node: &Node) -> f64 {
        1.0 - self.near_power - self.far_power * node.near / node.far
    }

    /// What all derivatives are made of: `ln(near + u)` and `near / (near + u)`, and the same of `far`.
    fn features(&self, node: &Node) -> [f64; 4] {
        [node.ln_near, self.near / node.near, node.ln_far, self.far / node.far]
    }

    /// How far to go from `start` until the integrand has fallen, `length` at most.
    fn worth_going(&self, start: &Node, length: f64) -> f64 {
        let (height, slope) = (self.log(start), self.slope(start));
        let mut length = if slope < 0.0 { length.min(-FALL / slope) } else { length };
        // A tangent of a concave function lies above it: each step comes nearer, none too near.
        for _ in 0..STEPS {
            let node = self.node(start.ln_near + length);
            let (beyond, slope) = (height - FALL - self.log(&node), self.slope(&node));
            if beyond <= 0.0 || slope >= 0.0 {
                break;
            }
            length = (length + beyond / slope).max(0.0);
        }
        length
    }

    /// Calls `visit` with each node and its weight relative to the integrand at the start; returns the node there.
    fn each_node(&self, from: f64, to: f64, mut visit: impl FnMut(f64, &Node)) -> Node {
        let start = self.node((self.near + from).ln());
        let height = self.log(&start);
        // Not as a difference of logarithms, which would hide a short time.
        let length = self.worth_going(&start, ((to - from).max(0.0) / (self.near + from)).ln_1p());
        let fall = (height - self.log(&self.node(start.ln_near + length))).clamp(0.0, FALL);
        let panels = (length / LENGTH).max(fall / PANEL_FALL).ceil().max(1.0);
        let half = 0.5 * length / panels;
        for panel in 0..panels as usize {
            let middle = start.ln_near + (2 * panel + 1) as f64 * half;
            for (place, weight) in NODES {
                for v in [middle - half * place, middle + half * place] {
                    let node = self.node(v);
                    visit(weight * half * (self.log(&node) - height).exp(), &node);
                }
            }
        }
        start
    }
}

impl Leaving {
    fn sides(&self) -> Sides {
        let (p, q) = (self.r + self.x, self.s + 1.0);
        if self.alpha <= self.beta {
            Sides { near: self.alpha, far: self.beta, near_power: p, far_power: q }
        } else {
            Sides { near: self.beta, far: self.alpha, near_power: q, far_power: p }
        }
    }

    /// `ln I`; minus infinity where no time lies between.
    pub(super) fn log_integral(&self, from: f64, to: f64) -> f64 {
        let (sides, mut sum) = (self.sides(), 0.0);
        let start = sides.each_node(from, to, |weight, _| sum += weight);
        sides.log(&start) + sum.ln()
    }

    /// `ln I` with its derivatives along the logarithms of `r`, `alpha`, `s` and `beta`; nothing where no time lies between.
    ///
    /// With `f` the integrand, `(ln I)' = E[(ln f)']` and `(ln I)'' = E[(ln f)''] + Cov[(ln f)']`, where the expectation
    /// weighs moments by `f`.
    pub(super) fn log_integral_jet(&self, from: f64, to: f64) -> Option<Jet<4>> {
        let sides = self.sides();
        let middle = sides.features(&sides.node((sides.near + from).ln()));
        let (mut sum, mut first, mut second) = (0.0, [0.0; 4], [[0.0; 4]; 4]);
        let start = sides.each_node(from, to, |weight, node| {
            let mut features = sides.features(node);
            // Beside those at the start: what hardly varies must not cancel in the covariance.
            features.iter_mut().zip(middle).for_each(|(own, middle)| *own -= middle);
            sum += weight;
            for a in 0..4 {
                first[a] += weight * features[a];
                (a..4).for_each(|b| second[a][b] += weight * features[a] * features[b]);
            }
        });
        if sum.is_nan() || sum <= 0.0 {
            return None;
        }
        let mean: [f64; 4] = std::array::from_fn(|a| middle[a] + first[a] / sum);
        let covariance = |a: usize, b: usize| (second[a][b] - first[a] * first[b] / sum) / sum;
        Some(self.assemble(sides.log(&start) + sum.ln(), mean, covariance))
    }

    /// From means and covariances of the features; `covariance` is asked for ascending places only.
    fn assemble(&self, value: f64, mean: [f64; 4], covariance: impl Fn(usize, usize) -> f64) -> Jet<4> {
        let (p, q) = (self.r + self.x, self.s + 1.0);
        // Features are in order of near and far, parameters in that of alpha and beta.
        let (own, factors) = if self.alpha <= self.beta {
            ([0, 1, 2, 3], [-self.r, -p, -self.s, -q])
        } else {
            ([2, 3, 0, 1], [-self.s, -q, -self.r, -p])
        };
        let mut jet = Jet::constant(value);
        for a in 0..4 {
            jet.slope[own[a]] = factors[a] * mean[a];
            for b in a..4 {
                let mut curvature = factors[a] * factors[b] * covariance(a, b);
                // The second derivatives of ln f.
                curvature += match (a, b) {
                    (0, 0) | (2, 2) | (0, 1) | (2, 3) => factors[a] * mean[b],
                    (1, 1) | (3, 3) => factors[a] * (mean[a] - mean[a] * mean[a] - covariance(a, a)),
                    _ => 0.0,
                };
                jet.curvature[own[a]][own[b]] = curvature;
                jet.curvature[own[b]][own[a]] = curvature;
            }
        }
        jet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::jet::check_derivatives;

    #[test]
    fn integrals_are_those_of_mpmath() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/activity.json")).unwrap();
        for row in fixture["leaving"].as_array().unwrap() {
            let number = |place: usize| row[place].as_f64().unwrap();
            let (r, alpha, s, beta, x) = (number(0), number(1), number(2), number(3), number(4));
            let (from, to, expected) = (number(5), number(6), number(7));
            let leaving = Leaving { r, alpha, s, beta, x };
            let near = |own: f64| {
                // The logarithm itself is known to some digits only where it is large.
                assert!((own - expected).abs() < 1e-10 + 4e-15 * expected.abs(), "{row}: {own}");
            };
            near(leaving.log_integral(from, to));
            near(leaving.log_integral_jet(from, to).unwrap().value);
        }
    }

    #[test]
    fn derivatives_are_those_of_differences() {
        let of = |at: [f64; 4]| {
            let [r, alpha, s, beta] = at.map(f64::exp);
            Leaving { r, alpha, s, beta, x: 4.0 }.log_integral_jet(3.0, 50.0).unwrap()
        };
        for at in
            [[0.3, 2.0, -0.4, 2.5], [0.3, 2.5, -0.4, 2.0], [-1.0, 1.0, 2.0, 1.0], [2.0, -3.0, -2.0, 4.0]]
        {
            check_derivatives(at, 1e-7, of);
        }
    }

    #[test]
    fn nobody_leaves_in_no_time() {
        let leaving = Leaving { r: 0.5, alpha: 10.0, s: 0.6, beta: 12.0, x: 3.0 };
        assert_eq!(leaving.log_integral(20.0, 20.0), f64::NEG_INFINITY);
        assert_eq!(leaving.log_integral_jet(20.0, 20.0), None);
    }
}
