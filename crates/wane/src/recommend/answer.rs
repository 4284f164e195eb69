//! Recommendations as people and machines read them: names instead of numbers, reasons instead of faith.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{
    Explanation, Query, QueryFilter, Reason, Recommender, Scored, Scores, SearchIndex, diversify, score_all,
};
use crate::error::{Error, Result};
use crate::events::{EventLog, History, ItemId, Timestamp};
use crate::interest::Catalogue;

/// The list for one user at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer<'a> {
    /// The user's id.
    pub user: Cow<'a, str>,
    /// The moment, RFC 3339.
    pub as_of: String,
    /// Best first.
    pub items: Vec<AnsweredItem<'a>>,
}

/// One recommended item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnsweredItem<'a> {
    /// The item's id.
    pub item: Cow<'a, str>,
    /// The item's title, where the catalogue has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Cow<'a, str>>,
    /// The score; only its order has a meaning across items.
    pub score: f32,
    /// The shares of past events, greatest first.
    pub reasons: Vec<AnsweredReason<'a>>,
    /// What is not due to one event, by name: `popularity`, `item`, ... With the reasons' shares it sums to the score.
    pub remainder: BTreeMap<&'static str, f64>,
}

impl AnsweredItem<'_> {
    /// All that speaks for or against the item, signs aside: what percentages are of. The score itself would not do, as
    /// it may be near 0 or below it.
    pub fn weight(&self) -> f64 {
        self.shares().map(f64::abs).sum()
    }

    /// The sum of all shares: the score, up to rounding.
    pub fn sum(&self) -> f64 {
        self.shares().sum()
    }

    fn shares(&self) -> impl Iterator<Item = f64> {
        self.reasons.iter().map(|reason| reason.share).chain(self.remainder.values().copied())
    }
}

/// One past event and what it adds to a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnsweredReason<'a> {
    /// The event.
    pub event: AnsweredEvent<'a>,
    /// How it speaks for the item: `self`, `covisit`, ...
    pub relation: Cow<'static, str>,
    /// Age at the moment of the question, in days.
    pub age_days: f64,
    /// The weight that decay left of it.
    #[serde(serialize_with = "single")]
    pub decay: f64,
    /// What it adds to the score, written with as many digits as the score itself.
    #[serde(serialize_with = "single")]
    pub share: f64,
}

/// A past event by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnsweredEvent<'a> {
    /// Its number in the user's history, oldest first, from 1.
    pub place: usize,
    /// The item acted on.
    pub item: Cow<'a, str>,
    /// Its title, where the catalogue has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Cow<'a, str>>,
    /// What was done.
    #[serde(rename = "type")]
    pub event_type: Cow<'a, str>,
    /// When, written as RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
}

/// Scores have single precision: further digits of what they are made of say nothing.
fn single<S: Serializer>(value: &f64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_f32(*value as f32)
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339())
}

impl AnsweredEvent<'_> {
    /// The same with names of its own.
    pub fn into_owned(self) -> AnsweredEvent<'static> {
        AnsweredEvent {
            place: self.place,
            item: self.item.into_owned().into(),
            title: self.title.map(|title| title.into_owned().into()),
            event_type: self.event_type.into_owned().into(),
            time: self.time,
        }
    }
}

/// How a list is made from scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListSettings {
    /// Length of the list.
    pub k: usize,
    /// 0: by score alone; 1: as different from each other as possible (maximal marginal relevance).
    pub diversity: f32,
}

/// Candidates that diversification chooses from, per place of the list.
const CANDIDATES_PER_PLACE: usize = 10;

