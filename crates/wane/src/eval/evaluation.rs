//! The outcome of a comparison, as it is written to JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Estimate, Finding, Protocol};

/// A comparison of models on one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// How the log was split and judged.
    pub protocol: ProtocolSummary,
    /// What the comparison may have known too early.
    pub leakage: Vec<Finding>,
    /// The models, in the order in which they were asked for.
    pub models: Vec<ModelResult>,
}

/// The protocol with its numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProtocolSummary {
    /// How the log was split.
    #[serde(flatten)]
    pub split: Protocol,
    /// `test`, or `validation` where a comparison is for choosing.
    pub judged_on: &'static str,
    /// Whether items that the user had before were left out of the ranking.
    pub exclude_seen: bool,
    /// Whether targets were ranked among given negatives (else among all candidates).
    pub given_negatives: bool,
    /// Events that models learned from.
    pub training_events: u64,
    /// Cases judged.
    pub cases: u64,
    /// Items that competed (all candidates of the part).
    pub candidates: u64,
    /// Seed of models and intervals.
    pub seed: u64,
}

/// One model's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelResult {
    /// The model's name.
    pub name: String,
    /// Targets over all cases.
    pub targets: u64,
    /// Cases judged.
    pub cases: u64,
    /// Wall time of the fit.
    pub fit_seconds: f64,
    /// Median time to score one case, in microseconds.
    pub predict_micros_p50: f64,
    /// 90th percentile of the time to score one case, in microseconds.
    pub predict_micros_p90: f64,
    /// Metrics by name, such as `ndcg@10`.
    pub metrics: BTreeMap<String, Estimate>,
    /// The same over a part of the targets: `repeat`, `explore`, `cold-users`, `cold-items`.
    pub parts: BTreeMap<&'static str, PartResult>,
    /// What the lists look like beyond hits.
    pub lists: Lists,
    /// (cut, NDCG, recall) for cuts from 1 to 20.
    pub curve: Vec<(u32, f64, f64)>,
    /// This model minus the reference (the first of the table that decays popularity), paired.
    pub difference: BTreeMap<String, Estimate>,
}

/// Metrics over a part of the targets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartResult {
    /// Cases with a target in this part.
    pub cases: u64,
    /// Targets in this part.
    pub targets: u64,
    /// Metrics by name; cases without a target in this part do not count.
    pub metrics: BTreeMap<String, Estimate>,
}

/// Properties of the top-20 lists.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lists {
    /// Share of the candidates that were shown to anybody.
    pub coverage: f64,
    /// Mean surprise of the shown items, `-log2` of their share of training events, in bits.
    pub novelty: f64,
    /// Mean dissimilarity of the pairs in a list, by catalogue; none without a catalogue.
    pub diversity: Option<f64>,
}
