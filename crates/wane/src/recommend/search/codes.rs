//! Vectors rounded to a byte per place, and a bound that no score exceeds.
//!
//! A vector `e` is kept as `step * c`: integers `c` of -127 to 127 along a few [`Axes`] `u` that hold most of all vectors' length,
//! `step = max |u_k . e| / 127`, and the length `rest = |e'|` of what they leave, `e' = e - step sum_k c_k u_k`. With `p_k = u_k . q`
//! and `q' = q - sum_k p_k u_k` a score is
//!
//! `q . e = step (c . p) + q' . e' + sum_k p_k (u_k . e') <= step (c . p) + |q'| rest + |p| |u . e'|`
//!
//! by Cauchy-Schwarz, whatever the axes; good ones make the bound narrow (Teflioudi and Gemulla, "Exact and Approximate Maximum Inner
//! Product Search with LEMP", TODS 2016; Li and others, "FEXIPRO", SIGMOD 2017). Along the axes little is left of `e'`, what rounding
//! took: `|u . e'| <= worst * step`, with the greatest such ratio of all vectors. `p` is rounded likewise, to 16 bits, to `step_q c_q`:
//! another `|p - step_q c_q| |step c|`, where `|step c| <= 127 * sqrt(axes) * step`. Where all places are axes nothing but roundings is
//! left, and `q . e' <= |q| rest` says it better.
//!
//! Vectors are kept along few axes, where few say most, and along all: the few exclude most blocks of vectors, and what they do not
//! exclude is looked at along all.
//!
//! So `bound = step * (step_q * (c_q . c) + a) + b * rest`, where `a` and `b` depend on the question only. They also hold what floats
//! lose: in `dot`, which is off by at most `(dim + 4) * 2^-24 * |q| |e|`, and in the bound itself. Steps and lengths are at least 1e-18,
//! so that what is lost to underflow stays below `b * rest`; a vector or question that is longer than 1e18, or no number, has a `rest`
//! or `b` of infinity, thus a bound that excludes nothing. Adding an offset rounds monotonically, so the bound of the dot product plus
//! the offset bounds the score as it is computed, to the last bit.
//!
//! Steps and lengths are kept to 16 bits (the upper halves of floats, rounded up; codes are made for the step as it is kept): what a scan
//! reads is what it takes.
//!
//! Sixteen vectors make a block, two places of each at a time: so their integer products are summed side by side in
//! registers (`pmaddwd` on x86 with AVX2 or AVX-512), nothing is summed across, and the bounds are the same on every machine.

use std::ops::Range;
use std::sync::Arc;

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::axes::Axes;

/// Vectors of a block.
pub(super) const LANES: usize = 16;

/// The most places a vector may have: more could overflow the integer sums.
pub(super) const MAX_DIM: usize = 65_536;

/// Blocks whose bounds are worked out, level by level, before any of their items is looked at: one after another what is read is known
/// beforehand, and is on its way while the last is worked on.
const TOGETHER: usize = 64;
/// One of so many of the blocks that were scanned is scanned together next, up to [`TOGETHER`].
const RISING: usize = 4;

const ITEM_CODES: f64 = 127.0;
const SHORTEST: f64 = 1e-18;
const LONGEST: f64 = 1e18;
/// A step is at least this part of a vector's length: below, what doubles lose would be more than rounding takes.
const FINEST: f64 = 1e-9;
/// Half the distance from 1 to the next float.
const ROUNDING: f64 = (f32::EPSILON / 2.0) as f64;
/// What figures computed in double precision, or cut to single, are raised by to stay bounds.
const MARGIN: f64 = 1.0 + 1e-6;

/// A number per vector of a block.
pub(super) type Lanes<T> = [T; LANES];

/// One pair of places of each vector of a block. It is read at once, and not from two lines of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct PairCodes([i8; 2 * LANES]);

/// Rounded vectors, in blocks.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    /// The roughest first; each excludes what it can.
    levels: Vec<Level>,
}

/// Vectors along some axes.
#[derive(Debug, Clone)]
struct Level {
    axes: Arc<Axes>,
    pairs: usize,
    /// `pairs` in a row for each block.
    codes: Vec<PairCodes>,
    /// One per block.
    errors: Vec<Errors>,
    /// Of all vectors, the most that rounding left along the axes, in steps.
    worst: f64,
}

