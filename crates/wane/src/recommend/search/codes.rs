//! Vectors rounded to a byte per place, and a bound that no score exceeds.
//!
//! A vector `e` is kept as `step * c`, with integers `c` of -127 to 127, `step = max |e_j| / 127`, and the length
//! of what rounding lost, `lost = |e - step * c|`. A question `q` is rounded likewise, to 16 bits. By Cauchy-Schwarz
//!
//! `q . e <= step_q * step * (c_q . c) + |q| * lost + |q - step_q * c_q| * |step * c|`
//!
//! and `|step * c| <= 127 * sqrt(dim) * step`. So `bound = step * (step_q * (c_q . c) + a) + b * lost`, where `a` and
//! `b` depend on the question only. They also hold what floats lose: in `dot`, which is off by at most
//! `(dim + 4) * 2^-24 * |q| |e|`, and in the bound itself. Steps and lengths are at least 1e-18, so that what is lost
//! to underflow stays below `b * lost`; a vector or question that is longer than 1e18, or no number, has a `lost` or
//! `b` of infinity, thus a bound that excludes nothing. Adding an offset rounds monotonically, so the bound of the dot
//! product plus the offset bounds the score as it is computed, to the last bit.
//!
//! Sixteen vectors make a block, two places of each at a time: so their integer products are summed side by side in
//! registers (`pmaddwd` on x86 with AVX2), nothing is summed across, and the sums are the same on every machine.

use std::ops::Range;

use pulp::NullaryFnOnce;
use rayon::prelude::*;

/// Vectors of a block.
pub(super) const LANES: usize = 16;

/// The most places a vector may have: more could overflow the integer sums.
pub(super) const MAX_DIM: usize = 65_536;

const ITEM_CODES: f64 = 127.0;
const SHORTEST: f64 = 1e-18;
const LONGEST: f64 = 1e18;
/// Half the distance from 1 to the next float.
const ROUNDING: f64 = (f32::EPSILON / 2.0) as f64;
/// What figures computed in double precision, or cut to single, are raised by to stay bounds.
const MARGIN: f64 = 1.0 + 1e-6;

/// A number per vector of a block.
pub(super) type Lanes<T> = [T; LANES];

/// One pair of places of each vector of a block.
type PairCodes = [i8; 2 * LANES];

/// Rounded vectors, in blocks.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    pairs: usize,
    /// `pairs` in a row for each block.
    codes: Vec<PairCodes>,
    /// One per block.
    errors: Vec<Errors>,
}

#[derive(Debug, Clone)]
struct Errors {
    step: Lanes<f32>,
    lost: Lanes<f32>,
}

/// A rounded question.
#[derive(Debug)]
pub(super) struct CodedQuery {
    codes: Vec<[i16; 2]>,
    step: f32,
    per_step: f32,
    per_lost: f32,
}

impl Codes {
    /// Rounds vectors of `dim` places; one that `row` gives shorter is followed by zeros.
    pub(super) fn new<'a>(dim: usize, n_rows: usize, row: impl Fn(usize) -> &'a [f32] + Sync) -> Self {
        let (pairs, blocks) = (dim.div_ceil(2), n_rows.div_ceil(LANES));
        let mut codes = vec![[0; 2 * LANES]; pairs * blocks];
        let errors = codes
            .par_chunks_exact_mut(pairs)
            .enumerate()
            .map(|(block, codes)| {
                let mut errors = Errors { step: [0.0; LANES], lost: [0.0; LANES] };
                for lane in 0..LANES.min(n_rows - block * LANES) {
                    let (step, lost) = round_vector(row(block * LANES + lane), |place, code| {
                        codes[place / 2][2 * lane + place % 2] = code;
                    });
                    (errors.step[lane], errors.lost[lane]) = (step, lost);
                }
                errors
            })
            .collect();
        Self { pairs, codes, errors }
    }

    pub(super) fn n_blocks(&self) -> usize {
        self.errors.len()
    }

    /// Calls `reach` for each vector of the blocks whose bound plus its offset is not below the bar, and takes what
    /// it returns for the next bar. Places behind the last vector may be among them.
    pub(super) fn scan(
        &self,
        query: &CodedQuery,
        blocks: Range<usize>,
        offsets: impl Fn(usize) -> Lanes<f32>,
        bar: f32,
        reach: impl FnMut(usize) -> f32,
    ) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return simd.vectorize(Scan { codes: self, query, blocks, offsets, bar, reach, dots: simd });
        }
        Scan { codes: self, query, blocks, offsets, bar, reach, dots: Plain }.call();
    }
}

