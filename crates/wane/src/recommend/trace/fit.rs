//! Fitting the trace model: what is read off the log beforehand, and when to stop.
//!
//! Time scales start spread over the gaps that the log shows, popularity is counted at half-lives spread over its span; a
//! fit that goes on from a fitted model starts from what that one learned, and learns from newer events alone.
//! Training runs on what came before the held-out questions until for some epochs they are neither answered better nor, while
//! answered nearly as well, found likelier; where that leaves part of the log out, it then runs as many epochs over all
//! of it. The state may be kept after every epoch ([`Record`]).

use rayon::prelude::*;

use super::balance::Balance;
use super::record::{Best, Least, Record};
use super::{Start, TraceModel, TraceSettings};
use crate::error::Result;
use crate::events::{EventLog, ItemId, Timestamp};
use crate::interest::{Catalogue, Features, Reduction, Texts};
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
    /// [`crate::Error::Setting`] for a setting out of its range, or other than in the model that learning goes on from;
    /// what the checkpoint finds wrong.
    pub fn fit(&self, training: &Training<'_>) -> Result<TraceModel> {
        self.check()?;
        if let Some(start) = training.start {
            start.check(self, training.goal)?;
            start.check_vectors(training.catalogue)?;
        }
        let known = training.start.and_then(|start| start.newest_event(training.log));
        // A model that knows the whole log has learned the answers already: then nothing can tell it when to stop.
        let can_ask = training.start.is_none() || known.is_some();
        let held_out = (training.validation.is_none() && can_ask).then(|| HeldOut::of(training.log, known));
        let own = held_out.as_ref().map(|held_out| held_out.validation(training.goal));
        let validation = training.validation.or(own.as_ref());
        let validation = validation.filter(|validation| !validation.questions.is_empty());
        let mut record = Record::open(self, training, validation)?;
        let delays = validation.map_or_else(Vec::new, delays);
        let whole = Run { log: training.log, known, validation: None, delays: &delays, epochs: self.epochs };
        let Some(asked) = validation else { return Ok(self.run(training, whole, None, &mut record)?.0) };
        let (epochs, balance) = match record.settled()? {
            Some(settled) => settled,
            None => {
                let before = Run { log: asked.log, validation, ..whole };
                let (model, epochs, balance) = self.run(training, before, None, &mut record)?;
                if asked.log.len() == training.log.len() {
                    return Ok(model);
                }
                (epochs, balance)
            }
        };
        Ok(self.run(training, Run { epochs, ..whole }, Some(balance), &mut record)?.0)
    }

    /// What a catalogue says of each of so many items; its vectors are made short as for a former model, or anew.
    pub(super) fn described(
        &self,
        catalogue: Option<&Catalogue>,
        n_items: usize,
        former: Option<&Reduction>,
    ) -> Features {
        let features = catalogue.filter(|_| self.features).map_or_else(Features::default, Features::of);
        match catalogue.filter(|_| self.texts).and_then(|catalogue| catalogue.vectors.as_ref()) {
            Some(vectors) => {
                let reduction = former.cloned().unwrap_or_else(|| Reduction::of(vectors));
                features.with_texts(Texts::of(vectors, reduction).over(n_items))
            }
            None => features,
        }
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

    /// Trains once; with questions, the model of the epoch that answered them best. Returns that epoch as well, and
    /// what the parts of the score deserve.
    fn run(
        &self,
        training: &Training<'_>,
        run: Run<'_>,
        balance: Option<Balance>,
        record: &mut Record<'_>,
    ) -> Result<(TraceModel, u32, Balance)> {
        let (ground, monitor) = (Ground::of(self, training, run.log), training.monitor);
        let corpus = ground.corpus(run.known, run.delays);
        let mut trainer = Trainer::new(&corpus, ground.start(self, training), self.recipe(), training.seed);
        let asks = run.validation.is_some();
        let mut balance = balance.unwrap_or_else(|| Balance::even(ground.shape));
        let mut best = match record.resume(asks, &mut trainer, ground.shape)? {
            Some((best, left)) => {
                balance = left;
                best
            }
            // Learning on must make a model better, or it stays as it was.
            None => training.start.and(run.validation).map(|asked| ground.ask(&trainer, asked, &mut balance)),
        };
        balance.check(ground.shape)?;
        best.as_ref().map_or(Ok(()), |best| best.balance.check(ground.shape))?;
        while trainer.epochs() < run.epochs && !self.is_over(trainer.epochs(), best.as_ref()) {
            let epoch = trainer.epochs() + 1;
            monitor.begin_epoch(epoch, run.epochs, corpus.len() as u64);
            let loss = trainer.epoch(|examples| monitor.advance(examples));
            let answered = run.validation.map(|asked| ground.ask(&trainer, asked, &mut balance));
            monitor.epoch(&Progress {
                epoch,
                epochs: run.epochs,
                loss,
                rate: f64::from(trainer.rate()),
                examples: corpus.len() as u64,
                gain: answered.as_ref().map(|answered| answered.gain),
            });
            best = match (best, answered) {
                (Some(best), Some(answered)) => Some(best.or(answered)),
                (best, answered) => answered.or(best),
            };
            record.keep(asks, run.epochs, &trainer, &balance, best.as_ref())?;
        }
        Ok(match best {
            Some(best) => (ground.model(best.balance.applied(best.weights)), best.epoch, best.balance),
            None => (ground.model(balance.applied(trainer.averaged())), run.epochs, balance),
        })
    }

    /// Whether hope for a better answer is too long ago.
    fn is_over(&self, epochs: u32, best: Option<&Best>) -> bool {
        best.is_some_and(|best| epochs >= best.last_hope() + self.patience.max(1))
    }
}

