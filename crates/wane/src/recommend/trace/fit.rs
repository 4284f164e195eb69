//! Fitting the trace model: what is read off the log beforehand, and when to stop.
//!
//! Time scales start spread over the gaps that the log shows, popularity is counted at half-lives spread over its span.
//! Training runs on what came before the held-out questions until they are answered no better for some epochs; where that leaves
//! part of the log out, it then runs as many epochs over all of it.

use rayon::prelude::*;

use super::balance::Balance;
use super::{TraceModel, TraceSettings};
use crate::error::Result;
use crate::events::{EventLog, ItemId, Timestamp};
use crate::interest::Features;
use crate::recommend::{Goal, Query, Question, Recommender, Scores, Training, Validation};
use crate::train::{Corpus, Group, Link, PopularityTable, Progress, Shape, Trainer, Weights};

/// Parts of the log's span at which popularity is counted, as half-lives; the last is all time.
const FASHIONS: [f32; 4] = [1.0 / 512.0, 1.0 / 96.0, 1.0 / 16.0, f32::INFINITY];
/// One in so many events is held out where no questions are given.
const HELD_OUT: usize = 10;
/// Questions asked after each epoch.
const QUESTIONS: usize = 3_000;

impl TraceSettings {
    /// Learns from a log.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for a setting out of its range.
    pub fn fit(&self, training: &Training<'_>) -> Result<TraceModel> {
        self.check()?;
        let held_out = training.validation.is_none().then(|| HeldOut::of(training.log));
        let own = held_out.as_ref().map(|held_out| held_out.validation(training.goal));
        let validation = training.validation.or(own.as_ref());
        let Some(validation) = validation.filter(|validation| !validation.questions.is_empty()) else {
            return Ok(self.run(training, training.log, Lesson::default()).model);
        };
        let lesson = Lesson { validation: Some(validation), delays: delays(validation), balance: None };
        let outcome = self.run(training, validation.log, lesson);
        if validation.log.len() == training.log.len() {
            return Ok(outcome.model);
        }
        let again = Self { epochs: outcome.epochs, ..self.clone() };
        let lesson = Lesson { validation: None, delays: delays(validation), balance: Some(outcome.balance) };
        Ok(again.run(training, training.log, lesson).model)
    }

    /// Takes out what is switched off: from these values no gradient leads away.
    fn leave_out(&self, start: &mut Weights) {
        if !self.decay {
            start.group_mut(Group::Rates).fill(-100.0);
        }
        if !self.displacement {
            start.group_mut(Group::Displacements).fill(-100.0);
        }
        if !self.vectors {
            start.vectors.fill(0.0);
            start.features.fill(0.0);
        }
    }

    /// Trains on a log; with questions, the model of the epoch that answered them best.
    fn run(&self, training: &Training<'_>, log: &EventLog, lesson: Lesson<'_>) -> Outcome {
        let (catalogue, monitor) = (training.catalogue, training.monitor);
        let features = catalogue.filter(|_| self.features).map_or_else(Features::default, Features::of);
        let links = Link::plan(log, catalogue, training.goal, self.link_plan());
        let days = log.span().map_or(1.0, |(first, last)| last.days_since(first)).max(1e-3) as f32;
        let fashions: Vec<f32> =
            if self.popularity { FASHIONS.map(|part| part * days).to_vec() } else { Vec::new() };
        let mut events: Vec<(Timestamp, ItemId)> =
            log.events().times().iter().copied().zip(log.events().items().iter().copied()).collect();
        events.par_sort_unstable();
        let popularity = PopularityTable::new(&events, log.n_items(), &fashions);
        let shape = Shape {
            items: log.n_items(),
            features: features.n_features,
            dim: self.dim,
            scales: self.scales,
            types: log.event_types().len(),
            links: links.len(),
            fashions: fashions.len(),
        };
        let mut start = Weights::start(shape, &time_scales(log, self.scales), training.seed);
        self.leave_out(&mut start);
        let corpus = Corpus::new(log, &links, &features, &popularity, training.goal, &lesson.delays);
        let mut trainer = Trainer::new(&corpus, start, self.recipe(), training.seed);
        let model = |weights| {
            TraceModel::new(
                weights,
                &features,
                links.clone(),
                popularity.clone(),
                events.clone(),
                training.goal,
            )
        };
        let mut balance = lesson.balance.unwrap_or_else(|| Balance::even(&trainer.averaged()));
        let mut best: Option<Outcome> = None;
        for epoch in 1..=self.epochs {
            monitor.begin_epoch(epoch, self.epochs, corpus.len() as u64);
            let loss = trainer.epoch(|examples| monitor.advance(examples));
            let asked = lesson.validation.map(|validation| {
                let weights = trainer.averaged();
                balance.improve(&model(weights.clone()), &sample(validation));
                let model = model(balance.applied(weights));
                Outcome {
                    gain: mean_gain(&model, validation),
                    model,
                    epochs: epoch,
                    balance: balance.clone(),
                }
            });
            monitor.epoch(&Progress {
                epoch,
                epochs: self.epochs,
                loss,
                rate: f64::from(trainer.rate()),
                examples: corpus.len() as u64,
                gain: asked.as_ref().map(|asked| asked.gain),
            });
            let Some(asked) = asked else { continue };
            if best.as_ref().is_none_or(|best| asked.gain > best.gain) {
                best = Some(asked);
            } else if best.as_ref().is_some_and(|best| epoch >= best.epochs + self.patience) {
                break;
            }
        }
        best.unwrap_or_else(|| Outcome {
            gain: 0.0,
            model: model(balance.applied(trainer.averaged())),
            epochs: self.epochs,
            balance,
        })
    }
}