impl CodedQuery {
    /// Rounds a question for vectors of `dim` places: places it lacks are zeros, places it has too many are ignored.
    pub(super) fn new(query: &[f32], dim: usize) -> Self {
        let query = &query[..query.len().min(dim)];
        let most = f64::from(i32::MAX) / (ITEM_CODES * (dim.next_multiple_of(2) as f64));
        let most = most.min(f64::from(i16::MAX)).floor();
        let step = step_of(query, most);
        let mut codes = vec![[0i16; 2]; dim.div_ceil(2)];
        let mut lost = 0.0;
        for (place, &value) in query.iter().enumerate() {
            let code = (f64::from(value) / f64::from(step)).round();
            codes[place / 2][place % 2] = code as i16;
            lost += (f64::from(value) - f64::from(step) * code).powi(2);
        }
        let (length, lost) = (length(query), lost.sqrt());
        if length.is_nan() || length > LONGEST {
            return Self {
                codes: vec![[0; 2]; dim.div_ceil(2)],
                step: 0.0,
                per_step: 0.0,
                per_lost: f32::INFINITY,
            };
        }
        let float_error = (dim as f64 + 16.0) * ROUNDING;
        let per_step = ITEM_CODES * (dim as f64).sqrt() * (lost + float_error * (length + lost));
        let per_lost = length * (1.0 + float_error) + SHORTEST;
        Self { codes, step, per_step: (per_step * MARGIN) as f32, per_lost: (per_lost * MARGIN) as f32 }
    }
}

/// Gives the codes of a vector's places to `put`; returns the step and the length of what was lost.
fn round_vector(vector: &[f32], mut put: impl FnMut(usize, i8)) -> (f32, f32) {
    let length = length(vector);
    if length.is_nan() || length > LONGEST {
        return (0.0, f32::INFINITY);
    }
    let step = step_of(vector, ITEM_CODES);
    let mut lost = 0.0;
    for (place, &value) in vector.iter().enumerate() {
        let code = (f64::from(value) / f64::from(step)).round().clamp(-ITEM_CODES, ITEM_CODES);
        put(place, code as i8);
        lost += (f64::from(value) - f64::from(step) * code).powi(2);
    }
    (step, ((lost.sqrt() + SHORTEST) * MARGIN) as f32)
}

