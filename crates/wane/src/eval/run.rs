//! Runs a model over cases and turns ranks into figures.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use rayon::prelude::*;

use super::bootstrap::{Draws, Sample};
use super::metrics::{CURVE, CUTS, at_cut, figure_names, metric_names, metrics};
use super::rank::{Ranks, ranks};
use super::{Case, Lists, ModelResult, Monitor, Part, PartResult, Split};
use crate::events::{EventLog, ItemId};
use crate::interest::Catalogue;
use crate::recommend::{Query, Recommender, Scores, top_k};

/// How cases are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgeSettings {
    /// Leave out items that the user had before; a repeat can then never be a hit.
    pub exclude_seen: bool,
    /// Seed of the resampling for intervals.
    pub seed: u64,
}

/// A judged model: its figures, and the draws that pair it with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The figures.
    pub result: ModelResult,
    draws: Draws,
}

/// What one case gave.
struct Outcome {
    ranks: Ranks,
    /// Targets that the user had before.
    repeats: HashSet<ItemId>,
    is_cold: bool,
    best: Vec<ItemId>,
    seconds: f64,
}

/// Ranks every case of a part and takes all metrics, with intervals. `name` is what the model is called in the result.
pub fn judge(
    name: &str,
    model: &dyn Recommender,
    split: &Split,
    part: &Part,
    catalogue: Option<&Catalogue>,
    settings: JudgeSettings,
    monitor: &dyn Monitor,
) -> Judged {
    let outcomes: Vec<Outcome> = part
        .cases
        .par_iter()
        .map_init(
            || Scores::new(model.n_items()),
            |scores, case| {
                let outcome = run_case(model, &split.log, part, case, settings, scores, monitor);
                monitor.advance(1);
                outcome
            },
        )
        .collect();
    let draws = draw_figures(part, &outcomes, settings.seed);
    let mut seconds: Vec<f64> = outcomes.iter().map(|outcome| outcome.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let quantile = |share: f64| seconds.get((seconds.len() as f64 * share) as usize).map_or(0.0, |s| s * 1e6);
    let result = ModelResult {
        name: name.to_owned(),
        targets: part.cases.iter().map(|case| case.targets.len() as u64).sum(),
        cases: part.cases.len() as u64,
        fit_seconds: 0.0,
        predict_micros_p50: quantile(0.5),
        predict_micros_p90: quantile(0.9),
        metrics: figure_names().into_iter().zip(draws.estimates()).collect(),
        parts: parts(part, &outcomes, settings.seed),
        lists: lists(&outcomes, part, catalogue),
        curve: curve(&outcomes),
        difference: BTreeMap::new(),
    };
    Judged { result, draws }
}

impl Judged {
    /// Writes into the result by how much this model differs from a reference on the same draws.
    pub fn compare_with(&mut self, reference: &Self) {
        let difference = self.draws.minus(&reference.draws);
        self.result.difference = figure_names().into_iter().zip(difference).collect();
    }
}

/// The draws of all figures, in the order of [`figure_names`].
fn draw_figures(part: &Part, outcomes: &[Outcome], seed: u64) -> Draws {
    let rows: Vec<Vec<f32>> = outcomes.iter().map(|outcome| metrics(&outcome.ranks)).collect();
    let width = metric_names().len();
    let cases = || part.cases.iter().zip(&rows);
    let means = Sample::new(width, cases().map(|(case, row)| (case.user, Some(row.as_slice()))));
    let auc = cases().map(|(case, row)| (case.user, Some((case.targets.len() as f64, &row[width - 1..]))));
    means.draw(seed).beside(Sample::weighted(1, auc).draw(seed))
}

fn run_case(
    model: &dyn Recommender,
    log: &EventLog,
    part: &Part,
    case: &Case,
    settings: JudgeSettings,
    scores: &mut Scores,
    monitor: &dyn Monitor,
) -> Outcome {
    let history = case.history(log);
    let asked = case.negatives.as_ref().map(|negatives| {
        let mut asked: Vec<ItemId> = case.targets.iter().chain(negatives).copied().collect();
        asked.sort_unstable();
        asked
    });
    let query = Query { history, as_of: case.as_of, candidates: asked.as_deref() };
    let start = monitor.seconds();
    scores.clear();
    model.score(&query, scores);
    let seconds = monitor.seconds() - start;
    let seen: HashSet<ItemId> = history.items().iter().copied().collect();
    let is_candidate =
        |item: ItemId| part.candidates[item.index()] && !(settings.exclude_seen && seen.contains(&item));
    let best = match &asked {
        Some(asked) => top_k(scores, CURVE as usize, |item| asked.binary_search(&item).is_ok()),
        None => top_k(scores, CURVE as usize, is_candidate),
    };
    Outcome {
        ranks: ranks(case, scores, is_candidate),
        repeats: case.targets.iter().copied().filter(|item| seen.contains(item)).collect(),
        is_cold: history.is_empty(),
        best: best.into_iter().map(|scored| scored.item).collect(),
        seconds,
    }
}

/// The cases seen in parts: targets that repeat, targets that are new to the user, users without a history.
fn parts(part: &Part, outcomes: &[Outcome], seed: u64) -> BTreeMap<&'static str, PartResult> {
    let of = |keep: &dyn Fn(&Outcome, ItemId) -> bool| part_result(part, outcomes, seed, keep);
    [
        ("repeat", of(&|outcome, item| outcome.repeats.contains(&item))),
        ("explore", of(&|outcome, item| !outcome.repeats.contains(&item))),
        ("cold-users", of(&|outcome, _| outcome.is_cold)),
        ("cold-items", of(&|_, item| !part.has_training(item))),
    ]
    .into_iter()
    .filter(|(_, result)| result.targets > 0)
    .collect()
}