/// One line of the cache: the upper halves of floats, which the lower halves are 0 of.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct Errors {
    step: Lanes<u16>,
    rest: Lanes<u16>,
}

/// The upper half of the least float not below a number (not negative) of which only an upper half is not 0.
fn half_above(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits >> 16) + u32::from(bits & 0xffff != 0)) as u16
}

fn of_half(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// A rounded question, for each level.
#[derive(Debug)]
pub(super) struct CodedQuery {
    levels: Vec<LevelQuery>,
}

#[derive(Debug)]
struct LevelQuery {
    codes: Vec<[i16; 2]>,
    step: f32,
    per_step: f32,
    per_rest: f32,
}

impl Codes {
    /// Rounds vectors along axes; one that `row` gives shorter than they are is followed by zeros.
    pub(super) fn new<'a>(
        axes: &[Arc<Axes>],
        n_rows: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
    ) -> Self {
        Self { levels: axes.iter().map(|axes| Level::new(Arc::clone(axes), n_rows, &row)).collect() }
    }

    /// Along which vectors are rounded, the fewest first.
    pub(super) fn axes(&self) -> Vec<Arc<Axes>> {
        self.levels.iter().map(|level| Arc::clone(&level.axes)).collect()
    }

    /// Rounds a question: places it lacks are zeros, places it has too many are ignored.
    pub(super) fn query(&self, query: &[f32]) -> CodedQuery {
        CodedQuery { levels: self.levels.iter().map(|level| level.query(query)).collect() }
    }

    pub(super) fn n_blocks(&self) -> usize {
        self.levels.first().map_or(0, |level| level.errors.len())
    }

    /// Calls `reach` for each vector of the blocks whose bound plus its offset is not below the bar, and takes what
    /// it returns for the next bar. Places behind the last vector may be among them.
    pub(super) fn scan<'a>(
        &self,
        query: &CodedQuery,
        blocks: Range<usize>,
        offsets: impl Fn(usize) -> &'a Lanes<f32>,
        bar: f32,
        reach: impl FnMut(usize) -> f32,
    ) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V4::try_new() {
            return simd.vectorize(Scan { codes: self, query, blocks, offsets, bar, reach, machine: simd });
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return simd.vectorize(Scan { codes: self, query, blocks, offsets, bar, reach, machine: simd });
        }
        Scan { codes: self, query, blocks, offsets, bar, reach, machine: Plain }.call();
    }
}

impl Level {
    fn new<'a>(axes: Arc<Axes>, n_rows: usize, row: impl Fn(usize) -> &'a [f32] + Sync) -> Self {
        let (pairs, blocks) = (axes.len().div_ceil(2), n_rows.div_ceil(LANES));
        let mut codes = vec![PairCodes([0; 2 * LANES]); pairs * blocks];
        let rounded: Vec<(Errors, f64)> = codes
            .par_chunks_exact_mut(pairs)
            .enumerate()
            .map(|(block, codes)| {
                let mut errors = Errors { step: [0; LANES], rest: [0; LANES] };
                let mut worst = 0.0f64;
                for lane in 0..LANES.min(n_rows - block * LANES) {
                    let own = round_vector(&axes, row(block * LANES + lane), |place, code| {
                        codes[place / 2].0[2 * lane + place % 2] = code;
                    });
                    (errors.step[lane], errors.rest[lane]) = (half_above(own.step), half_above(own.rest));
                    worst = worst.max(own.left);
                }
                (errors, worst)
            })
            .collect();
        let worst = rounded.iter().fold(0.0, |worst: f64, own| worst.max(own.1));
        Self { axes, pairs, codes, errors: rounded.into_iter().map(|own| own.0).collect(), worst }
    }

    fn query(&self, query: &[f32]) -> LevelQuery {
        let axes = &*self.axes;
        let query = &query[..query.len().min(axes.dim())];
        let length = length(query.iter().copied().map(f64::from));
        if length.is_nan() || length > LONGEST {
            let codes = vec![[0; 2]; self.pairs];
            return LevelQuery { codes, step: 0.0, per_step: 0.0, per_rest: f32::INFINITY };
        }
        let along = axes.along(query);
        let most = f64::from(i32::MAX) / (ITEM_CODES * (2 * self.pairs) as f64);
        let step = step_of(&along, most.min(f64::from(i16::MAX)).floor());
        let mut codes = vec![[0i16; 2]; self.pairs];
        let mut lost = 0.0;
        for (place, &value) in along.iter().enumerate() {
            let code = (value / f64::from(step)).round();
            codes[place / 2][place % 2] = code as i16;
            lost += (value - f64::from(step) * code).powi(2);
        }
        let (size, lost) = (self::length(along.iter().copied()), lost.sqrt());
        let (rest, left) = match axes.are_places() {
            true => (length, 0.0),
            false => (self::length(axes.rest(query, &along).into_iter()), self.worst * size),
        };
        let float_error = (axes.dim() as f64 + 16.0) * ROUNDING;
        let longest_codes = ITEM_CODES * (axes.len() as f64).sqrt();
        let per_step = longest_codes * (lost + float_error * (axes.stretch() * length + size + lost))
            + left * (1.0 + float_error);
        let per_rest = rest * (1.0 + float_error) + float_error * length + SHORTEST;
        LevelQuery { codes, step, per_step: (per_step * MARGIN) as f32, per_rest: (per_rest * MARGIN) as f32 }
    }
}