fn step_of(vector: &[f32], most: f64) -> f32 {
    let greatest = vector.iter().fold(0.0f32, |greatest, value| greatest.max(value.abs()));
    (f64::from(greatest) / most).max(SHORTEST) as f32
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// How the integer products of a block are summed: the same sums, faster or slower.
trait Dots: Copy {
    fn dots(self, block: &[PairCodes], query: &[[i16; 2]]) -> Lanes<i32>;
}

#[derive(Clone, Copy)]
struct Plain;

impl Dots for Plain {
    #[inline(always)]
    fn dots(self, block: &[PairCodes], query: &[[i16; 2]]) -> Lanes<i32> {
        let mut sums = [0; LANES];
        for (codes, pair) in block.iter().zip(query) {
            for (sum, code) in sums.iter_mut().zip(codes.as_chunks::<2>().0) {
                *sum += i32::from(code[0]) * i32::from(pair[0]) + i32::from(code[1]) * i32::from(pair[1]);
            }
        }
        sums
    }
}

#[cfg(target_arch = "x86_64")]
impl Dots for pulp::x86::V3 {
    #[inline(always)]
    fn dots(self, block: &[PairCodes], query: &[[i16; 2]]) -> Lanes<i32> {
        let mut sums = [self.splat_i32x8(0); 2];
        for (codes, pair) in block.iter().zip(query) {
            let pairs: pulp::i16x16 = pulp::cast(self.splat_i32x8(pulp::cast(*pair)));
            let halves: [pulp::i8x16; 2] = pulp::cast(*codes);
            for (sum, half) in sums.iter_mut().zip(halves) {
                let half = self.convert_i8x16_to_i16x16(half);
                *sum = self.wrapping_add_i32x8(*sum, self.multiply_wrapping_add_adjacent_i16x16(half, pairs));
            }
        }
        pulp::cast(sums)
    }
}

/// The loop of [`Codes::scan`]: a value, so that it can be compiled for what the processor has.
struct Scan<'a, D, O, R> {
    codes: &'a Codes,
    query: &'a CodedQuery,
    blocks: Range<usize>,
    offsets: O,
    bar: f32,
    reach: R,
    dots: D,
}

impl<D: Dots, O: Fn(usize) -> Lanes<f32>, R: FnMut(usize) -> f32> NullaryFnOnce for Scan<'_, D, O, R> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let (codes, query, pairs) = (self.codes, self.query, self.codes.pairs);
        for block in self.blocks {
            let dots = self.dots.dots(&codes.codes[block * pairs..][..pairs], &query.codes);
            let bounds = bounds(query, &codes.errors[block], &dots, &(self.offsets)(block));
            if bounds.iter().fold(true, |all, &bound| all & (bound < self.bar)) {
                continue;
            }
            for (lane, &bound) in bounds.iter().enumerate() {
                // A bound that is no number excludes nothing.
                if bound >= self.bar || bound.is_nan() {
                    self.bar = (self.reach)(block * LANES + lane);
                }
            }
        }
    }
}

#[inline(always)]
fn bounds(query: &CodedQuery, errors: &Errors, dots: &Lanes<i32>, offsets: &Lanes<f32>) -> Lanes<f32> {
    let mut bounds = [0.0; LANES];
    // Not `array::from_fn`: what is not inlined here is compiled for the narrowest vectors.
    for (lane, bound) in bounds.iter_mut().enumerate() {
        let coded = errors.step[lane] * (query.step * dots[lane] as f32 + query.per_step);
        *bound = coded + query.per_lost * errors.lost[lane] + offsets[lane];
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        #[cfg(target_arch = "x86_64")]
        fn sums_are_the_same_on_each_machine(
            block in proptest::collection::vec(proptest::array::uniform32(-127i8..=127), 1..40),
            query in proptest::collection::vec(proptest::array::uniform2(-32_767i16..=32_767), 40),
        ) {
            let query = &query[..block.len()];
            if let Some(simd) = pulp::x86::V3::try_new() {
                let sums = simd.vectorize(|| simd.dots(&block, query));
                prop_assert_eq!(sums, Plain.dots(&block, query));
            }
        }
    }

    #[test]
    fn the_longest_vectors_do_not_overflow() {
        let ones = vec![1.0f32; MAX_DIM];
        let codes = Codes::new(MAX_DIM, 1, |_| &ones);
        let query = CodedQuery::new(&ones, MAX_DIM);
        let sum: i64 = query.codes.as_flattened().iter().map(|&code| i64::from(code) * 127).sum();
        assert!(sum <= i64::from(i32::MAX));
        let bound =
            bounds(&query, &codes.errors[0], &Plain.dots(&codes.codes, &query.codes), &[0.0; LANES])[0];
        assert!(bound >= MAX_DIM as f32 && bound < 1.1 * MAX_DIM as f32, "{bound}");
    }
}
