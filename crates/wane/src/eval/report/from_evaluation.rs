//! What a comparison found, as the report shows it.

use std::collections::BTreeMap;

use super::view::{Curve, Model, Part, Remark};
use crate::eval::{Estimate, Finding, ModelResult};

impl From<&Finding> for Remark {
    fn from(finding: &Finding) -> Self {
        Self { severity: finding.severity, sentence: finding.message.clone() }
    }
}

impl From<&ModelResult> for Model {
    fn from(result: &ModelResult) -> Self {
        let parts = result.parts.iter().map(|(name, part)| Part {
            name: (*name).to_owned(),
            targets: part.targets,
            metrics: listed(&part.metrics),
        });
        Self {
            name: result.name.clone(),
            fit_seconds: result.fit_seconds,
            predict_us: result.predict_micros_p50,
            metrics: listed(&result.metrics),
            difference: listed(&result.difference),
            parts: parts.collect(),
            curves: curves(&result.curve),
        }
    }
}

fn curves(points: &[(u32, f64, f64)]) -> Vec<Curve> {
    let ndcg = points.iter().map(|(cut, ndcg, _)| (*cut, *ndcg)).collect();
    let recall = points.iter().map(|(cut, _, recall)| (*cut, *recall)).collect();
    vec![Curve { metric: "ndcg".into(), points: ndcg }, Curve { metric: "recall".into(), points: recall }]
}

fn listed(metrics: &BTreeMap<String, Estimate>) -> Vec<(String, Estimate)> {
    metrics.iter().map(|(name, estimate)| (name.clone(), *estimate)).collect()
}
