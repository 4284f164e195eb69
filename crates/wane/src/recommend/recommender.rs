//! The seam that every model implements.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use super::{Checkpoint, Parameters, Scored, Scores, Start, top_k};
use crate::decay::Kernel;
use crate::events::{EventLog, History, ItemId, Timestamp};
use crate::interest::Catalogue;
pub use crate::train::Goal;
use crate::train::{Monitor, Unmonitored};

/// What a model learns from.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// The events that may be learned from; nothing else is known.
    pub log: &'a EventLog,
    /// Item properties, if any; its rows are the log's items.
    pub catalogue: Option<&'a Catalogue>,
    /// Seed of every random choice.
    pub seed: u64,
    /// What will be asked of the model.
    pub goal: Goal,
    /// Questions that show when to stop learning; without them a model holds out some of the log.
    pub validation: Option<&'a Validation<'a>>,
    /// A fitted trace model to go on from, by a trace model: it learns from the events that are newer than those.
    pub start: Option<&'a Start>,
    /// Where the state of this one training is kept after every epoch, by a model that learns in epochs. Where there is a
    /// state, the training goes on from it, to the same bits.
    pub checkpoint: Option<&'a dyn Checkpoint>,
    /// Who hears of the progress.
    pub monitor: &'a dyn Monitor,
}

impl<'a> Training<'a> {
    /// A log to learn from, to predict each next item, without questions to stop by.
    pub fn new(log: &'a EventLog, catalogue: Option<&'a Catalogue>, seed: u64) -> Self {
        Self {
            log,
            catalogue,
            seed,
            goal: Goal::NextItem,
            validation: None,
            start: None,
            checkpoint: None,
            monitor: &Unmonitored,
        }
    }
}

/// Questions with their answers, from after the events that may be learned from to answer them.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation<'a> {
    /// What may be learned from before these questions.
    pub log: &'a EventLog,
    /// The questions.
    pub questions: Vec<Question<'a>>,
}

/// One question with its answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Question<'a> {
    /// What the user did before.
    pub history: History<'a>,
    /// The moment of the question.
    pub as_of: Timestamp,
    /// What came.
    pub targets: Vec<ItemId>,
    /// The only items that compete with the targets, if a protocol gives them.
    pub others: Option<&'a [ItemId]>,
}

/// A question: what does the user with this history want at this moment?
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// What the user did so far, oldest first. Only this is used of the user; no model keeps a table of users.
    pub history: History<'a>,
    /// The moment of the question; never before the last event of the history.
    pub as_of: Timestamp,
    /// The only items whose scores will be read, if that is known beforehand; a model may ignore it.
    pub candidates: Option<&'a [ItemId]>,
}

/// The share of one past event in one score.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Place of the event in the query's history, oldest first.
    pub event: usize,
    /// The relation by which it speaks for the item: `self`, `covisit`, or one that the catalogue names.
    pub relation: Cow<'static, str>,
    /// Age of the event at `as_of`, in days.
    pub age_days: f64,
    /// The weight that decay left of it (1: fresh), where the model decays by age.
    pub decay: f64,
    /// What it adds to the score (may be negative).
    pub share: f64,
}

impl Reason {
    /// The order of reasons: greatest share first, signs aside; of equal ones the newer event.
    pub fn greatest_first(&self, other: &Self) -> Ordering {
        other.share.abs().total_cmp(&self.share.abs()).then(other.event.cmp(&self.event))
    }
}

/// What is not due to one event of this user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Remainder {
    /// `popularity`, `item`, `neighbours`, ...
    pub name: &'static str,
    /// What it adds to the score.
    pub share: f64,
}

/// Why an item has its score: the shares of all reasons and remainders sum to it (relative error < 1e-5).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// The score, as [`Recommender::score`] gives it.
    pub score: f32,
    /// Shares of events, in order of the history; events that add nothing are left out.
    pub reasons: Vec<Reason>,
    /// Everything else, by name.
    pub remainders: Vec<Remainder>,
}

impl Explanation {
    /// An explanation whose score is the sum of its shares; reasons without a share are left out.
    pub fn sum_of(reasons: impl IntoIterator<Item = Reason>, remainders: Vec<Remainder>) -> Self {
        let reasons: Vec<_> = reasons.into_iter().filter(|reason| reason.share != 0.0).collect();
        let of_events: f64 = reasons.iter().map(|reason| reason.share).sum();
        let of_others: f64 = remainders.iter().map(|remainder| remainder.share).sum();
        Self { score: (of_events + of_others) as f32, reasons, remainders }
    }

    /// The same with the `most` greatest reasons, at least one; what the others add is the remainder [`OTHER_EVENTS`].
    pub fn shortened(self, most: usize) -> Self {
        let most = most.max(1);
        if self.reasons.len() <= most {
            return self;
        }
        let Self { score, mut reasons, mut remainders } = self;
        reasons.sort_by(Reason::greatest_first);
        let others = reasons.split_off(most);
        reasons.sort_by_key(|reason| reason.event);
        let share = others.iter().map(|reason| reason.share).sum();
        remainders.push(Remainder { name: OTHER_EVENTS, share });
        Self { score, reasons, remainders }
    }
}

/// What events add that are not among the greatest reasons.
pub const OTHER_EVENTS: &str = "other-events";