/// The best items for a query, after the filter, and of each so many reasons. `scores` is scratch space.
///
/// # Errors
/// [`Error::Setting`] when `diversity` is outside 0..=1; [`Error::Unfit`] when it is above 0 without a catalogue.
pub fn best_explained(
    model: &dyn Recommender,
    query: &Query<'_>,
    filter: &QueryFilter<'_>,
    (settings, reasons): (ListSettings, usize),
    catalogue: Option<&Catalogue>,
    scores: &mut Scores,
) -> Result<(Vec<Scored>, Vec<Explanation>)> {
    if settings.diversity == 0.0 && is_searched(model) {
        let allow = |item| filter.allows(item);
        if let Some(found) = model.search_and_explain(query, settings.k, &allow, reasons, scores) {
            return Ok(found);
        }
    }
    let best = best_items(model, query, filter, settings, catalogue, scores)?;
    let items: Vec<ItemId> = best.iter().map(|scored| scored.item).collect();
    let explanations = model.explain_best(query, &items, reasons);
    Ok((best, explanations))
}

/// Whether a search finds the very list: beyond, it would miss some, and its index costs more than the lists of a few users.
fn is_searched(model: &dyn Recommender) -> bool {
    model.n_items() <= SearchIndex::EXACT_ITEMS
}

/// The best items for a query, after the filter and before any explanation. `scores` is scratch space.
///
/// # Errors
/// [`Error::Setting`] when `diversity` is outside 0..=1; [`Error::Unfit`] when it is above 0 without a catalogue.
pub fn best_items(
    model: &dyn Recommender,
    query: &Query<'_>,
    filter: &QueryFilter<'_>,
    settings: ListSettings,
    catalogue: Option<&Catalogue>,
    scores: &mut Scores,
) -> Result<Vec<Scored>> {
    let allow = |item| filter.allows(item);
    let mut best = |k| {
        if is_searched(model) {
            model.best(query, k, &allow, scores)
        } else {
            score_all(model, query, k, &allow, scores)
        }
    };
    if settings.diversity == 0.0 {
        return Ok(best(settings.k));
    }
    let catalogue = catalogue.ok_or_else(|| Error::Unfit {
        name: "diversity",
        expected: "0 where the model has no catalogue (fit it with --catalogue FILE)".to_owned(),
        got: settings.diversity.to_string(),
    })?;
    let candidates = best(settings.k.saturating_mul(CANDIDATES_PER_PLACE));
    diversify(&candidates, settings.k, settings.diversity, |a, b| catalogue.similarity(a, b))
}

/// Names for numbers: what an [`Answer`] needs beside the model.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The log whose vocabularies number users, items and event types.
    pub log: &'a EventLog,
    /// Titles.
    pub catalogue: Option<&'a Catalogue>,
}

impl<'a> Names<'a> {
    /// One item of an answer, with its reasons greatest first.
    pub fn answer(&self, query: &Query<'_>, item: ItemId, explanation: Explanation) -> AnsweredItem<'a> {
        let mut reasons = explanation.reasons;
        reasons.sort_by(Reason::greatest_first);
        let mut remainder = BTreeMap::new();
        for part in explanation.remainders {
            *remainder.entry(part.name).or_insert(0.0) += part.share;
        }
        AnsweredItem {
            item: self.item(item),
            title: self.title(item),
            score: explanation.score,
            reasons: reasons
                .into_iter()
                .filter_map(|reason| {
                    Some(AnsweredReason {
                        event: self.event(query.history, reason.event)?,
                        relation: reason.relation,
                        age_days: reason.age_days,
                        decay: reason.decay,
                        share: reason.share,
                    })
                })
                .collect(),
            remainder,
        }
    }

    /// The event at a place of a history, counted from 0.
    pub fn event(&self, history: History<'_>, place: usize) -> Option<AnsweredEvent<'a>> {
        let event = history.get(place)?;
        Some(AnsweredEvent {
            place: place + 1,
            item: self.item(event.item),
            title: self.title(event.item),
            event_type: self
                .log
                .event_types()
                .get(event.event_type.index())
                .map_or(Cow::default(), Cow::from),
            time: event.time,
        })
    }

    fn item(&self, item: ItemId) -> Cow<'a, str> {
        self.log.items().name(item.index()).into()
    }

    fn title(&self, item: ItemId) -> Option<Cow<'a, str>> {
        self.catalogue?.title.get(item.index())?.as_deref().map(Cow::from)
    }
}
