//! Vectors rounded to a byte per place, and a bound that no score exceeds.
//!
//! With the coordinates `y` of a vector and `z` of a question ([`Axes`]) a vector is kept as `step * c`: integers `c` of -127 to 127 for the
//! few coordinates that say most, `step = max |y_k| / 127` of those, and the length `rest` of the other coordinates `y'`. With `r = y - step c` of the few
//! a score is
//!
//! `q . e = y . z = step (c . z) + r . z + y' . z' <= step (c . z) + |r| |z| + rest |z'|`
//!
//! by Cauchy-Schwarz, whatever the coordinates; good ones make the bound narrow (Teflioudi and Gemulla, "Exact and Approximate Maximum Inner
//! Product Search with LEMP", TODS 2016; Li and others, "FEXIPRO", SIGMOD 2017). Rounding takes little:
//! `|r| <= worst * step`, with the greatest such ratio of all vectors. `z` is rounded likewise, to 16 bits, to `step_q c_q`:
//! another `|z - step_q c_q| |step c|`, where `|step c| <= 127 * sqrt(coordinates) * step`. Where all coordinates are kept, `|r|` itself takes the
//! place of the `rest`.
//!
//! Vectors are kept by few coordinates, where few say most, and by all places: the few exclude most vectors, and what they do not exclude is
//! looked at by all. Before either, whole blocks of vectors are excluded by the boxes in which they lie: with `lo_k <= y_k <= hi_k`
//! for all of a block, `sum_k y_k z_k <= sum_k max(z_k, 0) hi_k + min(z_k, 0) lo_k`. So a box is to the bound what a vector with two
//! places for each coordinate is, rounded outwards, and its `rest` is the greatest of its vectors.
//!
//! So `bound = step * (step_q * (c_q . c) + a) + b * rest`, where `a` and `b` depend on the question only. They also hold what floats
//! lose: in `dot`, which is off by at most `(dim + 4) * 2^-24 * |q| |e|`, and in the bound itself. `|e| <= stretch |y| <= stretch (127 sqrt(coordinates)
//! step + rest)`, so a part of it is in either; `G^T H = I` is near enough to lose far less. Steps and lengths are at least 1e-18,
//! so that what is lost to underflow stays below `b * rest`; a vector or question that is longer than 1e18, or no number, has a `rest`
//! or `b` of infinity, thus a bound that excludes nothing. Adding an offset rounds monotonically, so the bound of the dot product plus
//! the offset bounds the score as it is computed, to the last bit.
//!
//! Steps and lengths are kept to 16 bits (the upper halves of floats, rounded up; codes are made for the step as it is kept): what a scan
//! reads is what it takes.
//!
//! Sixteen vectors make a block, two places of each at a time: so their integer products are summed side by side in
//! registers (`pmaddwd` on x86 with AVX2 or AVX-512), nothing is summed across, and the bounds are the same on every machine. Sixteen
//! boxes make a group likewise. The groups that promise most are searched first: after them the bar is nearly where it ends.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::axes::Axes;
use super::offsets::ItemOffsets;

/// Vectors of a block.
pub(super) const LANES: usize = 16;

/// The most places a vector may have: more could overflow the integer sums.
pub(super) const MAX_DIM: usize = 65_536;

/// Blocks whose bounds are worked out, level by level, before any of their items is looked at: one after another what is read is known
/// beforehand, and is on its way while the last is worked on.
const TOGETHER: usize = 64;
/// One of so many of the blocks that were scanned is scanned together next, up to [`TOGETHER`].
const RISING: usize = 4;
/// Groups of boxes that are searched before the others.
const FIRST_GROUPS: usize = 4;

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
    n_rows: usize,
    /// The boxes of blocks, by the first level's coordinates.
    boxes: Option<Level>,
    /// The roughest first; each excludes what it can.
    levels: Vec<Level>,
}

