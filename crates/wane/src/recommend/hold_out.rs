//! Choosing settings, half-lives above all, from the training log itself, so that defaults fit a log of minutes and one of years.
//!
//! The last basket of some users is held out; of a grid of half-lives, spread over the log's own span, the one that
//! ranks the held-out items best (mean discounted gain) is taken. Where nothing tells them apart, the half-life is the
//! median age of the events that the questions could look back on.

use std::ops::Range;

use hashbrown::HashSet;
use rayon::prelude::*;

use super::{Query, Scores};
use crate::decay::{HalfLife, WITHDRAWALS};
use crate::error::Result;
use crate::events::{EventLog, History, ItemId, Timestamp, UserId};

/// Users asked, half-lives tried, and events looked back on.
const QUESTIONS: usize = 1_000;
const GRID: usize = 12;
const RECENT: usize = 500;
/// The list that gains are counted in.
const CUT: usize = 20;

/// A training log with questions held out of it.
pub(super) struct HoldOut<'a> {
    log: &'a EventLog,
    questions: Vec<Question>,
}

struct Question {
    user: UserId,
    known_events: usize,
    as_of: Timestamp,
    targets: HashSet<ItemId>,
}

impl<'a> HoldOut<'a> {
    /// Holds out the last basket of users that have an earlier one, evenly over all users.
    pub(super) fn last_baskets(log: &'a EventLog) -> Self {
        let takes_back: Vec<bool> =
            log.event_types().iter().map(|name| WITHDRAWALS.contains(&name.as_str())).collect();
        let asked = log.histories().filter_map(|(user, history)| question(user, history, &takes_back));
        let mut questions: Vec<_> = asked.collect();
        let step = questions.len().div_ceil(QUESTIONS).max(1);
        questions = questions.into_iter().step_by(step).collect();
        Self { log, questions }
    }

    /// The half-life under which `score` ranks best what was held out.
    pub(super) fn best_half_life(
        &self,
        score: impl Fn(HalfLife, &Query<'_>, &mut Scores) + Sync,
    ) -> Result<HalfLife> {
        let grid = HalfLife::grid(self.log.span(), GRID);
        Ok(self.best_of(self.median_age()?, &grid, score))
    }

    /// The value under which `score` ranks best what was held out; `otherwise` where all rank nothing.
    pub(super) fn best_of<T: Copy + Sync>(
        &self,
        otherwise: T,
        values: &[T],
        score: impl Fn(T, &Query<'_>, &mut Scores) + Sync,
    ) -> T {
        let mut best = (0.0, otherwise);
        for &value in values {
            let gain = self.mean_gain(|query, scores| score(value, query, scores));
            // Of equals the last: the half-life that forgets least.
            if gain > 0.0 && gain >= best.0 {
                best = (gain, value);
            }
        }
        best.1
    }

    fn mean_gain(&self, score: impl Fn(&Query<'_>, &mut Scores) + Sync) -> f64 {
        let gains: Vec<f64> = self
            .questions
            .par_iter()
            .map_init(
                || Scores::new(self.log.n_items()),
                |scores, question| {
                    let history = self.history(question);
                    scores.clear();
                    score(&Query { history, as_of: question.as_of, candidates: None }, scores);
                    question.gain(scores)
                },
            )
            .collect();
        gains.iter().sum::<f64>() / gains.len().max(1) as f64
    }

    fn history(&self, question: &Question) -> History<'a> {
        self.log.history(question.user).first(question.known_events).last(RECENT)
    }

    /// Median age of the events that the questions look back on.
    pub(super) fn median_age(&self) -> Result<HalfLife> {
        let ages = self.questions.iter().flat_map(|question| {
            self.history(question).iter().map(|event| question.as_of.days_since(event.time))
        });
        let mut ages: Vec<f64> = ages.filter(|&age| age > 0.0).collect();
        ages.sort_by(f64::total_cmp);
        HalfLife::from_days(ages.get(ages.len() / 2).copied().unwrap_or(1.0))
    }
}

/// The user's last basket in which something was wanted. A cancelled order repeats the one before it at once: asked for
/// cancellations, every log would be found to forget within a day.
fn question(user: UserId, history: History<'_>, takes_back: &[bool]) -> Option<Question> {
    let wanted = |basket: Range<usize>| -> HashSet<ItemId> {
        let events = basket.filter_map(|place| history.get(place));
        events.filter(|event| !takes_back[event.event_type.index()]).map(|event| event.item).collect()
    };
    let baskets: Vec<_> = history.baskets().skip(1).collect();
    let last = baskets.into_iter().rev().find(|basket| !wanted(basket.clone()).is_empty())?;
    let as_of = history.times()[last.start];
    Some(Question { user, known_events: last.start, as_of, targets: wanted(last) })
}

impl Question {
    /// NDCG at [`CUT`] of the targets among the items that have a score. Without a cut, the many targets of a large basket
    /// that no list would show outweigh those at its top, and half-lives come out far too short.
    fn gain(&self, scores: &Scores) -> f64 {
        let gain = |target: &ItemId| {
            let own = scores.get(*target);
            // Ties count against the model: a half-life of a second ties all items of the last basket at the top.
            let others = scores.touched().iter().filter(|&&item| item != *target);
            let ahead = others.filter(|&&item| scores.get(item) >= own).count();
            if own > 0.0 && ahead < CUT { discount(ahead) } else { 0.0 }
        };
        let mut gains: Vec<f64> = self.targets.iter().map(gain).collect();
        gains.sort_by(f64::total_cmp);
        let ideal: f64 = (0..self.targets.len().min(CUT)).map(discount).sum();
        gains.iter().sum::<f64>() / ideal
    }
}

/// What a hit is worth with so many items ahead of it.
fn discount(ahead: usize) -> f64 {
    1.0 / (ahead as f64 + 2.0).log2()
}