/// One training.
#[derive(Clone, Copy)]
struct Run<'a> {
    /// What is known.
    log: &'a EventLog,
    /// Events up to this moment are history alone; those after it are learned from.
    known: Option<Timestamp>,
    /// Questions that tell when to stop.
    validation: Option<&'a Validation<'a>>,
    /// By how many milliseconds questions come after the log.
    delays: &'a [i64],
    /// Epochs at most.
    epochs: u32,
}

/// What is read off a log before learning from it.
pub(super) struct Ground<'a> {
    log: &'a EventLog,
    goal: Goal,
    pub(super) features: Features,
    links: Vec<Link>,
    /// Times and items, oldest first.
    events: Vec<(Timestamp, ItemId)>,
    popularity: PopularityTable,
    shape: Shape,
}

/// Times and items of a log, oldest first.
pub(super) fn events_of(log: &EventLog) -> Vec<(Timestamp, ItemId)> {
    let mut events: Vec<(Timestamp, ItemId)> =
        log.events().times().iter().copied().zip(log.events().items().iter().copied()).collect();
    events.par_sort_unstable();
    events
}

impl<'a> Ground<'a> {
    pub(super) fn of(settings: &TraceSettings, training: &Training<'_>, log: &'a EventLog) -> Self {
        let (catalogue, goal) = (training.catalogue, training.goal);
        let features =
            settings.described(catalogue, log.n_items(), training.start.and_then(Start::reduction));
        let links = Link::plan(log, catalogue, &features, goal, settings.link_plan());
        let fashions = match training.start {
            Some(start) => start.fashions(),
            None if settings.popularity && !settings.is_without_ids() => fashions(log),
            None => Vec::new(),
        };
        let events = events_of(log);
        let popularity = PopularityTable::new(&events, log.n_items(), &fashions);
        let shape = Shape {
            items: log.n_items(),
            features: features.n_vectors(),
            dim: settings.dim,
            scales: settings.scales,
            types: log.event_types().len(),
            links: links.len(),
            fashions: fashions.len(),
            departments: Link::department_names(&links).len(),
        };
        Self { log, goal, features, links, events, popularity, shape }
    }