/// What is kept of a vector beside its codes.
struct Rounded {
    step: f32,
    rest: f32,
    /// Along the axes, in steps.
    left: f64,
}

/// Gives the codes of a vector along the axes to `put`.
fn round_vector(axes: &Axes, vector: &[f32], mut put: impl FnMut(usize, i8)) -> Rounded {
    let length = length(vector.iter().copied().map(f64::from));
    if length.is_nan() || length > LONGEST {
        return Rounded { step: 0.0, rest: f32::INFINITY, left: 0.0 };
    }
    let mut along = axes.along(vector);
    let step = of_half(half_above(step_of(&along, ITEM_CODES).max((FINEST * length) as f32)));
    for (place, value) in along.iter_mut().enumerate() {
        let code = (*value / f64::from(step)).round().clamp(-ITEM_CODES, ITEM_CODES);
        put(place, code as i8);
        *value = f64::from(step) * code;
    }
    let rest = axes.rest(vector, &along);
    let left = self::length(axes.along(&rest).into_iter()) / f64::from(step);
    let rest = (self::length(rest.into_iter()) + SHORTEST) * MARGIN;
    Rounded { step, rest: rest as f32, left }
}

fn step_of(values: &[f64], most: f64) -> f32 {
    let greatest = values.iter().fold(0.0f64, |greatest, value| greatest.max(value.abs()));
    (greatest / most).max(SHORTEST) as f32
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// How the bounds of a block are worked out: the same bounds, faster or slower.
trait Machine: Copy {
    /// A bit for each vector whose bound is not below the bar; one that is no number excludes nothing.
    fn reach(self, block: Block<'_>, query: &LevelQuery, offsets: &Lanes<f32>, bar: f32) -> u16;
}

/// What a level has of a block.
#[derive(Clone, Copy)]
struct Block<'a> {
    codes: &'a [PairCodes],
    errors: &'a Errors,
}

#[derive(Clone, Copy)]
struct Plain;

impl Machine for Plain {
    #[inline(always)]
    fn reach(self, block: Block<'_>, query: &LevelQuery, offsets: &Lanes<f32>, bar: f32) -> u16 {
        let mut sums = [0; LANES];
        for (codes, pair) in block.codes.iter().zip(&query.codes) {
            for (sum, code) in sums.iter_mut().zip(codes.0.as_chunks::<2>().0) {
                *sum += i32::from(code[0]) * i32::from(pair[0]) + i32::from(code[1]) * i32::from(pair[1]);
            }
        }
        let mut reached = 0;
        for (lane, sum) in sums.into_iter().enumerate() {
            let [step, rest] = [block.errors.step[lane], block.errors.rest[lane]].map(of_half);
            let coded = step * (query.step * sum as f32 + query.per_step);
            let bound = coded + query.per_rest * rest + offsets[lane];
            reached |= u16::from(bound >= bar || bound.is_nan()) << lane;
        }
        reached
    }
}

#[cfg(target_arch = "x86_64")]
impl Machine for pulp::x86::V3 {
    #[inline(always)]
    fn reach(self, block: Block<'_>, query: &LevelQuery, offsets: &Lanes<f32>, bar: f32) -> u16 {
        let mut sums = [self.splat_i32x8(0); 2];
        for (codes, pair) in block.codes.iter().zip(&query.codes) {
            let pairs: pulp::i16x16 = pulp::cast(self.splat_i32x8(pulp::cast(*pair)));
            let halves: [pulp::i8x16; 2] = pulp::cast(codes.0);
            for (sum, half) in sums.iter_mut().zip(halves) {
                let half = self.convert_i8x16_to_i16x16(half);
                *sum = self.wrapping_add_i32x8(*sum, self.multiply_wrapping_add_adjacent_i16x16(half, pairs));
            }
        }
        let all = |value| self.splat_f32x8(value);
        let half = |values: &Lanes<f32>, half: usize| -> pulp::f32x8 {
            let both: [pulp::f32x8; 2] = pulp::cast(*values);
            both[half]
        };
        let float = |values: &Lanes<u16>, half: usize| -> pulp::f32x8 {
            let both: [pulp::u16x8; 2] = pulp::cast(*values);
            pulp::cast(self.shl_const_u32x8::<16>(self.convert_u16x8_to_u32x8(both[half])))
        };
        let mut reached = 0;
        for (number, sum) in sums.into_iter().enumerate() {
            let sum = self.mul_f32x8(all(query.step), self.convert_i32x8_to_f32x8(sum));
            let coded =
                self.mul_f32x8(float(&block.errors.step, number), self.add_f32x8(sum, all(query.per_step)));
            let rest = self.mul_f32x8(all(query.per_rest), float(&block.errors.rest, number));
            let bound = self.add_f32x8(self.add_f32x8(coded, rest), half(offsets, number));
            let is_reached = self.cmp_not_lt_f32x8(bound, all(bar));
            reached |= (self.avx._mm256_movemask_ps(pulp::cast(is_reached)) as u16) << (8 * number);
        }
        reached
    }
}

#[cfg(target_arch = "x86_64")]
impl Machine for pulp::x86::V4 {
    #[inline(always)]
    fn reach(self, block: Block<'_>, query: &LevelQuery, offsets: &Lanes<f32>, bar: f32) -> u16 {
        let mut sum = self.splat_i32x16(0);
        for (codes, pair) in block.codes.iter().zip(&query.codes) {
            let pairs: pulp::i16x32 = pulp::cast(self.splat_i32x16(pulp::cast(*pair)));
            let codes = self.convert_i8x32_to_i16x32(pulp::cast(codes.0));
            sum = self.wrapping_add_i32x16(sum, self.multiply_wrapping_add_adjacent_i16x32(codes, pairs));
        }
        let all = |value| self.splat_f32x16(value);
        let float = |values: &Lanes<u16>| -> pulp::f32x16 {
            pulp::cast(self.shl_const_u32x16::<16>(self.convert_u16x16_to_u32x16(pulp::cast(*values))))
        };
        let sum = self.mul_f32x16(all(query.step), self.convert_i32x16_to_f32x16(sum));
        let coded = self.mul_f32x16(float(&block.errors.step), self.add_f32x16(sum, all(query.per_step)));
        let rest = self.mul_f32x16(all(query.per_rest), float(&block.errors.rest));
        let bound = self.add_f32x16(self.add_f32x16(coded, rest), pulp::cast(*offsets));
        self.cmp_not_lt_f32x16(bound, all(bar)).0
    }
}

/// The loop of [`Codes::scan`]: a value, so that it can be compiled for what the processor has.
struct Scan<'a, O, R, M> {
    codes: &'a Codes,
    query: &'a CodedQuery,
    blocks: Range<usize>,
    offsets: O,
    bar: f32,
    reach: R,
    machine: M,
}