/// Vectors or boxes by some coordinates.
#[derive(Debug, Clone)]
struct Level {
    axes: Arc<Axes>,
    /// Coordinates that are kept.
    n_kept: usize,
    /// Places for each coordinate: 1 of a vector, 2 of a box.
    sides: usize,
    pairs: usize,
    /// `pairs` in a row for each block.
    codes: Vec<PairCodes>,
    /// One per block.
    errors: Vec<Errors>,
    /// Of all vectors, the most that rounding left of the few coordinates, in steps.
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
    boxes: Option<LevelQuery>,
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
    /// Rounds vectors by the first so many of some coordinates, the fewest first.
    pub(super) fn new<'a>(
        kept: &[(Arc<Axes>, usize)],
        n_rows: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
    ) -> Self {
        let level = |(axes, n_kept): &(Arc<Axes>, usize)| {
            let round = |number, put: &mut Put<'_>| round_vector(axes, *n_kept, row(number), put);
            Level::new(axes, (*n_kept, 1), n_rows, round)
        };
        Self { n_rows, boxes: None, levels: kept.iter().map(level).collect() }
    }

    /// The same with the boxes in which blocks lie; `row` gives the vectors again.
    pub(super) fn with_boxes<'a>(mut self, row: impl Fn(usize) -> &'a [f32] + Sync) -> Self {
        let vectors = |block: usize| (block * LANES..self.n_rows.min((block + 1) * LANES)).map(&row);
        self.boxes = self.levels.first().map(|level| {
            let round = |block, put: &mut Put<'_>| round_box(&level.axes, vectors(block), put);
            Level::new(&level.axes, (level.axes.n_few(), 2), self.n_blocks(), round)
        });
        self
    }

    /// Rounds a question: places it lacks are zeros, places it has too many are ignored.
    pub(super) fn query(&self, query: &[f32]) -> CodedQuery {
        let asked: Vec<Asked> = self.levels.iter().map(|level| Asked::of(&level.axes, query)).collect();
        let levels = self.levels.iter().zip(&asked).map(|(level, asked)| level.query(asked)).collect();
        // Boxes are of the first level's coordinates.
        let boxes = self.boxes.as_ref().zip(asked.first()).map(|(boxes, asked)| boxes.query(asked));
        CodedQuery { boxes, levels }
    }

    pub(super) fn n_blocks(&self) -> usize {
        self.n_rows.div_ceil(LANES)
    }

    /// Calls `reach` for each vector of the blocks, or of all, whose bound plus its offset is not below the bar, and takes what it
    /// returns for the next bar. Places behind the last vector may be among them.
    pub(super) fn scan(
        &self,
        query: &CodedQuery,
        blocks: Option<Range<usize>>,
        offsets: &ItemOffsets,
        bar: f32,
        reach: impl FnMut(usize) -> f32,
    ) {
        assert!(offsets.is_settled(), "offsets are to be settled before a search");
        let mut scan = Scan { codes: self, query, offsets, bar, scanned: 0, reach };
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V4::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || scan.run(simd, blocks),
            );
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || scan.run(simd, blocks),
            );
        }
        scan.run(Plain, blocks);
    }
}

/// Takes the code of a place.
type Put<'a> = dyn FnMut(usize, i8) + 'a;

impl Level {
    /// Rounds rows, each by giving the codes of its places, `sides` for each coordinate that is kept, to what it is called with.
    fn new(
        axes: &Arc<Axes>,
        (n_kept, sides): (usize, usize),
        n_rows: usize,
        round: impl Fn(usize, &mut Put<'_>) -> Rounded + Sync,
    ) -> Self {
        let (pairs, blocks) = ((sides * n_kept).div_ceil(2), n_rows.div_ceil(LANES));
        let mut codes = vec![PairCodes([0; 2 * LANES]); pairs * blocks];
        let rounded: Vec<(Errors, f64)> = codes
            .par_chunks_exact_mut(pairs)
            .enumerate()
            .map(|(block, codes)| {
                let mut errors = Errors { step: [0; LANES], rest: [0; LANES] };
                let mut worst = 0.0f64;
                for lane in 0..LANES.min(n_rows - block * LANES) {
                    let own = round(block * LANES + lane, &mut |place, code| {
                        codes[place / 2].0[2 * lane + place % 2] = code;
                    });
                    (errors.step[lane], errors.rest[lane]) = (half_above(own.step), half_above(own.rest));
                    worst = worst.max(own.left);
                }
                (errors, worst)
            })
            .collect();
        let worst = rounded.iter().fold(0.0, |worst: f64, own| worst.max(own.1));
        let errors = rounded.into_iter().map(|own| own.0).collect();
        Self { axes: Arc::clone(axes), n_kept, sides, pairs, codes, errors, worst }
    }

    fn block(&self, block: usize) -> Block<'_> {
        Block { codes: &self.codes[block * self.pairs..][..self.pairs], errors: &self.errors[block] }
    }

