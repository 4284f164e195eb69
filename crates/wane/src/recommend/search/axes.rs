//! A few directions that hold most of the length of many vectors.
//!
//! They are the first principal axes of the vectors' directions, as many as hold [`SHARE`] of them, in eights, for places are rounded and
//! multiplied in groups. Where that would not be many fewer than there are places there are no such axes, and the places themselves
//! have to do.
//! Nothing that is found with them depends on how good they are, only how quickly it is found (`codes`).

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use crate::interest::eigen;

/// Of the squared length of all vectors, each made 1 long.
const SHARE: f32 = 0.8;
/// Axes come in so many.
const GROUP: usize = 8;
/// Vectors that are looked at, at most.
const LOOKED_AT: usize = 10_000;
/// Places at most: to find axes takes the cube of their number.
const MOST: usize = 512;

/// Directions in a space of `dim` places.
#[derive(Debug)]
pub(super) struct Axes {
    dim: usize,
    /// One after another, in double precision as all that bounds are made of; none: the places.
    rows: Vec<f64>,
}

impl Axes {
    /// The places of vectors.
    pub(super) fn places(dim: usize) -> Self {
        Self { dim, rows: Vec::new() }
    }

    /// The principal axes of some vectors, where few of them say most.
    pub(super) fn principal<'a>(
        dim: usize,
        vectors: impl ExactSizeIterator<Item = &'a [f32]>,
    ) -> Option<Self> {
        let is_worth_it = (2 * GROUP..=MOST).contains(&dim);
        let rows = is_worth_it.then(|| principal(dim, vectors)).flatten()?;
        Some(Self { dim, rows })
    }

    /// Whether they are the places of vectors.
    pub(super) fn are_places(&self) -> bool {
        self.rows.is_empty()
    }

    /// Places of a vector.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        if self.are_places() { self.dim } else { self.rows.len() / self.dim }
    }

    /// No sum of them, with numbers of length 1, is longer.
    pub(super) fn stretch(&self) -> f64 {
        if self.are_places() { 1.0 } else { self.rows.iter().map(|x| x * x).sum::<f64>().sqrt() }
    }

    /// `u_k . v` of each; a vector that is shorter is followed by zeros.
    pub(super) fn along<T: Copy + Into<f64>>(&self, vector: &[T]) -> Vec<f64> {
        if self.are_places() {
            let own = vector.iter().map(|&x| x.into());
            return own.chain(std::iter::repeat(0.0)).take(self.dim).collect();
        }
        let one = |axis: &[f64]| axis.iter().zip(vector).map(|(u, &x)| u * x.into()).sum();
        self.rows.chunks_exact(self.dim).map(one).collect()
    }

    /// `v - sum_k p_k u_k`.
    pub(super) fn rest(&self, vector: &[f32], along: &[f64]) -> Vec<f64> {
        let mut rest: Vec<f64> = vector.iter().copied().map(f64::from).collect();
        rest.resize(self.dim, 0.0);
        if self.are_places() {
            rest.iter_mut().zip(along).for_each(|(x, p)| *x -= p);
        }
        for (axis, p) in self.rows.chunks_exact(self.dim).zip(along) {
            rest.iter_mut().zip(axis).for_each(|(x, u)| *x -= p * u);
        }
        rest
    }
}

/// The rows of [`Axes::principal`].
fn principal<'a>(dim: usize, vectors: impl ExactSizeIterator<Item = &'a [f32]>) -> Option<Vec<f64>> {
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
    let (sizes, columns) = eigen(&moments)?;
    let all: f32 = sizes.iter().sum();
    let mut held = 0.0;
    let needed = 1 + sizes.iter().rev().position(|size| {
        held += size;
        held >= SHARE * all
    })?;
    let kept = needed.next_multiple_of(GROUP);
    let is_worth_it = 2 * kept <= dim && all.is_normal();
    is_worth_it.then(|| {
        let axes = (0..dim).rev().take(kept);
        axes.flat_map(|k| (0..dim).map(|place| f64::from(columns[(place, k)])).collect::<Vec<_>>()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(place: usize) -> f32 {
        (place as f32 * 0.618).sin() + 0.3 * (place as f32 * 12.9).sin()
    }

    #[test]
    fn few_axes_hold_vectors_of_few_directions_and_many_need_all_places() {
        // Three directions of 32 places, and a little of everything.
        let direction = |number: usize| (0..32).map(move |place| wave(number * 97 + place));
        let mut low = Vec::new();
        for item in 0..200 {
            let mut vector: Vec<f32> = (0..32).map(|place| 0.05 * wave(item * 31 + place * 7)).collect();
            for number in 0..3 {
                let size = wave(item * 3 + number);
                vector.iter_mut().zip(direction(number)).for_each(|(x, u)| *x += size * u);
            }
            low.push(vector);
        }
        let of = |vectors: &[Vec<f32>]| Axes::principal(32, vectors.iter().map(Vec::as_slice));
        let axes = of(&low).unwrap();
        assert_eq!((axes.len(), axes.dim()), (8, 32));
        for vector in &low {
            let along = axes.along(vector);
            let rest = axes.rest(vector, &along);
            let square = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>();
            let whole: f64 = vector.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!((square(&along) + square(&rest) - whole).abs() < 1e-5 * whole);
            assert!(square(&rest) < 0.2 * whole);
        }
        let units: Vec<Vec<f32>> =
            (0..32).map(|own| (0..32).map(|place| f32::from(u8::from(own == place))).collect()).collect();
        for vectors in [units, Vec::new(), vec![vec![f32::NAN; 32]]] {
            assert!(of(&vectors).is_none());
        }
    }
}