/// What a training is given beside the log.
#[derive(Default)]
struct Lesson<'a> {
    /// Questions that show when to stop and what the parts deserve.
    validation: Option<&'a Validation<'a>>,
    /// By how much questions come after the log, in milliseconds.
    delays: Vec<i64>,
    /// What the parts deserve, where that is known already.
    balance: Option<Balance>,
}

/// A trained model, with what training it again needs to know.
struct Outcome {
    gain: f64,
    model: TraceModel,
    epochs: u32,
    balance: Balance,
}

/// By how many milliseconds each question comes after the last event that may be learned from, in order.
fn delays(validation: &Validation<'_>) -> Vec<i64> {
    let end = validation.log.span().map_or(i64::MAX, |(_, last)| last.millis());
    let questions = validation.questions.iter();
    let mut delays: Vec<i64> =
        questions.map(|question| question.as_of.millis().saturating_sub(end).max(0)).collect();
    delays.sort_unstable();
    delays
}

/// At most [`QUESTIONS`] of the questions, spread over all.
fn sample<'a>(validation: &'a Validation<'a>) -> Vec<&'a Question<'a>> {
    let step = validation.questions.len().div_ceil(QUESTIONS).max(1);
    validation.questions.iter().step_by(step).collect()
}

/// Questions that a model holds out itself: what came in the last part of the log.
struct HeldOut<'a> {
    whole: &'a EventLog,
    before: EventLog,
    start: Timestamp,
}

impl<'a> HeldOut<'a> {
    fn of(whole: &'a EventLog) -> Self {
        let mut times = whole.events().times().to_vec();
        times.sort_unstable();
        let place = times.len() - times.len() / HELD_OUT;
        let start = times.get(place).copied().unwrap_or(Timestamp::from_millis(i64::MAX));
        Self { whole, before: whole.before(start), start }
    }

    /// The first wish of each user in the last part.
    fn validation(&self, goal: Goal) -> Validation<'_> {
        let questions = self.whole.histories().filter_map(|(_, history)| {
            let known = history.before(self.start);
            let basket = history.baskets().find(|basket| basket.end > known.len())?;
            let first = basket.start.max(known.len());
            let items = history.items().get(first..basket.end)?;
            let mut targets = items[..if goal == Goal::NextItem { 1 } else { items.len() }].to_vec();
            targets.sort_unstable();
            targets.dedup();
            Some(Question { history: known, as_of: history.times()[first], targets, others: None })
        });
        Validation { log: &self.before, questions: questions.collect() }
    }
}

/// Half-lives in days to start from: evenly in the logarithm from the shortest usual gap between a user's events to
/// half of the log's span.
fn time_scales(log: &EventLog, n: usize) -> Vec<f32> {
    let days = log.span().map_or(1.0, |(first, last)| last.days_since(first)).max(1e-3);
    let gaps = |history: crate::events::History<'_>| {
        let times = history.times();
        times.windows(2).map(|pair| pair[1].days_since(pair[0])).filter(|&gap| gap > 0.0).collect::<Vec<_>>()
    };
    let mut gaps: Vec<f64> = log.histories().flat_map(|(_, history)| gaps(history)).collect();
    gaps.sort_by(f64::total_cmp);
    let least = gaps.get(gaps.len() / 10).copied().unwrap_or(days / 1e4).clamp(days / 1e5, days / 4.0);
    let most = days / 2.0;
    (0..n).map(|m| (least * (most / least).powf(m as f64 / (n.max(2) - 1) as f64)) as f32).collect()
}