/// A fitted model: ranks items for a history at a moment, and says why.
pub trait Recommender: Send + Sync {
    /// Number of items it knows: the length of the score table.
    fn n_items(&self) -> usize;

    /// Writes the score of every item that it has an opinion of; `scores` comes cleared. Items left untouched
    /// score 0, "nothing speaks for it".
    fn score(&self, query: &Query<'_>, scores: &mut Scores);

    /// The `k` best of the items that `keep` lets through, where a model finds them quicker than by scoring all of them.
    /// The list is that of [`score_all`] up to [`SearchIndex::EXACT_ITEMS`](super::SearchIndex::EXACT_ITEMS) items, and
    /// nearly that list beyond. `scores` is scratch space.
    fn search(
        &self,
        _query: &Query<'_>,
        _k: usize,
        _keep: &dyn Fn(ItemId) -> bool,
        _scores: &mut Scores,
    ) -> Option<Vec<Scored>> {
        None
    }

    /// The `k` best of the items that `keep` lets through, best first, as quickly as the model can: see [`Self::search`].
    fn best(
        &self,
        query: &Query<'_>,
        k: usize,
        keep: &dyn Fn(ItemId) -> bool,
        scores: &mut Scores,
    ) -> Vec<Scored> {
        self.search(query, k, keep, scores).unwrap_or_else(|| score_all(self, query, k, keep, scores))
    }

    /// Splits the score of one item into reasons.
    fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation;

    /// Splits the scores of some items into reasons: of each the `most` greatest, the others summed up as the remainder
    /// [`OTHER_EVENTS`].
    fn explain_best(&self, query: &Query<'_>, items: &[ItemId], most: usize) -> Vec<Explanation> {
        items.iter().map(|&item| self.explain(query, item).shortened(most)).collect()
    }

    /// What [`Self::search`] finds, with what [`Self::explain_best`] says of it: much of what a model works out may serve both.
    fn search_and_explain(
        &self,
        query: &Query<'_>,
        k: usize,
        keep: &dyn Fn(ItemId) -> bool,
        most: usize,
        scores: &mut Scores,
    ) -> Option<(Vec<Scored>, Vec<Explanation>)> {
        let best = self.search(query, k, keep, scores)?;
        let items: Vec<ItemId> = best.iter().map(|scored| scored.item).collect();
        let explanations = self.explain_best(query, &items, most);
        Some((best, explanations))
    }

    /// Everything learned, as named arrays, for saving.
    fn parameters(&self) -> Parameters;

    /// How events of a history lose weight in this model, where they do so by age.
    fn kernel(&self) -> Option<&Kernel> {
        None
    }
}

/// The `k` best of the items that `keep` lets through, best first, from the scores of all items. `scores` is scratch space.
pub fn score_all<R: Recommender + ?Sized>(
    model: &R,
    query: &Query<'_>,
    k: usize,
    keep: &dyn Fn(ItemId) -> bool,
    scores: &mut Scores,
) -> Vec<Scored> {
    scores.clear();
    model.score(query, scores);
    top_k(scores, k, keep)
}

/// What points at a model answers as the model does.
macro_rules! answer_by_pointer {
    ($($pointer:ident),*) => {$(
        impl<R: Recommender + ?Sized> Recommender for $pointer<R> {
            fn n_items(&self) -> usize {
                (**self).n_items()
            }

            fn score(&self, query: &Query<'_>, scores: &mut Scores) {
                (**self).score(query, scores);
            }

            fn search(
                &self,
                query: &Query<'_>,
                k: usize,
                keep: &dyn Fn(ItemId) -> bool,
                scores: &mut Scores,
            ) -> Option<Vec<Scored>> {
                (**self).search(query, k, keep, scores)
            }

            fn search_and_explain(
                &self,
                query: &Query<'_>,
                k: usize,
                keep: &dyn Fn(ItemId) -> bool,
                most: usize,
                scores: &mut Scores,
            ) -> Option<(Vec<Scored>, Vec<Explanation>)> {
                (**self).search_and_explain(query, k, keep, most, scores)
            }

            fn explain(&self, query: &Query<'_>, item: ItemId) -> Explanation {
                (**self).explain(query, item)
            }

            fn explain_best(&self, query: &Query<'_>, items: &[ItemId], most: usize) -> Vec<Explanation> {
                (**self).explain_best(query, items, most)
            }

            fn parameters(&self) -> Parameters {
                (**self).parameters()
            }

            fn kernel(&self) -> Option<&Kernel> {
                (**self).kernel()
            }
        }
    )*};
}

answer_by_pointer!(Box, Arc);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shortened_to_nothing_keeps_one_reason() {
        let reason =
            |event, share| Reason { event, relation: "self".into(), age_days: 1.0, decay: 1.0, share };
        let one = Explanation::sum_of([reason(0, 2.0)], Vec::new());
        assert_eq!(one.clone().shortened(0), one);
        let two = Explanation::sum_of([reason(0, 1.0), reason(1, -3.0)], Vec::new());
        let kept = two.shortened(0);
        assert_eq!((kept.score, kept.reasons), (-2.0, vec![reason(1, -3.0)]));
        assert_eq!(kept.remainders, [Remainder { name: OTHER_EVENTS, share: 1.0 }]);
    }
}