    fn query(&self, asked: &Asked) -> LevelQuery {
        let axes = &*self.axes;
        let Asked::Bounded { length, coordinates } = asked else {
            let codes = vec![[0; 2]; self.pairs];
            return LevelQuery { codes, step: 0.0, per_step: 0.0, per_rest: f32::INFINITY };
        };
        let (few, others) = coordinates.split_at(self.n_kept);
        let places: Vec<f64> = match self.sides {
            1 => few.to_vec(),
            _ => few.iter().flat_map(|z| [z.max(0.0), z.min(0.0)]).collect(),
        };
        let most = f64::from(i32::MAX) / (ITEM_CODES * (2 * self.pairs) as f64);
        let step = step_of(&places, most.min(f64::from(i16::MAX)).floor());
        let mut codes = vec![[0i16; 2]; self.pairs];
        let mut lost = 0.0;
        for (place, &value) in places.iter().enumerate() {
            let code = (value / f64::from(step)).round();
            codes[place / 2][place % 2] = code as i16;
            lost += (value - f64::from(step) * code).powi(2);
        }
        let (size, lost) = (self::length(few.iter().copied()), lost.sqrt());
        let (rest, left) = match others {
            [] => (size, 0.0),
            _ => (self::length(others.iter().copied()), self.worst * size),
        };
        let float_error = (axes.dim() as f64 + 16.0) * ROUNDING;
        let longest_codes = ITEM_CODES * (places.len() as f64).sqrt();
        let longest = axes.stretch() * length;
        let per_step =
            longest_codes * (lost + float_error * (longest + size + lost)) + left * (1.0 + float_error);
        let per_rest = rest * (1.0 + float_error) + float_error * longest + SHORTEST;
        // Upwards: of the least numbers the margin is less than half a place.
        let per_step = ((per_step * MARGIN) as f32).next_up();
        LevelQuery { codes, step, per_step, per_rest: (per_rest * MARGIN) as f32 }
    }
}

/// A question's coordinates.
enum Asked {
    Bounded {
        length: f64,
        coordinates: Vec<f64>,
    },
    /// It is too long, or no number.
    Boundless,
}

impl Asked {
    fn of(axes: &Axes, query: &[f32]) -> Self {
        let query = &query[..query.len().min(axes.dim())];
        let length = length(query.iter().copied().map(f64::from));
        if length.is_nan() || length > LONGEST {
            return Self::Boundless;
        }
        Self::Bounded { length, coordinates: axes.of_question(query) }
    }
}

/// What is kept of a vector or a box beside its codes.
struct Rounded {
    step: f32,
    rest: f32,
    /// What rounding left of the few coordinates, in steps.
    left: f64,
}

/// Of what is too long, or no number.
const BOUNDLESS: Rounded = Rounded { step: 0.0, rest: f32::INFINITY, left: 0.0 };

/// Gives the codes of a vector to `put`.
fn round_vector(axes: &Axes, n_kept: usize, vector: &[f32], put: &mut Put<'_>) -> Rounded {
    let length = length(vector.iter().copied().map(f64::from));
    if length.is_nan() || length > LONGEST {
        return BOUNDLESS;
    }
    let coordinates = axes.of_vector(vector);
    let (few, others) = coordinates.split_at(n_kept);
    let step = of_half(half_above(step_of(few, ITEM_CODES).max((FINEST * length) as f32)));
    let mut left = 0.0;
    for (place, &value) in few.iter().enumerate() {
        let code = (value / f64::from(step)).round().clamp(-ITEM_CODES, ITEM_CODES);
        put(place, code as i8);
        left += (value - f64::from(step) * code).powi(2);
    }
    let left = left.sqrt();
    let rest = if others.is_empty() { left } else { self::length(others.iter().copied()) };
    Rounded { step, rest: ((rest + SHORTEST) * MARGIN) as f32, left: left / f64::from(step) }
}

