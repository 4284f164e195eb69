//! Step 3: models compete on a split, each fitted on what came before.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::eval::{
    Evaluation, JudgeSettings, Judged, LeakageQuestion, Monitor, Part, ProtocolSummary, Search, Split, Trial,
    check_leakage, judge, tune,
};
use crate::interest::Catalogue;
use crate::recommend::{Backfill, ModelSettings, Recommender, Start, Training};

/// What is compared and how.
#[derive(Debug, Clone)]
pub struct Contest {
    /// The models.
    pub models: Vec<ModelSettings>,
    /// Saved models by name: they compete as they are, over the log's training part, with nothing learned from it.
    pub saved: Vec<(String, Start)>,
    /// How cases are judged.
    pub judge: JudgeSettings,
    /// Judge on the validation part instead of the test part.
    pub on_validation: bool,
    /// Trials of the search over each model's ranges on the validation part; 0: no search.
    pub trials: u64,
    /// What the search maximises, and what the best model is best at.
    pub metric: String,
}

/// A comparison with what was fitted for it.
pub struct Comparison {
    /// The figures.
    pub evaluation: Evaluation,
    /// The settings that competed, tuned where that was asked for, in the order of the figures.
    pub settings: Vec<ModelSettings>,
    /// The fitted models, in the order of the figures.
    pub models: Vec<Box<dyn Recommender>>,
    /// The place of the best model by the contest's metric; of equals the first.
    pub best: usize,
    /// The places of other models that are as good.
    pub tied: Vec<usize>,
}

/// Compares models. `done` are the trials of an earlier search, `record` keeps new ones.
///
/// # Errors
/// [`Error::Empty`] without models; errors of fitting; those of `record`; [`Error::Setting`] for vectors that a saved model was not
/// fitted with.
pub fn compare(
    split: &Split,
    catalogue: Option<&Catalogue>,
    contest: &Contest,
    done: &[Trial],
    record: impl FnMut(&Trial) -> Result<()>,
    monitor: &dyn Monitor,
) -> Result<Comparison> {
    let training = Training { monitor, ..Training::new(&split.log, catalogue, contest.judge.seed) };
    compare_as(split, contest, done, record, &training)
}

/// The same with all that a training may be told; its log, goal and questions are those of the split.
///
/// # Errors
/// Those of [`compare`]; what the checkpoint finds wrong.
pub fn compare_as(
    split: &Split,
    contest: &Contest,
    done: &[Trial],
    mut record: impl FnMut(&Trial) -> Result<()>,
    training: &Training<'_>,
) -> Result<Comparison> {
    let arena = Arena { split, contest, training };
    let part = if contest.on_validation { &split.validation } else { &split.test };
    // Saved models first, since they may not fit this log, and last in the table.
    let saved = contest.saved.iter().map(|(name, start)| {
        let over = |training: &Training<'_>| -> Result<Box<dyn Recommender>> {
            Ok(Box::new(start.over(training.log, training.catalogue)?))
        };
        Ok((ModelSettings::Trace(start.settings().clone()), arena.compete(name, part, over)?))
    });
    let saved = saved.collect::<Result<Vec<_>>>()?;
    let fitted = contest.models.iter().map(|settings| {
        let settings = arena.tuned(settings, done, &mut record)?;
        let judged = arena.run(&settings, part)?;
        Ok((settings, judged))
    });
    let (mut judged, mut models, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
    for (settings, (model, result)) in fitted.collect::<Result<Vec<_>>>()?.into_iter().chain(saved) {
        judged.push(result);
        models.push(model);
        chosen.push(settings);
    }
    let reference = chosen.iter().position(|settings| settings.name() == "decayed-popularity").unwrap_or(0);
    if let Some(reference) = judged.get(reference).cloned() {
        judged.iter_mut().for_each(|judged| judged.compare_with(&reference));
    }
    let score =
        |judged: &Judged| judged.result.metrics.get(&contest.metric).map_or(0.0, |figure| figure.value);
    let best = (0..judged.len())
        .max_by(|&a, &b| score(&judged[a]).total_cmp(&score(&judged[b])).then(b.cmp(&a)))
        .ok_or_else(|| Error::Empty {
            what: "no models to compare".to_owned(),
            remedy: "Name at least one with --models".to_owned(),
        })?;
    let is_tied = |&place: &usize| place != best && score(&judged[place]) == score(&judged[best]);
    let tied = (0..judged.len()).filter(is_tied).collect();
    let evaluation = Evaluation {
        protocol: arena.summary(part),
        leakage: check_leakage(&split.log, part, training.catalogue, arena.question()),
        models: judged.into_iter().map(|judged| judged.result).collect(),
    };
    Ok(Comparison { evaluation, settings: chosen, models, best, tied })
}