impl<'o, O: Fn(usize) -> &'o Lanes<f32>, R: FnMut(usize) -> f32, M: Machine> NullaryFnOnce
    for Scan<'_, O, R, M>
{
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let (mut left, mut scanned) = ([(0usize, 0u16); TOGETHER], 0);
        let Range { mut start, end } = self.blocks;
        while start < end {
            // The bar rises fast at first.
            let together = (scanned / RISING).clamp(1, TOGETHER).min(end - start);
            for (left, block) in left.iter_mut().zip(start..start + together) {
                *left = (block, u16::MAX);
            }
            let mut n_left = together;
            for (level, query) in self.codes.levels.iter().zip(&self.query.levels) {
                let mut n_reached = 0;
                for place in 0..n_left {
                    let (block, reached) = left[place];
                    let codes = &level.codes[block * level.pairs..][..level.pairs];
                    let of_level = Block { codes, errors: &level.errors[block] };
                    let reached =
                        reached & self.machine.reach(of_level, query, (self.offsets)(block), self.bar);
                    // Without a branch: which blocks are excluded cannot be foreseen.
                    left[n_reached] = (block, reached);
                    n_reached += usize::from(reached != 0);
                }
                n_left = n_reached;
            }
            for &(block, mut reached) in &left[..n_left] {
                while reached != 0 {
                    self.bar = (self.reach)(block * LANES + reached.trailing_zeros() as usize);
                    reached &= reached - 1;
                }
            }
            (start, scanned) = (start + together, scanned + together);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        #[cfg(target_arch = "x86_64")]
        fn bounds_are_the_same_on_each_machine(
            codes in proptest::collection::vec(proptest::array::uniform32(-127i8..=127), 1..40),
            errors in proptest::array::uniform32(prop_oneof![9 => 0f32..2.0, 1 => Just(f32::INFINITY)]),
            pairs in proptest::collection::vec(proptest::array::uniform2(-32_767i16..=32_767), 40),
            (step, per_step, per_rest) in (0f32..1e-6, 0f32..1e-3, 0f32..0.1),
            offsets in proptest::array::uniform16(prop_oneof![9 => -1f32..1.0, 1 => Just(f32::NAN)]),
            bar in -2f32..2.0,
        ) {
            let codes: Vec<PairCodes> = codes.into_iter().map(PairCodes).collect();
            let errors = errors.map(half_above);
            let mut own = Errors { step: [0; LANES], rest: [0; LANES] };
            own.step.copy_from_slice(&errors[..LANES]);
            own.rest.copy_from_slice(&errors[LANES..]);
            let block = Block { codes: &codes, errors: &own };
            let query = LevelQuery { codes: pairs[..codes.len()].to_vec(), step, per_step, per_rest };
            let plain = Plain.reach(block, &query, &offsets, bar);
            if let Some(simd) = pulp::x86::V3::try_new() {
                prop_assert_eq!(simd.vectorize(|| simd.reach(block, &query, &offsets, bar)), plain);
            }
            if let Some(simd) = pulp::x86::V4::try_new() {
                prop_assert_eq!(simd.vectorize(|| simd.reach(block, &query, &offsets, bar)), plain);
            }
        }
    }

    proptest! {
        #[test]
        fn halves_are_never_below(value in prop_oneof![0f32..3e38, 0f32..1e-30, Just(f32::INFINITY), Just(0.0)]) {
            let above = of_half(half_above(value));
            prop_assert!(above >= value && (above <= value * (1.0 + 1.0 / 128.0) || value < f32::MIN_POSITIVE));
            prop_assert_eq!(half_above(above), half_above(value));
        }
    }

    #[test]
    fn the_longest_vectors_do_not_overflow() {
        let ones = vec![1.0f32; MAX_DIM];
        let level = Level::new(Arc::new(Axes::places(MAX_DIM)), 1, |_| &ones);
        let query = level.query(&ones);
        let sum: i64 = query.codes.as_flattened().iter().map(|&code| i64::from(code) * 127).sum();
        assert!(sum <= i64::from(i32::MAX));
        let block = Block { codes: &level.codes, errors: &level.errors[0] };
        let reaches = |bar: f32| Plain.reach(block, &query, &[0.0; LANES], bar) & 1 == 1;
        assert!(reaches(MAX_DIM as f32) && !reaches(1.1 * MAX_DIM as f32));
    }
}