/// Metrics over the targets that `keep` keeps; ranks are those of the full ranking.
fn part_result(
    part: &Part,
    outcomes: &[Outcome],
    seed: u64,
    keep: &dyn Fn(&Outcome, ItemId) -> bool,
) -> PartResult {
    let (mut cases, mut targets) = (0, 0);
    let rows: Vec<Option<Vec<f32>>> = part
        .cases
        .iter()
        .zip(outcomes)
        .map(|(case, outcome)| {
            let wanted = case.targets.iter().filter(|&&item| keep(outcome, item)).count();
            let places: Vec<u32> = outcome
                .ranks
                .found
                .iter()
                .filter(|found| keep(outcome, found.1))
                .map(|found| found.0)
                .collect();
            cases += u64::from(wanted > 0);
            targets += wanted as u64;
            let values =
                || CUTS.iter().flat_map(|&cut| at_cut(&places, wanted, cut)).map(|value| value as f32);
            (wanted > 0).then(|| values().collect())
        })
        .collect();
    let names: Vec<String> = metric_names().into_iter().filter(|name| name.contains('@')).collect();
    let users = part.cases.iter().map(|case| case.user);
    let sample = Sample::new(names.len(), users.zip(rows.iter().map(|row| row.as_deref())));
    let metrics = if cases > 0 {
        names.into_iter().zip(sample.draw(seed).estimates()).collect()
    } else {
        BTreeMap::new()
    };
    PartResult { cases, targets, metrics }
}

/// What the lists look like beyond hits.
fn lists(outcomes: &[Outcome], part: &Part, catalogue: Option<&Catalogue>) -> Lists {
    let shown = || outcomes.iter().flat_map(|outcome| &outcome.best);
    let distinct: HashSet<ItemId> = shown().copied().collect();
    let candidates = part.candidates.iter().filter(|&&candidate| candidate).count();
    let total = part.training.len().max(1) as f64;
    let mut events = vec![0u64; part.training.n_items()];
    part.training.events().items().iter().for_each(|item| events[item.index()] += 1);
    let surprise = |item: &ItemId| -(((events[item.index()] + 1) as f64) / (total + 1.0)).log2();
    let diversities = catalogue.map(|catalogue| {
        let lists: Vec<f64> =
            outcomes.iter().filter_map(|outcome| list_diversity(&outcome.best, catalogue)).collect();
        lists.iter().sum::<f64>() / lists.len().max(1) as f64
    });
    Lists {
        coverage: distinct.len() as f64 / candidates.max(1) as f64,
        novelty: shown().map(surprise).sum::<f64>() / shown().count().max(1) as f64,
        diversity: diversities,
    }
}

/// Mean dissimilarity of the pairs in a list.
fn list_diversity(items: &[ItemId], catalogue: &Catalogue) -> Option<f64> {
    let pairs =
        items.iter().enumerate().flat_map(|(place, a)| items[place + 1..].iter().map(move |b| (*a, *b)));
    let (sum, n) = pairs
        .fold((0.0, 0u32), |(sum, n), (a, b)| (sum + f64::from(1.0 - catalogue.similarity(a, b)), n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// Mean NDCG and recall at every cut from 1 to [`CURVE`].
fn curve(outcomes: &[Outcome]) -> Vec<(u32, f64, f64)> {
    let n = outcomes.len().max(1) as f64;
    (1..=CURVE)
        .map(|cut| {
            let sums = outcomes.iter().fold((0.0, 0.0), |sums, outcome| {
                let places: Vec<u32> = outcome.ranks.found.iter().map(|found| found.0).collect();
                let [_, recall, _, ndcg, ..] = at_cut(&places, outcome.ranks.targets, cut);
                (sums.0 + ndcg, sums.1 + recall)
            });
            (cut, sums.0 / n, sums.1 / n)
        })
        .collect()
}