    fn corpus<'b>(&'b self, known: Option<Timestamp>, delays: &'b [i64]) -> Corpus<'b> {
        let corpus = Corpus::new(self.log, &self.links, &self.features, &self.popularity, self.goal, delays);
        match known {
            Some(known) => corpus.after(known),
            None => corpus,
        }
    }

    /// The weights before the first step.
    pub(super) fn start(&self, settings: &TraceSettings, training: &Training<'_>) -> Weights {
        let former =
            |start: &Start| start.weights(self.shape, self.log, &self.features, &self.links, training.seed);
        let anew = || Weights::start(self.shape, &time_scales(self.log, settings.scales), training.seed);
        let mut weights = training.start.map_or_else(anew, former);
        settings.leave_out(&mut weights);
        weights
    }

    pub(super) fn model(&self, weights: Weights) -> TraceModel {
        TraceModel::new(
            weights,
            &self.features,
            self.links.clone(),
            self.popularity.clone(),
            self.events.clone(),
            self.goal,
        )
    }

    /// How well a trainer's weights answer questions once their parts are balanced.
    fn ask(&self, trainer: &Trainer<'_>, validation: &Validation<'_>, balance: &mut Balance) -> Best {
        let weights = trainer.averaged();
        let loss = balance.improve(&self.model(weights.clone()), &sample(validation));
        let gain = mean_gain(&self.model(balance.applied(weights.clone())), validation);
        let epoch = trainer.epochs();
        Best { gain, epoch, weights, balance: balance.clone(), least: Least { loss, epoch }, near: epoch }
    }
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
    /// The last part of the events after a moment, or of all.
    fn of(whole: &'a EventLog, known: Option<Timestamp>) -> Self {
        let times = whole.events().times().iter().copied();
        let mut times: Vec<Timestamp> =
            times.filter(|&time| known.is_none_or(|known| time > known)).collect();
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

/// Half-lives in days at which popularity is counted.
fn fashions(log: &EventLog) -> Vec<f32> {
    let days = log.span().map_or(1.0, |(first, last)| last.days_since(first)).max(1e-3) as f32;
    FASHIONS.map(|part| part * days).to_vec()
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
    use crate::interest::{Departments, Relation};
    use crate::recommend::linear::two_tastes;
    use crate::train::{LinkRows, Recipe};

    /// The loss that training minimises is the one of the scores that the model gives.
    #[test]
    fn training_and_asking_see_the_same_scores() {
        let log = two_tastes();
        let n = log.n_items();
        let given = (0..n as u32).map(|item| (ItemId(item), ItemId((item + 1) % n as u32), 0.5));
        let links = vec![
            Link { name: "self".into(), reach: 9, rows: LinkRows::Repeat(Departments::default()) },
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
            departments: 0,
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

    /// Items that came after the fit are in histories, and say nothing.
    #[test]
    fn an_item_that_the_model_does_not_know_is_silent() {
        let log = two_tastes();
        let settings = TraceSettings { epochs: 1, dim: 4, ..TraceSettings::default() };
        let model = settings.fit(&Training::new(&log, None, 1)).unwrap();
        let known = log.history(crate::events::UserId(0));
        let items: Vec<ItemId> =
            known.items().iter().copied().chain([ItemId(log.n_items() as u32 + 7)]).collect();
        let last = *known.times().last().unwrap();
        let times: Vec<Timestamp> = known.times().iter().copied().chain([last]).collect();
        let kinds: Vec<_> = known.event_types().iter().copied().chain([known.event_types()[0]]).collect();
        let history = crate::events::History::new(&items, &times, &kinds).unwrap();
        let query = Query { history, as_of: last, candidates: None };
        let mut scores = Scores::new(log.n_items());
        model.score(&query, &mut scores);
        assert!(scores.values().iter().all(|score| score.is_finite()));
        let explanation = model.explain(&query, ItemId(0));
        assert!((explanation.score - scores.get(ItemId(0))).abs() < 1e-4);
    }
}
