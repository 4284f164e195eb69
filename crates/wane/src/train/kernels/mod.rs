//! Inner loops of training, compiled for the widest vectors of the machine at hand.
//!
//! Each has a plain twin in its tests. Sums run in [`LANES`] partial sums in a fixed order, so a result does not depend
//! on how many threads there are.

use crate::wide::wide;

/// Partial sums of a reduction.
const LANES: usize = 16;

/// `e^x` by splitting off a power of two; relative error below 2e-7 between -87 and 88, clamped outside.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    p * f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23))
}

/// `ln x` for normal x above 0; absolute error below 2e-7 near 1, relative elsewhere.
#[inline(always)]
fn ln(x: f32) -> f32 {
    let bits = x.to_bits() as i32;
    let e = (bits - 0x3f35_04f3) >> 23;
    let m = f32::from_bits((bits - (e << 23)) as u32) - 1.0;
    let p = 7.037_683_6e-2;
    let p = p * m - 1.151_461e-1;
    let p = p * m + 1.167_699_9e-1;
    let p = p * m - 1.242_014_1e-1;
    let p = p * m + 1.424_932_3e-1;
    let p = p * m - 1.666_805_7e-1;
    let p = p * m + 2.000_071_5e-1;
    let p = p * m - 2.499_999_4e-1;
    let p = p * m + 3.333_333e-1;
    let e = e as f32;
    let p = p * m * m * m + e * -2.121_944_4e-4 - 0.5 * m * m;
    m + p + e * 0.693_359_4
}

/// `asinh x`: x near 0, `ln(2 |x|)` far from it, odd.
#[inline(always)]
fn asinh(x: f32) -> f32 {
    let size = x.abs();
    // ln(x + sqrt(1 + x^2)) loses x where it is small: there the series is exact.
    let far = ln(size + (size * size + 1.0).sqrt());
    let square = size * size;
    let near = size * (1.0 - square * (1.0 / 6.0 - square * (0.075 - square * 0.044_642_86)));
    (if size < 0.25 { near } else { far }).copysign(x)
}

/// `e^x` of every number.
pub(crate) fn exp_all(values: &mut [f32]) {
    wide(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = exp(*value)),
    );
}

/// `ln(1 + x)` of every number, each 0 or above; absolute error below 2e-7 near 0.
pub(crate) fn ln_1p_all(values: &mut [f32]) {
    wide(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = ln(1.0 + *value)),
    );
}

/// `asinh x` of every number.
pub(crate) fn asinh_all(values: &mut [f32]) {
    wide(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = asinh(*value)),
    );
}

/// `y += factor * byte(word)`, the byte being the one that starts at bit `shift`.
pub(crate) fn add_bytes(y: &mut [f32], factor: f32, words: &[u32], shift: u32) {
    wide(
        #[inline(always)]
        || y.iter_mut().zip(words).for_each(|(y, word)| *y += factor * byte(*word, shift)),
    );
}

/// `sum of a * byte(word)`: [`add_bytes`] backward.
pub(crate) fn dot_bytes(a: &[f32], words: &[u32], shift: u32) -> f32 {
    wide(
        #[inline(always)]
        || {
            let mut sums = [0.0; LANES];
            let ((a, a_rest), (words, words_rest)) = (a.as_chunks::<LANES>(), words.as_chunks::<LANES>());
            for (a, words) in a.iter().zip(words) {
                sums.iter_mut()
                    .zip(a.iter().zip(words))
                    .for_each(|(sum, (a, word))| *sum += a * byte(*word, shift));
            }
            let rest: f32 = a_rest.iter().zip(words_rest).map(|(a, word)| a * byte(*word, shift)).sum();
            sums.iter().sum::<f32>() + rest
        },
    )
}

/// The byte that starts at a bit, as a number.
#[inline(always)]
fn byte(word: u32, shift: u32) -> f32 {
    // By way of a signed number: that conversion is one instruction.
    ((word >> shift) & 255) as i32 as f32
}

/// Turns logits into `total` times their softmax; returns the logarithm of the sum of their exponentials.
pub(crate) fn softmax(row: &mut [f32], total: f32) -> f32 {
    let best = wide(
        #[inline(always)]
        || highest(row),
    );
    wide(
        #[inline(always)]
        || row.iter_mut().for_each(|value| *value = exp(*value - best)),
    );
    let sum = wide(
        #[inline(always)]
        || sum(row),
    );
    let share = total / sum;
    wide(
        #[inline(always)]
        || row.iter_mut().for_each(|value| *value *= share),
    );
    best + sum.ln()
}

#[inline(always)]
fn highest(row: &[f32]) -> f32 {
    let mut best = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        best.iter_mut()
            .zip(chunk)
            .for_each(|(best, value)| *best = if value > best { *value } else { *best });
    }
    best.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

#[inline(always)]
fn sum(row: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// `a . b`.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    wide(
        #[inline(always)]
        || dot_inline(a, b),
    )
}

#[inline(always)]
fn dot_inline(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// `y += factor * x`.
pub(crate) fn add_scaled(y: &mut [f32], factor: f32, x: &[f32]) {
    wide(
        #[inline(always)]
        || y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x),
    );
}

/// One step of the trace, every scale m of length `x.len()`: `next_m = kept_m * state_m + weight_m * x`.
pub(crate) fn advance(next: &mut [f32], state: &[f32], kept: &[f32], weights: &[f32], x: &[f32]) {
    wide(
        #[inline(always)]
        || {
            let dim = x.len().max(1);
            let scales =
                next.chunks_exact_mut(dim).zip(state.chunks_exact(dim)).zip(kept.iter().zip(weights));
            for ((next, state), (&kept, &weight)) in scales {
                next.iter_mut()
                    .zip(state)
                    .zip(x)
                    .for_each(|((next, state), x)| *next = kept * state + weight * x);
            }
        },
    );
}

/// One step of the trace backward. `adjoint` is that of the state after the event and becomes that of the state
/// before it; `dx` receives the adjoint of the event's vector, `along_state` and `along_x` per scale the products
/// `<adjoint, state before>` and `<adjoint, x>` that the gradients of decay and weight are made of.
pub(crate) struct Retreat<'a> {
    pub(crate) adjoint: &'a mut [f32],
    pub(crate) state: &'a [f32],
    pub(crate) kept: &'a [f32],
    pub(crate) weights: &'a [f32],
    pub(crate) x: &'a [f32],
    pub(crate) dx: &'a mut [f32],
    pub(crate) along_state: &'a mut [f32],
    pub(crate) along_x: &'a mut [f32],
}

impl Retreat<'_> {
    pub(crate) fn run(self) {
        wide(
            #[inline(always)]
            || {
                let dim = self.x.len().max(1);
                self.dx.fill(0.0);
                for m in 0..self.kept.len() {
                    let adjoint = &mut self.adjoint[m * dim..][..dim];
                    self.along_state[m] = dot_inline(adjoint, &self.state[m * dim..][..dim]);
                    self.along_x[m] = dot_inline(adjoint, self.x);
                    let (kept, weight) = (self.kept[m], self.weights[m]);
                    for (dx, adjoint) in self.dx.iter_mut().zip(adjoint) {
                        *dx += weight * *adjoint;
                        *adjoint *= kept;
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests;