/// What all models of a contest share.
struct Arena<'a> {
    split: &'a Split,
    contest: &'a Contest,
    training: &'a Training<'a>,
}

impl Arena<'_> {
    /// Fits a model on a part's training log and judges it on the part's cases.
    fn run(&self, settings: &ModelSettings, part: &Part) -> Result<(Box<dyn Recommender>, Judged)> {
        self.compete(settings.name(), part, |training| settings.fit(training))
    }

    /// Judges what comes of a part's training log.
    fn compete(
        &self,
        name: &str,
        part: &Part,
        fit: impl Fn(&Training<'_>) -> Result<Box<dyn Recommender>>,
    ) -> Result<(Box<dyn Recommender>, Judged)> {
        let monitor = self.training.monitor;
        monitor.begin(&format!("fitting {name}"), 0);
        let validation = self.split.questions();
        let training = Training {
            log: &part.training,
            goal: self.split.goal(),
            validation: Some(&validation),
            ..*self.training
        };
        let start = monitor.seconds();
        // Judged as it is served: with popularity behind it, or ties would decide what a sparse model leaves open.
        let model = Backfill::new(fit(&training)?, &part.training);
        let fit_seconds = monitor.seconds() - start;
        monitor.begin(&format!("judging {name}"), part.cases.len() as u64);
        let (catalogue, how) = (self.training.catalogue, self.contest.judge);
        let mut judged = judge(name, &model, self.split, part, catalogue, how, monitor);
        judged.result.fit_seconds = fit_seconds;
        Ok((Box::new(model), judged))
    }

    /// The best settings that a search on the validation part finds; the given ones where nothing is to be searched.
    fn tuned(
        &self,
        settings: &ModelSettings,
        done: &[Trial],
        record: &mut impl FnMut(&Trial) -> Result<()>,
    ) -> Result<ModelSettings> {
        if self.contest.trials == 0 || settings.ranges().is_empty() {
            return Ok(settings.clone());
        }
        let name = self.search_name(settings);
        let search = Search {
            name: &name,
            ranges: settings.ranges(),
            trials: self.contest.trials,
            seed: self.contest.judge.seed,
        };
        let score = |drawn: &Value| {
            let (_, judged) = self.run(&with_all(settings, "", drawn)?, &self.split.validation)?;
            let figure = judged.result.metrics.get(&self.contest.metric);
            figure.map(|figure| figure.value).ok_or_else(|| {
                Error::setting("metric", "a metric such as ndcg@10 or mrr@20", &self.contest.metric)
            })
        };
        let best = tune(&search, done, score, record, self.training.monitor)?;
        with_all(settings, "", &best.settings)
    }

    /// Scores are comparable only between trials that start from the same settings and answer the same questions.
    fn search_name(&self, settings: &ModelSettings) -> String {
        let Part { training, cases, .. } = &self.split.validation;
        let judged = (settings, self.contest.judge.exclude_seen, training.len(), training.span());
        let mut digest = Sha256::new_with_prefix(format!("{judged:?}"));
        cases.iter().for_each(|case| digest.update(format!("{case:?}")));
        let contest: String = digest.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{} by {} in contest {contest}", settings.name(), self.contest.metric)
    }

    fn question(&self) -> LeakageQuestion {
        LeakageQuestion {
            uses_relations: self.contest.models.iter().any(ModelSettings::needs_relations),
            exclude_seen: self.contest.judge.exclude_seen,
            knew_until: self
                .contest
                .saved
                .iter()
                .filter_map(|(_, start)| start.knew_until(&self.split.log))
                .max(),
        }
    }

    fn summary(&self, part: &Part) -> ProtocolSummary {
        ProtocolSummary {
            split: self.split.protocol.clone(),
            judged_on: if self.contest.on_validation { "validation" } else { "test" },
            exclude_seen: self.contest.judge.exclude_seen,
            given_negatives: part.cases.iter().any(|case| case.negatives.is_some()),
            training_events: part.training.len() as u64,
            cases: part.cases.len() as u64,
            candidates: part.candidates.iter().filter(|&&candidate| candidate).count() as u64,
            seed: self.contest.judge.seed,
        }
    }
}

/// Settings with all values of a table, whose tables within are settings' own tables.
fn with_all(settings: &ModelSettings, prefix: &str, drawn: &Value) -> Result<ModelSettings> {
    let Value::Object(table) = drawn else {
        return settings.with(prefix.trim_end_matches('.'), drawn.clone());
    };
    table.iter().try_fold(settings.clone(), |settings, (name, value)| {
        with_all(&settings, &format!("{prefix}{name}."), value)
    })
}
