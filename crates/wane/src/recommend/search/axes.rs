//! Coordinates of vectors and of questions, the first few of which say most of their products.
//!
//! A product `q . e` is also that of `z = H q` and `y = G e` where `G^T H = I`, whatever the two do to lengths. These make questions alike
//! in all directions: with the principal axes `v_k` of the directions in which users ask and their second moments `w_k`, vectors are
//! multiplied along `v_k` by `sqrt(w_k)` and questions divided by it. Then every direction says as much of products as any other, and
//! the principal axes of the vectors are those by which products differ most: users ask in few directions, and how items differ in the
//! others matters little.
//!
//! The few are as many as hold [`SHARE`] of vectors' squared lengths, in eights, for coordinates are rounded and multiplied in groups. Where that
//! would not be many fewer than there are places, the places themselves have to do.
//! Nothing that is found depends on how good coordinates are, only how quickly it is found (`codes`).

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use crate::interest::eigen;

/// Of the squared lengths of coordinates, of vectors that were made 1 long.
const SHARE: f64 = 0.8;
/// Coordinates come in so many.
const GROUP: usize = 8;
/// Vectors that are looked at, at most.
const LOOKED_AT: usize = 10_000;
/// Places at most: to find coordinates takes the cube of their number, and those of a vector the square.
const MOST: usize = 256;
/// What may be lost by the coordinates: far less than what single precision loses.
const NEAR: f64 = 1e-9;
/// So much of what is asked is taken to point anywhere.
const ANYWHERE: f64 = 0.1;

/// Coordinates in a space of `dim` places.
#[derive(Debug)]
pub(super) struct Axes {
    dim: usize,
    n_few: usize,
    /// None: coordinates are places.
    turn: Option<Turn>,
}

/// What coordinates are made by, in double precision as all that bounds are made of. Column by column: what each place adds to all of
/// them.
#[derive(Debug)]
struct Turn {
    /// `G`.
    of_vectors: Vec<f64>,
    /// `H`.
    of_questions: Vec<f64>,
    /// No vector is so many times longer than its coordinates.
    stretch: f64,
}

impl Axes {
    /// The places of vectors.
    pub(super) fn places(dim: usize) -> Self {
        Self { dim, n_few: dim, turn: None }
    }

    /// Coordinates of which few say most of the products of vectors and questions, where there are such. Without questions vectors stand
    /// for them.
    pub(super) fn telling<'a>(
        dim: usize,
        vectors: impl ExactSizeIterator<Item = &'a [f32]>,
        questions: &[f32],
    ) -> Option<Self> {
        if !(2 * GROUP..=MOST).contains(&dim) {
            return None;
        }
        let vectors = moments(dim, vectors)?;
        let questions = moments(dim, questions.chunks_exact(dim));
        let (turn, held) = Turn::of(&vectors, questions.as_ref().unwrap_or(&vectors), dim)?;
        let n_few = how_many_hold(&held, SHARE)?.next_multiple_of(GROUP);
        (2 * n_few <= dim).then_some(Self { dim, n_few, turn: Some(turn) })
    }

    /// Places of a vector.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// How many of the coordinates say most.
    pub(super) fn n_few(&self) -> usize {
        self.n_few
    }

    /// No vector is so many times longer than its coordinates.
    pub(super) fn stretch(&self) -> f64 {
        self.turn.as_ref().map_or(1.0, |turn| turn.stretch)
    }

    /// The coordinates of a vector; one that is shorter is followed by zeros.
    pub(super) fn of_vector(&self, vector: &[f32]) -> Vec<f64> {
        self.coordinates(self.turn.as_ref().map(|turn| &turn.of_vectors[..]), vector)
    }

    /// The coordinates of a question, likewise.
    pub(super) fn of_question(&self, question: &[f32]) -> Vec<f64> {
        self.coordinates(self.turn.as_ref().map(|turn| &turn.of_questions[..]), question)
    }

    fn coordinates(&self, columns: Option<&[f64]>, values: &[f32]) -> Vec<f64> {
        let Some(columns) = columns else {
            let own = values.iter().copied().map(f64::from);
            return own.chain(std::iter::repeat(0.0)).take(self.dim).collect();
        };
        let mut sums = vec![0.0; self.dim];
        for (column, &value) in columns.chunks_exact(self.dim).zip(values) {
            sums.iter_mut().zip(column).for_each(|(sum, x)| *sum += f64::from(value) * x);
        }
        sums
    }
}