/// Gives the codes of the box in which some vectors lie to `put`: for each coordinate the upper and the lower side.
fn round_box<'a>(axes: &Axes, vectors: impl Iterator<Item = &'a [f32]>, put: &mut Put<'_>) -> Rounded {
    let mut sides = vec![[f64::NEG_INFINITY, f64::INFINITY]; axes.n_few()];
    let (mut longest, mut rest) = (0.0f64, 0.0f64);
    for vector in vectors {
        let length = length(vector.iter().copied().map(f64::from));
        if length.is_nan() || length > LONGEST {
            return BOUNDLESS;
        }
        let coordinates = axes.of_vector(vector);
        let (few, others) = coordinates.split_at(axes.n_few());
        for ([upper, lower], &value) in sides.iter_mut().zip(few) {
            (*upper, *lower) = (upper.max(value), lower.min(value));
        }
        (longest, rest) = (longest.max(length), rest.max(self::length(others.iter().copied())));
    }
    let step = of_half(half_above(step_of(sides.as_flattened(), ITEM_CODES).max((FINEST * longest) as f32)));
    for (place, [upper, lower]) in sides.into_iter().enumerate() {
        // Outwards; what the division may lose is far below the floats' error.
        put(2 * place, (upper / f64::from(step)).ceil().clamp(-ITEM_CODES, ITEM_CODES) as i8);
        put(2 * place + 1, (lower / f64::from(step)).floor().clamp(-ITEM_CODES, ITEM_CODES) as i8);
    }
    Rounded { step, rest: ((rest + SHORTEST) * MARGIN) as f32, left: 0.0 }
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
    /// The bound of each vector's score.
    fn bounds(self, block: Block<'_>, query: &LevelQuery, offsets: &Lanes<f32>) -> Lanes<f32>;

    /// A bit for each bound that is not below the bar; one that is no number excludes nothing.
    fn reach(self, bounds: &Lanes<f32>, bar: f32) -> u16;
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
    fn bounds(self, block: Block<'_>, query: &LevelQuery, offsets: &Lanes<f32>) -> Lanes<f32> {
        let mut sums = [0; LANES];
        for (codes, pair) in block.codes.iter().zip(&query.codes) {
            for (sum, code) in sums.iter_mut().zip(codes.0.as_chunks::<2>().0) {
                *sum += i32::from(code[0]) * i32::from(pair[0]) + i32::from(code[1]) * i32::from(pair[1]);
            }
        }
        std::array::from_fn(|lane| {
            let [step, rest] = [block.errors.step[lane], block.errors.rest[lane]].map(of_half);
            let coded = step * (query.step * sums[lane] as f32 + query.per_step);
            coded + query.per_rest * rest + offsets[lane]
        })
    }

    #[inline(always)]
    fn reach(self, bounds: &Lanes<f32>, bar: f32) -> u16 {
        let reaches = |bound: f32| u16::from(bound >= bar || bound.is_nan());
        (0..LANES).fold(0, |reached, lane| reached | reaches(bounds[lane]) << lane)
    }
}

#[cfg(target_arch = "x86_64")]
impl Machine for pulp::x86::V3 {
    #[inline(always)]
    fn bounds(self, block: Block<'_>, query: &LevelQuery, offsets: &Lanes<f32>) -> Lanes<f32> {
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
        let mut bounds = [self.splat_f32x8(0.0); 2];
        for (number, (bound, sum)) in bounds.iter_mut().zip(sums).enumerate() {
            let sum = self.mul_f32x8(all(query.step), self.convert_i32x8_to_f32x8(sum));
            let coded =
                self.mul_f32x8(float(&block.errors.step, number), self.add_f32x8(sum, all(query.per_step)));
            let rest = self.mul_f32x8(all(query.per_rest), float(&block.errors.rest, number));
            *bound = self.add_f32x8(self.add_f32x8(coded, rest), half(offsets, number));
        }
        pulp::cast(bounds)
    }

