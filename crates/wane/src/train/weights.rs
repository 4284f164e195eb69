//! What is learned, as plain arrays.
//!
//! Rows by item (vector, bias) and by catalogue feature (vector) are touched by few examples each; everything else is
//! shared by all items and lies in one flat array with named groups, so that the optimiser, the gradient check and the
//! artifact see one list.

use std::ops::Range;

use faer::MatRef;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::kernels::add_scaled;
use super::products::{add_product, table, table_mut};
use super::trainer::feature_share;
use crate::decay::TimeBasis;
use crate::interest::Features;

/// Sizes of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Items N.
    pub items: usize,
    /// Catalogue features (categories, brands, price bands), then numbers of the items' texts.
    pub features: usize,
    /// Length d of a vector.
    pub dim: usize,
    /// Time scales M.
    pub scales: usize,
    /// Event types.
    pub types: usize,
    /// Relations.
    pub links: usize,
    /// Half-lives at which popularity is counted.
    pub fashions: usize,
    /// Departments whose items come back in a course of time of their own.
    pub departments: usize,
}

/// A group of shared weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `W`: `M * d` rows by `d` columns, from traces to the query vector.
    Mixing,
    /// `ln lambda_m`.
    Rates,
    /// Displacement before the softplus that keeps it above 0.
    Displacements,
    /// Weight of each event type in each scale, types by rows.
    Types,
    /// Kernel coefficients: relation, then event type, then scale.
    Kernels,
    /// What is added to the kernel coefficients of `self` for the items of a department: department, then event type,
    /// then scale.
    Returns,
    /// Gain of each relation.
    Gains,
    /// Weight of each popularity.
    Fashions,
    /// The bias of an item that is known by its features alone.
    Novelty,
    /// What is added to the parts of a familiar item's score, as shares of them: each scale's vectors, the bias, each
    /// popularity, and then a bonus. No gradient leads here: the balance of the parts finds them.
    Familiar,
}

impl Group {
    /// All groups in the order of the flat array.
    pub const ALL: [Self; 10] = [
        Self::Mixing,
        Self::Rates,
        Self::Displacements,
        Self::Types,
        Self::Kernels,
        Self::Returns,
        Self::Gains,
        Self::Fashions,
        Self::Novelty,
        Self::Familiar,
    ];
}

impl Group {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixing => "mixing",
            Self::Rates => "log_rates",
            Self::Displacements => "displacements",
            Self::Types => "type_weights",
            Self::Kernels => "kernels",
            Self::Returns => "department_kernels",
            Self::Gains => "gains",
            Self::Fashions => "popularity_weights",
            Self::Novelty => "novelty",
            Self::Familiar => "familiar",
        }
    }
}

impl Shape {
    fn len(&self, group: Group) -> usize {
        match group {
            Group::Mixing => self.scales * self.dim * self.dim,
            Group::Rates | Group::Displacements => self.scales,
            Group::Types => self.types * self.scales,
            Group::Kernels => self.links * self.types * self.scales,
            Group::Returns => self.departments * self.types * self.scales,
            Group::Gains => self.links,
            Group::Fashions => self.fashions,
            Group::Novelty => usize::from(self.features > 0),
            Group::Familiar => self.scales + 1 + self.fashions + 1,
        }
    }

    /// Where a group lies in the flat array of shared weights.
    pub fn range(&self, group: Group) -> Range<usize> {
        let before = Group::ALL.iter().take_while(|&&other| other != group);
        let start = before.map(|&other| self.len(other)).sum();
        start..start + self.len(group)
    }

    /// Length of the flat array.
    pub fn shared(&self) -> usize {
        Group::ALL.iter().map(|&group| self.len(group)).sum()
    }
}

/// The learned numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Their sizes.
    pub shape: Shape,
    /// `id_j`: item vectors, row by row.
    pub vectors: Vec<f32>,
    /// Vectors of catalogue features, then the projection P of texts, row by row.
    pub features: Vec<f32>,
    /// `b_j`.
    pub bias: Vec<f32>,
    /// All groups of [`Group`].
    pub shared: Vec<f32>,
}

