//! Settings of the trace model.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::recommend::{Range, Values};
use crate::train::{LinkPlan, Recipe};

/// Settings of the trace model. The defaults find what depends on the log by themselves: time scales start from the gaps between
/// events, and training stops when held-out questions are answered no better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceSettings {
    /// Length of the vectors, 1 to 1,024.
    pub dim: usize,
    /// Time scales, 1 to 32.
    pub scales: usize,
    /// Passes over the log at most, 0 to 1,000; held-out questions stop it earlier.
    pub epochs: u32,
    /// Epochs before training stops in which held-out questions are answered no better nor, while nearly as well, found
    /// likelier.
    pub patience: u32,
    /// Step size at its height.
    pub learning_rate: f32,
    /// Examples of one step.
    pub batch: usize,
    /// Items beside the batch's own that compete in one step; a smaller catalogue competes whole.
    pub negatives: usize,
    /// Share of the numbers of event vectors that is dropped in training, from 0 to below 1.
    pub dropout: f32,
    /// Weight decay of vectors.
    pub weight_decay: f32,
    /// Share of the items with features or a text that a step of training meets as if they were new, from 0 to 1. At 1 nothing is
    /// learned of any one item, nor counted: such a model speaks of another shop's items as of its own.
    pub id_dropout: f32,
    /// Whether the age of an event counts.
    pub decay: bool,
    /// Whether an event's place in the history counts beside its age (displacement).
    pub displacement: bool,
    /// Whether popularity at several half-lives counts.
    pub popularity: bool,
    /// Whether vectors speak. Off, only relations and popularity do.
    pub vectors: bool,
    /// Whether the catalogue's categories, brands and prices shape the vectors.
    pub features: bool,
    /// Whether the catalogue's vectors, which say what is written of items, shape the vectors.
    pub texts: bool,
    /// Whether the catalogue's own relations speak.
    pub relations: bool,
    /// Places that speak for their own items again (events, or baskets where those are predicted); 0: none.
    pub repeats: u32,
    /// Places, from the newest back, that speak by all other relations; 0: none.
    pub reach: u32,
    /// Distance in places up to which relations are mined from the log; 0: none are.
    pub window: usize,
    /// Links kept of each item in a mined relation at most; on large catalogues fewer, to a million in all, but 30.
    pub top: usize,
    /// Links kept of each item to those that the catalogue's features describe alike, and to those of which its vectors say much
    /// the same is written; 0: none.
    pub alike: usize,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            dim: 64,
            scales: 6,
            epochs: 40,
            patience: 3,
            learning_rate: 6e-3,
            batch: 512,
            negatives: 256,
            dropout: 0.6,
            weight_decay: 0.05,
            id_dropout: 0.1,
            decay: true,
            displacement: true,
            popularity: true,
            vectors: true,
            features: true,
            texts: true,
            relations: true,
            repeats: 500,
            reach: 20,
            window: 5,
            top: 100,
            alike: 20,
        }
    }
}

impl TraceSettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "dim", values: Values::Count(32, 128) },
        Range { name: "learning_rate", values: Values::Log(0.001, 0.01) },
        Range { name: "dropout", values: Values::Linear(0.1, 0.8) },
        Range { name: "weight_decay", values: Values::Log(0.01, 0.3) },
        Range { name: "window", values: Values::Count(1, 10) },
    ];

    /// Proves that every setting is within its range.
    pub(super) fn check(&self) -> Result<()> {
        let within = |name: &str, is_within: bool, expected: &str, got: &dyn std::fmt::Display| {
            if is_within { Ok(()) } else { Err(Error::setting(name, expected, got)) }
        };
        within("dim", (1..=1024).contains(&self.dim), "1 to 1024", &self.dim)?;
        within("scales", (1..=32).contains(&self.scales), "1 to 32", &self.scales)?;
        within("epochs", self.epochs <= 1000, "0 to 1000", &self.epochs)?;
        within("batch", (1..=1_000_000).contains(&self.batch), "1 to 1000000", &self.batch)?;
        within("negatives", self.negatives > 0, "1 or more", &self.negatives)?;
        let rate = self.learning_rate;
        within("learning_rate", rate > 0.0 && rate <= 1.0, "above 0, to 1", &rate)?;
        within("dropout", (0.0..=0.95).contains(&self.dropout), "0 to 0.95", &self.dropout)?;
        within("weight_decay", (0.0..=10.0).contains(&self.weight_decay), "0 to 10", &self.weight_decay)?;
        within("id_dropout", (0.0..=1.0).contains(&self.id_dropout), "0 to 1", &self.id_dropout)
    }

    /// Whether items are known by their descriptions alone.
    pub(super) fn is_without_ids(&self) -> bool {
        self.id_dropout >= 1.0
    }

    pub(super) fn recipe(&self) -> Recipe {
        Recipe {
            batch: self.batch,
            negatives: self.negatives,
            rate: self.learning_rate,
            decay: self.weight_decay,
            dropout: self.dropout,
            id_dropout: self.id_dropout,
            ..Recipe::default()
        }
    }

    pub(super) fn link_plan(&self) -> LinkPlan {
        LinkPlan {
            repeats: self.repeats,
            reach: self.reach,
            window: if self.is_without_ids() { 0 } else { self.window },
            top: self.top,
            alike: self.alike,
            given: self.relations,
        }
    }
}