    #[inline(always)]
    fn reach(self, bounds: &Lanes<f32>, bar: f32) -> u16 {
        let halves: [pulp::f32x8; 2] = pulp::cast(*bounds);
        let mut reached = 0;
        for (number, half) in halves.into_iter().enumerate() {
            let is_reached = self.cmp_not_lt_f32x8(half, self.splat_f32x8(bar));
            reached |= (self.avx._mm256_movemask_ps(pulp::cast(is_reached)) as u16) << (8 * number);
        }
        reached
    }
}

#[cfg(target_arch = "x86_64")]
impl Machine for pulp::x86::V4 {
    #[inline(always)]
    fn bounds(self, block: Block<'_>, query: &LevelQuery, offsets: &Lanes<f32>) -> Lanes<f32> {
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
        pulp::cast(self.add_f32x16(self.add_f32x16(coded, rest), pulp::cast(*offsets)))
    }

    #[inline(always)]
    fn reach(self, bounds: &Lanes<f32>, bar: f32) -> u16 {
        self.cmp_not_lt_f32x16(pulp::cast(*bounds), self.splat_f32x16(bar)).0
    }
}

/// A run of [`Codes::scan`].
struct Scan<'a, R> {
    codes: &'a Codes,
    query: &'a CodedQuery,
    offsets: &'a ItemOffsets,
    bar: f32,
    /// Blocks that were looked into.
    scanned: usize,
    reach: R,
}