/// Mean over questions of the mean over targets of `1 / log2(1 + rank)`, ties counting against the model.
fn mean_gain(model: &TraceModel, validation: &Validation<'_>) -> f64 {
    // Questions that name what competes are answered quickly: all are asked.
    let is_named = validation.questions.iter().all(|question| question.others.is_some());
    let asked = if is_named { validation.questions.iter().collect() } else { sample(validation) };
    let gains: Vec<f64> = asked
        .par_iter()
        .map_init(|| Scores::new(model.n_items()), |scores, question| gain(model, question, scores))
        .collect();
    gains.iter().sum::<f64>() / gains.len().max(1) as f64
}

fn gain(model: &TraceModel, question: &Question<'_>, scores: &mut Scores) -> f64 {
    scores.clear();
    let candidates: Option<Vec<ItemId>> =
        question.others.map(|others| others.iter().chain(&question.targets).copied().collect());
    let query = Query { history: question.history, as_of: question.as_of, candidates: candidates.as_deref() };
    model.score(&query, scores);
    let is_other = |item: ItemId| !question.targets.contains(&item);
    let rank = |target: ItemId| {
        let own = scores.get(target);
        1 + match question.others {
            Some(others) => others.iter().filter(|&&item| is_other(item) && scores.get(item) >= own).count(),
            None => {
                let ahead = (0u32..).zip(scores.values()).filter(|(_, score)| **score >= own);
                ahead.filter(|(item, _)| is_other(ItemId(*item))).count()
            }
        }
    };
    let gains = question.targets.iter().map(|&target| 1.0 / (1.0 + rank(target) as f64).log2());
    gains.sum::<f64>() / question.targets.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interest::Relation;
    use crate::recommend::linear::two_tastes;
    use crate::train::{LinkRows, Recipe};

    /// The loss that training minimises is the one of the scores that the model gives.
    #[test]
    fn training_and_asking_see_the_same_scores() {
        let log = two_tastes();
        let n = log.n_items();
        let given = (0..n as u32).map(|item| (ItemId(item), ItemId((item + 1) % n as u32), 0.5));
        let links = vec![
            Link { name: "self".into(), reach: 9, rows: LinkRows::Repeat },
            Link {
                name: "next".into(),
                reach: 3,
                rows: LinkRows::Given(Relation::from_links("next", n, given)),
            },
        ];
        let mut events: Vec<_> = log.events().iter().map(|event| (event.time, event.item)).collect();
        events.sort_unstable();
        let popularity = PopularityTable::new(&events, n, &[1.0, f32::INFINITY]);
        let shape = Shape {
            items: n,
            features: 0,
            dim: 8,
            scales: 3,
            types: log.event_types().len(),
            links: links.len(),
            fashions: 2,
        };
        let mut start = Weights::start(shape, &[0.5, 3.0, 20.0], 4);
        start.group_mut(Group::Fashions).copy_from_slice(&[0.4, -0.2]);
        let features = Features::default();
        let corpus = Corpus::new(&log, &links, &features, &popularity, Goal::NextItem, &[]);
        let recipe = Recipe { rate: 0.0, dropout: 0.0, ..Recipe::default() };
        let loss = Trainer::new(&corpus, start.clone(), recipe, 1).epoch(|_| ());
        let model =
            TraceModel::new(start, &features, links.clone(), popularity.clone(), events, Goal::NextItem);
        let (mut sum, mut scores) = (0.0, Scores::new(n));
        for (_, history) in log.histories() {
            for place in 0..history.len() {
                let (known, as_of) = (history.first(place), history.times()[place]);
                scores.clear();
                model.score(&Query { history: known, as_of, candidates: None }, &mut scores);
                let total: f64 = scores.values().iter().map(|z| f64::from(*z).exp()).sum();
                sum += total.ln() - f64::from(scores.get(history.items()[place]));
            }
        }
        let asked = sum / corpus.len() as f64;
        assert!((loss - asked).abs() < 1e-4, "training saw {loss}, asking {asked}");
    }
}
