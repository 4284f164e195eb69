//! The top of a likelihood in a few parameters: Newton's method, damped where the likelihood is not concave (Levenberg 1944).

use faer::prelude::Solve;
use faer::{Mat, Side};

use super::jet::Jet;

/// Steps at most.
const STEPS: usize = 200;
/// Newton's decrement (twice what is still to be gained, in nats) at which the top has been reached.
const TOP: f64 = 1e-10;
/// Share of a likelihood that its rounding may hide.
const ROUNDING: f64 = 1e-10;
/// The furthest that a parameter moves in one step.
const FURTHEST: f64 = 2.0;

/// Climbs from a start to a top, as long as `check` lets it be where it is; nothing where no top is found.
pub(super) fn climb<const N: usize, E>(
    log_likelihood: &impl Fn([f64; N]) -> Jet<N>,
    check: &impl Fn(&[f64; N]) -> Result<(), E>,
    mut at: [f64; N],
) -> Option<Result<([f64; N], Jet<N>), E>> {
    let mut here = log_likelihood(at);
    let mut damping = 0.0;
    for _ in 0..STEPS {
        if !here.value.is_finite() {
            return None;
        }
        let Some(step) = newton(&here, damping) else {
            damping = more(damping, &here);
            continue;
        };
        let decrement: f64 = step.iter().zip(&here.slope).map(|(step, slope)| step * slope).sum();
        if damping == 0.0 && decrement.abs() < TOP {
            return Some(Ok((at, here)));
        }
        let mut next = at;
        next.iter_mut().zip(&step).for_each(|(at, step)| *at += step.clamp(-FURTHEST, FURTHEST));
        if let Err(refusal) = check(&next) {
            return Some(Err(refusal));
        }
        let there = log_likelihood(next);
        if there.value >= here.value {
            (at, here) = (next, there);
            damping = if damping < 1e-6 * size(&here) { 0.0 } else { damping / 8.0 };
        } else if decrement.abs() < ROUNDING * here.value.abs() || step.iter().all(|step| step.abs() < 1e-12)
        {
            // Rounding is all that is left.
            return Some(Ok((at, here)));
        } else {
            damping = more(damping, &here);
        }
    }
    None
}

/// Newton's step up, damped; nothing where the damped curvature does not lead up.
fn newton<const N: usize>(here: &Jet<N>, damping: f64) -> Option<[f64; N]> {
    let curvature = Mat::from_fn(N, N, |a, b| -here.curvature[a][b] + if a == b { damping } else { 0.0 });
    let solved = curvature.llt(Side::Lower).ok()?.solve(Mat::from_fn(N, 1, |a, _| here.slope[a]));
    let mut step = [0.0; N];
    (0..N).for_each(|a| step[a] = solved[(a, 0)]);
    step.iter().all(|step| step.is_finite()).then_some(step)
}

/// The inverse of the observed information at a top; nothing where it is flat.
pub(super) fn covariance<const N: usize>(top: &Jet<N>) -> Option<Mat<f64>> {
    let information = Mat::from_fn(N, N, |a, b| -top.curvature[a][b]);
    let solved = information.llt(Side::Lower).ok()?.solve(Mat::<f64>::identity(N, N));
    (0..N).all(|a| solved[(a, a)].is_finite()).then_some(solved)
}

/// How strongly a likelihood is curved.
fn size<const N: usize>(here: &Jet<N>) -> f64 {
    (0..N).map(|a| here.curvature[a][a].abs()).fold(1e-9, f64::max)
}

fn more<const N: usize>(damping: f64, here: &Jet<N>) -> f64 {
    (damping * 4.0).max(1e-4 * size(here))
}