impl Weights {
    /// Seeded start: small random vectors, a query that is the sum of the traces, half-lives as given (days).
    pub fn start(shape: Shape, half_lives: &[f32], seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let d = shape.dim;
        let size = (3.0 / d as f32).sqrt() * 0.3;
        let mut uniform =
            |n: usize, size: f32| (0..n).map(|_| random.random_range(-size..size)).collect::<Vec<f32>>();
        let mut weights = Self {
            shape,
            vectors: uniform(shape.items * d, size),
            features: uniform(shape.features * d, size),
            bias: vec![0.0; shape.items],
            shared: vec![0.0; shape.shared()],
        };
        let noise = uniform(shape.scales * d * d, 0.02);
        let mixing = weights.group_mut(Group::Mixing);
        mixing.copy_from_slice(&noise);
        for place in 0..shape.scales * d {
            mixing[place * d + place % d] += 1.0 / shape.scales as f32;
        }
        for (rate, half_life) in weights.group_mut(Group::Rates).iter_mut().zip(half_lives) {
            *rate = (std::f32::consts::LN_2 / half_life).ln();
        }
        // From 3 per place for the fastest scale to 0.02 for the slowest, before the softplus.
        for (m, raw) in weights.group_mut(Group::Displacements).iter_mut().enumerate() {
            let start = 3.0 * (0.02f32 / 3.0).powf(m as f32 / (shape.scales.max(2) - 1) as f32);
            *raw = start.exp_m1().ln();
        }
        weights.group_mut(Group::Types).fill(1.0);
        weights.group_mut(Group::Kernels).fill(0.1);
        weights.group_mut(Group::Gains).fill(1.0);
        weights
    }

    /// A group of shared weights.
    pub fn group(&self, group: Group) -> &[f32] {
        &self.shared[self.shape.range(group)]
    }

    /// A group of shared weights, to be changed.
    pub fn group_mut(&mut self, group: Group) -> &mut [f32] {
        let range = self.shape.range(group);
        &mut self.shared[range]
    }

    /// `e_j = id_j + sum of its features' vectors / sqrt(their number) + P f_j` of every item, row by row.
    pub fn item_vectors(&self, features: &Features) -> Vec<f32> {
        let mut vectors = self.vectors.clone();
        for (item, vector) in (0u32..).zip(vectors.chunks_exact_mut(self.shape.dim.max(1))) {
            let own = features.of_item(item);
            for &feature in own {
                let known = &self.features[feature as usize * self.shape.dim..][..self.shape.dim];
                add_scaled(vector, feature_share(own), known);
            }
        }
        self.add_texts(features, 1.0, &mut vectors);
        vectors
    }

    /// Adds `factor P f_j` to a row for each item.
    pub(crate) fn add_texts(&self, features: &Features, factor: f32, rows: &mut [f32]) {
        let (texts, dim) = (&features.texts, self.shape.dim.max(1));
        if texts.dim > 0 {
            let n = rows.len() / dim;
            let (rows, texts) =
                (table_mut(rows, n, dim), table(&texts.rows()[..n * texts.dim], n, texts.dim));
            add_product(rows, texts, self.projection(features), factor);
        }
    }

    /// `P`: a row for each number of the texts.
    pub(super) fn projection(&self, features: &Features) -> MatRef<'_, f32> {
        let first = features.n_features * self.shape.dim;
        table(&self.features[first..], features.texts.dim, self.shape.dim)
    }

    /// The time basis that the raw weights stand for.
    pub fn basis(&self) -> TimeBasis {
        TimeBasis {
            rates: self.group(Group::Rates).iter().map(|raw| raw.exp()).collect(),
            displacements: self.group(Group::Displacements).iter().map(|&raw| softplus(raw)).collect(),
        }
    }
}

/// `ln(1 + e^x)`.
pub(super) fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Its slope.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