impl<R: FnMut(usize) -> f32> Scan<'_, R> {
    // Inlined into what is compiled for the machine, as all that is called here.
    #[inline(always)]
    fn run<M: Machine>(&mut self, machine: M, blocks: Option<Range<usize>>) {
        match (blocks, &self.codes.boxes, &self.query.boxes) {
            (None, Some(boxes), Some(query)) => self.by_boxes(machine, boxes, query),
            (blocks, ..) => self.look_into(machine, blocks.unwrap_or(0..self.codes.n_blocks())),
        }
    }

    #[inline(always)]
    fn by_boxes<M: Machine>(&mut self, machine: M, boxes: &Level, query: &LevelQuery) {
        // What the best of each block may score, group by group.
        let mut promises = vec![[0.0; LANES]; boxes.errors.len()];
        for (group, promise) in promises.iter_mut().enumerate() {
            *promise = machine.bounds(boxes.block(group), query, self.offsets.greatest(group));
        }
        let mut blocks = Vec::with_capacity(2 * TOGETHER);
        let first = best_groups(&promises);
        for &group in &first {
            self.reached(machine, &promises, group, &mut blocks);
            self.look_into(machine, blocks.drain(..));
        }
        for group in (0..promises.len()).filter(|group| !first.contains(group)) {
            self.reached(machine, &promises, group, &mut blocks);
            if blocks.len() >= TOGETHER {
                self.look_into(machine, blocks.drain(..));
            }
        }
        self.look_into(machine, blocks.drain(..));
    }

    /// Adds the blocks of a group that may hold what reaches the bar.
    #[inline(always)]
    fn reached<M: Machine>(
        &self,
        machine: M,
        promises: &[Lanes<f32>],
        group: usize,
        blocks: &mut Vec<usize>,
    ) {
        let mut reached = machine.reach(&promises[group], self.bar);
        while reached != 0 {
            let block = group * LANES + reached.trailing_zeros() as usize;
            // The last group may not be full.
            if block < self.codes.n_blocks() {
                blocks.push(block);
            }
            reached &= reached - 1;
        }
    }

    /// Looks into blocks, some at a time.
    #[inline(always)]
    fn look_into<M: Machine>(&mut self, machine: M, mut blocks: impl ExactSizeIterator<Item = usize>) {
        let mut left = [(0usize, 0u16); TOGETHER];
        while blocks.len() > 0 {
            // The bar rises fast at first.
            let together = (self.scanned / RISING).clamp(1, TOGETHER);
            let mut n_left = 0;
            for (left, block) in left.iter_mut().zip(blocks.by_ref().take(together)) {
                *left = (block, u16::MAX);
                n_left += 1;
            }
            self.scanned += n_left;
            for (level, query) in self.codes.levels.iter().zip(&self.query.levels) {
                let mut n_reached = 0;
                for place in 0..n_left {
                    let (block, reached) = left[place];
                    let bounds = machine.bounds(level.block(block), query, self.offsets.block(block));
                    let reached = reached & machine.reach(&bounds, self.bar);
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
        }
    }
}

/// The groups that promise most, the best first; of those that promise the same, the first.
#[inline(always)]
fn best_groups(promises: &[Lanes<f32>]) -> Vec<usize> {
    let mut best: Vec<(f32, usize)> = Vec::with_capacity(FIRST_GROUPS + 1);
    for (group, promise) in promises.iter().enumerate() {
        let most = most_of(promise);
        if best.len() < FIRST_GROUPS || best.last().is_some_and(|last| most > last.0) {
            let place = best.partition_point(|own| own.0 >= most);
            best.insert(place, (most, group));
            best.truncate(FIRST_GROUPS);
        }
    }
    best.into_iter().map(|(_, group)| group).collect()
}

/// The greatest of some promises. What promises no number may hold anything. Halves are compared, as the machine does it best.
#[inline(always)]
fn most_of(promises: &Lanes<f32>) -> f32 {
    let mut most = promises.map(|promise| if promise.is_nan() { f32::INFINITY } else { promise });
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            most[lane] = most[lane].max(most[lane + half]);
        }
        half /= 2;
    }
    most[0]
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
            let bits = |bounds: Lanes<f32>| bounds.map(|bound| if bound.is_nan() { u32::MAX } else { bound.to_bits() });
            let bounds = Plain.bounds(block, &query, &offsets);
            let plain = (bits(bounds), Plain.reach(&bounds, bar));
            if let Some(simd) = pulp::x86::V3::try_new() {
                let bounds = simd.vectorize(|| simd.bounds(block, &query, &offsets));
                prop_assert_eq!((bits(bounds), simd.vectorize(|| simd.reach(&bounds, bar))), plain);
            }
            if let Some(simd) = pulp::x86::V4::try_new() {
                let bounds = simd.vectorize(|| simd.bounds(block, &query, &offsets));
                prop_assert_eq!((bits(bounds), simd.vectorize(|| simd.reach(&bounds, bar))), plain);
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
    fn the_best_groups_come_first() {
        let promises = |most: &[f32]| -> Vec<Lanes<f32>> {
            let lanes = |(group, most): (usize, &f32)| {
                std::array::from_fn(|lane| if lane == group * 5 % LANES { *most } else { f32::NEG_INFINITY })
            };
            most.iter().enumerate().map(lanes).collect()
        };
        let best = |most: &[f32]| best_groups(&promises(most));
        assert_eq!(best(&[1.0, 3.0, -2.0, 3.0, f32::NAN, 0.5, 7.0]), [4, 6, 1, 3]);
        assert_eq!(best(&[2.0, 2.0, 2.0, 2.0, 2.0]), [0, 1, 2, 3]);
        assert_eq!(best(&[f32::NEG_INFINITY, 1.0]), [1, 0]);
        assert!(best(&[]).is_empty());
    }

    #[test]
    fn the_longest_vectors_do_not_overflow() {
        let ones = vec![1.0f32; MAX_DIM];
        let codes =
            Codes::new(&[(Arc::new(Axes::places(MAX_DIM)), MAX_DIM)], 1, |_| &ones).with_boxes(|_| &ones);
        for level in codes.levels.iter().chain(&codes.boxes) {
            let query = level.query(&Asked::of(&level.axes, &ones));
            let sum: i64 = query.codes.as_flattened().iter().map(|&code| i64::from(code) * 127).sum();
            assert!(sum <= i64::from(i32::MAX));
            let bound = Plain.bounds(level.block(0), &query, &[0.0; LANES])[0];
            assert!((MAX_DIM as f32..1.1 * MAX_DIM as f32).contains(&bound));
        }
    }
}