impl Turn {
    /// By the second moments of vectors and of questions, with what each coordinate holds of the vectors' squared lengths.
    fn of(vectors: &[f64], questions: &[f64], dim: usize) -> Option<(Self, Vec<f64>)> {
        let (asked, directions) = principal(questions, dim)?;
        let mean = asked.iter().sum::<f64>() / dim as f64;
        let factor = |size: f64| ((1.0 - ANYWHERE) * size.max(0.0) / mean + ANYWHERE).sqrt();
        let (mut stretched, mut shrunk) = (directions.clone(), directions);
        let rows = stretched.chunks_exact_mut(dim).zip(shrunk.chunks_exact_mut(dim));
        for ((stretched, shrunk), size) in rows.zip(asked) {
            stretched.iter_mut().for_each(|x| *x *= factor(size));
            shrunk.iter_mut().for_each(|x| *x /= factor(size));
        }
        let vectors = product(&product(&stretched, vectors, dim), &transposed(&stretched, dim), dim);
        let (held, turns) = principal(&vectors, dim)?;
        let of_questions = transposed(&product(&turns, &shrunk, dim), dim);
        let turn = Self {
            of_vectors: transposed(&product(&turns, &stretched, dim), dim),
            stretch: of_questions.iter().map(|x| x * x).sum::<f64>().sqrt(),
            of_questions,
        };
        turn.is_sound(dim).then_some((turn, held))
    }

    /// Whether `G^T H = I`, which bounds rest on.
    fn is_sound(&self, dim: usize) -> bool {
        let both = product(&self.of_vectors, &transposed(&self.of_questions, dim), dim);
        let is_near = |(place, x): (usize, &f64)| {
            let unit = if place / dim == place % dim { 1.0 } else { 0.0 };
            (x - unit).abs() <= NEAR
        };
        both.iter().enumerate().all(is_near)
    }
}

/// How many of some sizes, the greatest first, hold a share of all.
fn how_many_hold(sizes: &[f64], share: f64) -> Option<usize> {
    let all: f64 = sizes.iter().sum();
    let mut sum = 0.0;
    let last = sizes.iter().position(|size| {
        sum += size;
        sum >= share * all
    });
    last.filter(|_| all.is_normal()).map(|last| last + 1)
}

/// The second moments of some vectors' directions, if any has one.
fn moments<'a>(dim: usize, vectors: impl ExactSizeIterator<Item = &'a [f32]>) -> Option<Vec<f64>> {
    let step = vectors.len().div_ceil(LOOKED_AT).max(1);
    let mut rows: Vec<f32> = Vec::new();
    for vector in vectors.step_by(step) {
        let length = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        if length.is_normal() {
            rows.extend(vector.iter().map(|&x| (f64::from(x) / length) as f32));
        }
    }
    let rows = MatRef::from_row_major_slice(&rows, rows.len() / dim, dim);
    let mut moments = Mat::<f32>::zeros(dim, dim);
    matmul(moments.as_mut(), Accum::Replace, rows.transpose(), rows, 1.0, Par::Seq);
    let places = (0..dim * dim).map(|place| f64::from(moments[(place / dim, place % dim)]));
    (rows.nrows() > 0).then(|| places.collect())
}

/// Sizes and directions, row by row, of the principal axes of second moments, the greatest first.
fn principal(moments: &[f64], dim: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let (sizes, columns) = eigen(&Mat::from_fn(dim, dim, |row, column| moments[row * dim + column] as f32))?;
    let sizes = sizes.into_iter().rev().map(f64::from).collect();
    let places = (0..dim * dim).map(|place| (place % dim, dim - 1 - place / dim));
    let mut rows: Vec<f64> = places.map(|place| f64::from(columns[place])).collect();
    // They are orthogonal to single precision. Twice is enough: what the first time leaves is of the size of roundings.
    for _ in 0..2 {
        make_orthogonal(&mut rows, dim);
    }
    Some((sizes, rows))
}

/// Takes from each row what it has of those before it, and makes it 1 long (Gram-Schmidt).
fn make_orthogonal(rows: &mut [f64], dim: usize) {
    for k in 0..dim {
        let (before, row) = rows.split_at_mut(k * dim);
        let row = &mut row[..dim];
        for other in before.chunks_exact(dim) {
            let common: f64 = other.iter().zip(&*row).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(other).for_each(|(x, y)| *x -= common * y);
        }
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter_mut().for_each(|x| *x /= length);
    }
}

/// `a b` of tables of `dim` rows.
fn product(a: &[f64], b: &[f64], dim: usize) -> Vec<f64> {
    let mut out = vec![0.0; dim * dim];
    for (out, a) in out.chunks_exact_mut(dim).zip(a.chunks_exact(dim)) {
        for (x, b) in a.iter().zip(b.chunks_exact(dim)) {
            out.iter_mut().zip(b).for_each(|(out, y)| *out += x * y);
        }
    }
    out
}

fn transposed(table: &[f64], dim: usize) -> Vec<f64> {
    (0..dim * dim).map(|place| table[place % dim * dim + place / dim]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(place: usize) -> f32 {
        (place as f32 * 0.618).sin() + 0.3 * (place as f32 * 12.9).sin()
    }

    fn square(values: &[f64]) -> f64 {
        values.iter().map(|x| x * x).sum()
    }

    /// Vectors of three directions of 32 places, and a little of everything.
    fn of_three(seed: usize, size: f32) -> Vec<f32> {
        let direction = |number: usize| (0..32).map(move |place| wave((seed + number) * 97 + place));
        let mut rows = Vec::new();
        for item in 0..200 {
            let mut row: Vec<f32> = (0..32).map(|place| 0.05 * wave(item * 31 + place * 7)).collect();
            for number in 0..3 {
                let size = size * wave(item * 3 + number);
                row.iter_mut().zip(direction(number)).for_each(|(x, u)| *x += size * u);
            }
            rows.extend(row);
        }
        rows
    }

    #[test]
    fn products_are_those_of_coordinates_and_few_say_most() {
        let (vectors, questions) = (of_three(0, 1.0), of_three(50, 30.0));
        for asked in [&questions[..], &[]] {
            let axes = Axes::telling(32, vectors.chunks_exact(32), asked).unwrap();
            assert_eq!((axes.n_few(), axes.dim()), (8, 32));
            let asked = if asked.is_empty() { &vectors } else { &questions };
            for (vector, question) in vectors.chunks_exact(32).zip(asked.chunks_exact(32)) {
                let (y, z) = (axes.of_vector(vector), axes.of_question(question));
                let pairs = || vector.iter().zip(question).map(|(&e, &q)| f64::from(e) * f64::from(q));
                let product: f64 = y.iter().zip(&z).map(|(y, z)| y * z).sum();
                let size: f64 = pairs().map(f64::abs).sum();
                assert!((product - pairs().sum::<f64>()).abs() < 1e-12 * size, "{product}");
                assert!(square(&y[8..]) < 0.2 * square(&y));
                let length = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                assert!(length <= axes.stretch() * square(&y).sqrt());
            }
        }
    }

    /// Items differ by all places alike; questions ask of four.
    #[test]
    fn what_nobody_asks_of_says_little() {
        let vectors: Vec<f32> = (0..500 * 32).map(|place| wave(place * place % 7_919)).collect();
        let questions: Vec<f32> = (0..100)
            .flat_map(|row| {
                (0..32).map(move |place| if place < 4 { wave(row * 37 + place * 5) } else { 0.0 })
            })
            .collect();
        assert!(Axes::telling(32, vectors.chunks_exact(32), &[]).is_none());
        let axes = Axes::telling(32, vectors.chunks_exact(32), &questions).unwrap();
        assert_eq!(axes.n_few(), 8);
    }

    #[test]
    fn where_few_say_little_places_have_to_do() {
        let units: Vec<f32> =
            (0..32 * 32).map(|place| f32::from(u8::from(place / 32 == place % 32))).collect();
        let of = |vectors: &[f32]| Axes::telling(32, vectors.chunks_exact(32), &[]);
        for vectors in [&units[..], &[], &[f32::NAN; 32]] {
            assert!(of(vectors).is_none());
        }
        let places = Axes::places(3);
        assert_eq!(places.of_vector(&[1.0, 2.0]), [1.0, 2.0, 0.0]);
        assert_eq!((places.n_few(), places.stretch()), (3, 1.0));
    }
}
