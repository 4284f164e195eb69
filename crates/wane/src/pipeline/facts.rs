//! What can be said of a user in words, each statement with the events that it rests on. The words themselves are another's affair.
//!
//! - **Statements** are of a profile's interests ([`Profile`]): the likeliest, and the one that rises and the one that wanes most clearly. Of
//!   `r` days with events within the last horizon and `b` within the one before, `z = (r - b) / sqrt(r + b)` is about normal where nothing
//!   changed (a day falls in either half alike); an interest rises where `z >= 2` and wanes where `z <= -2`.
//! - **Words** are what the catalogue writes of the items that the user acted on: categories, brands, words of titles. An event weighs
//!   `2^(-age / horizon)`. A word with the share `p` of the user's weight, and `q` of everyone's, counts `p ln(p / q)`, its part of the
//!   divergence by S. Kullback and R. Leibler ("On information and sufficiency", 1951): much used, and more so than by others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::forecasts::InterestForecast;
use super::half_lives::{HalfLifeBy, Keys};
use super::profile::{Interest, Profile};
use crate::error::Result;
use crate::events::{EventLog, History, ItemId, Timestamp, UserId};
use crate::interest::Catalogue;
use crate::recommend::{AnsweredEvent, Names};

/// Of the likeliest interests so many are told.
const LIKELIEST: usize = 3;
/// From here on a change is no chance.
const CLEAR: f64 = 2.0;
/// Words of a user that may become tags.
const WORDS: usize = 30;
/// Letters of a title's word, at least.
const LETTERS: usize = 3;

/// What can be said of one user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// The user's id.
    pub user: String,
    /// The moment.
    pub as_of: Timestamp,
    /// Days ahead, and days of each of the two halves that a change is told by.
    pub horizon_days: f64,
    /// In the order in which they are told.
    pub statements: Vec<Statement>,
    /// Those that may become tags, the most telling first.
    pub words: Vec<Word>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// Of which interest.
    #[serde(flatten)]
    pub interest: InterestForecast,
    /// What was done most often.
    pub event_type: String,
    /// Whether it changes.
    pub trend: Trend,
    /// Days with events within the last horizon.
    pub recent_days: u64,
    /// Days with events within the horizon before that.
    pub former_days: u64,
    /// The events that it rests on, the newest first.
    pub events: Vec<AnsweredEvent>,
}

/// How an interest changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trend {
    /// Clearly more days than before.
    Rising,
    /// As far as one can tell, neither.
    Steady,
    /// Clearly fewer.
    Waning,
}

/// A word of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Word {
    /// The word, or the words of a category's or brand's name, in small letters.
    pub word: String,
    /// What it is of: `category`, `brand` or `title`.
    pub kind: &'static str,
    /// Share of the user's decayed weight.
    pub share: f64,
    /// How telling it is: `p ln(p / q)`.
    pub weight: f64,
    /// The events that it comes from, by their places in the user's history, from 1.
    pub events: Vec<usize>,
}

/// What can be said of users with profiles of this log, all of one moment.
///
/// # Errors
/// As [`super::profiles`].
pub fn facts(
    log: &EventLog,
    catalogue: Option<&Catalogue>,
    by: HalfLifeBy,
    profiles: &[Profile],
) -> Result<Vec<Facts>> {
    let keys = Keys::of(log, catalogue, by)?;
    let Some(first) = profiles.first() else { return Ok(Vec::new()) };
    let known = log.before(first.as_of);
    let words = Lexicon::new(&known, catalogue, first);
    let one = |profile: &Profile| {
        // A profile of another log has no one here.
        let user = known.users().position(&profile.user)?;
        let history = known.history(UserId(user));
        Some(Facts {
            user: profile.user.clone(),
            as_of: profile.as_of,
            horizon_days: profile.horizon_days,
            statements: statements(&Names { log: &known, catalogue }, history, &keys, profile),
            words: words.of(history),
        })
    };
    Ok(profiles.iter().filter_map(one).collect())
}

/// The likeliest interests, then the clearest changes among the others.
fn statements(names: &Names<'_>, history: History<'_>, keys: &Keys, profile: &Profile) -> Vec<Statement> {
    let (likeliest, others) = profile.interests.split_at(LIKELIEST.min(profile.interests.len()));
    let is_long_enough = history
        .times()
        .first()
        .is_some_and(|first| profile.as_of.days_since(*first) >= 2.0 * profile.horizon_days);
    let change = |own: &Interest| {
        let (recent, former) = halves(own, profile.horizon_days);
        let z = (recent as f64 - former as f64) / ((recent + former) as f64).sqrt().max(1.0);
        if is_long_enough { z } else { 0.0 }
    };
    let by_change = |a: &&Interest, b: &&Interest| change(a).total_cmp(&change(b));
    let rising = others.iter().max_by(by_change).filter(|own| change(own) >= CLEAR);
    let waning = others.iter().min_by(by_change).filter(|own| change(own) <= -CLEAR);
    let statement = |own: &Interest| {
        let (recent_days, former_days) = halves(own, profile.horizon_days);
        let trend = match change(own) {
            z if z >= CLEAR => Trend::Rising,
            z if z <= -CLEAR => Trend::Waning,
            _ => Trend::Steady,
        };
        let is_own = |item: ItemId| {
            let key = keys.of_item[item.index()];
            key.and_then(|key| keys.names.get(key as usize)) == own.forecast.key.as_ref() && key.is_some()
        };
        let places = (0..history.len()).rev().filter(|&place| is_own(history.items()[place]));
        let events: Vec<AnsweredEvent> = places.filter_map(|place| names.event(history, place)).collect();
        let event_type = most_frequent(&events);
        Statement { interest: own.forecast.clone(), event_type, trend, recent_days, former_days, events }
    };
    likeliest.iter().chain(rising).chain(waning).map(statement).collect()
}

/// Days with events within the last horizon, and within the one before.
fn halves(interest: &Interest, horizon: f64) -> (u64, u64) {
    let days = |from: f64, to: f64| {
        let within = interest.events.iter().filter(|&&at| -at >= from && -at < to);
        within.map(|at| at.floor() as i64).collect::<BTreeSet<_>>().len() as u64
    };
    (days(0.0, horizon), days(horizon, 2.0 * horizon))
}

fn most_frequent(events: &[AnsweredEvent]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    events.iter().for_each(|event| *counts.entry(&event.event_type).or_default() += 1);
    // The first of equals by name.
    let most = counts.iter().rev().max_by_key(|(_, count)| **count);
    most.map_or_else(String::new, |(name, _)| (*name).to_owned())
}

/// Words of a catalogue's items, and what they weigh to everyone.
struct Lexicon {
    words: Vec<(&'static str, String)>,
    of_item: Vec<Vec<usize>>,
    /// By word, as shares of the whole.
    everyone: Vec<f64>,
    at: Timestamp,
    horizon: f64,
}

impl Lexicon {
    fn new(log: &EventLog, catalogue: Option<&Catalogue>, profile: &Profile) -> Self {
        let mut places: HashMap<(&'static str, String), usize> = HashMap::new();
        let mut words = Vec::new();
        let items = (0..log.n_items() as u32).map(ItemId);
        let of_item = items.map(|item| {
            let own = catalogue.map_or_else(BTreeSet::new, |catalogue| words_of(catalogue, item));
            let place = |word: (&'static str, String)| {
                *places.entry(word).or_insert_with_key(|word| {
                    words.push(word.clone());
                    words.len() - 1
                })
            };
            own.into_iter().map(place).collect()
        });
        let of_item = of_item.collect();
        let mut own =
            Self { words, of_item, everyone: Vec::new(), at: profile.as_of, horizon: profile.horizon_days };
        own.everyone = own.shares(log.events());
        own
    }

    /// What each word weighs in some events: shares, of all words of its kind together.
    fn shares(&self, events: History<'_>) -> Vec<f64> {
        let mut weights = vec![0.0; self.words.len()];
        let mut totals: BTreeMap<&str, f64> = BTreeMap::new();
        for event in events.iter() {
            let weight = (-self.at.days_since(event.time) / self.horizon).exp2();
            for &word in &self.of_item[event.item.index()] {
                weights[word] += weight;
                *totals.entry(self.words[word].0).or_default() += weight;
            }
        }
        let share = |(weight, (kind, _)): (f64, &(&str, String))| match totals.get(kind) {
            Some(&total) if total > 0.0 => weight / total,
            _ => 0.0,
        };
        weights.into_iter().zip(&self.words).map(share).collect()
    }

    /// The words of a history, the most telling first.
    fn of(&self, history: History<'_>) -> Vec<Word> {
        let mut events: HashMap<usize, Vec<usize>> = HashMap::new();
        for (place, event) in history.iter().enumerate() {
            for &word in &self.of_item[event.item.index()] {
                events.entry(word).or_default().push(place + 1);
            }
        }
        let shares = self.shares(history);
        let telling = |(word, events): (usize, Vec<usize>)| {
            let (share, (kind, name)) = (shares[word], &self.words[word]);
            let weight = share * (share / self.everyone[word]).ln();
            (weight > 0.0).then(|| Word { word: name.clone(), kind, share, weight, events })
        };
        let mut words: Vec<Word> = events.into_iter().filter_map(telling).collect();
        words.sort_by(|a, b| {
            b.weight.total_cmp(&a.weight).then_with(|| (a.kind, &a.word).cmp(&(b.kind, &b.word)))
        });
        // The same word may be a category's and a title's.
        let mut seen = BTreeSet::new();
        words.retain(|word| seen.insert(word.word.clone()));
        words.truncate(WORDS);
        words
    }
}

/// What is written of an item, by kind.
fn words_of(catalogue: &Catalogue, item: ItemId) -> BTreeSet<(&'static str, String)> {
    let categories = catalogue.category_path(item).map(|name| ("category", name.to_lowercase()));
    let text = |column: &[Option<String>]| column.get(item.index()).cloned().flatten().unwrap_or_default();
    let brand = Some(text(&catalogue.brand)).filter(|brand| !brand.is_empty());
    let title = text(&catalogue.title).to_lowercase();
    let is_word = |word: &&str| word.chars().count() >= LETTERS && word.chars().all(char::is_alphabetic);
    let title = title.split(|letter: char| !letter.is_alphanumeric()).filter(is_word);
    let title = title.map(|word| ("title", word.to_owned()));
    categories.chain(brand.map(|brand| ("brand", brand.to_lowercase()))).chain(title).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interest(days_ago: &[f64]) -> Interest {
        let forecast = InterestForecast {
            user: "u".into(),
            key: Some("tea".into()),
            days: 1,
            last_seen_days: 0.0,
            per_day: 0.0,
            probability: 0.5,
            expected: 1.0,
            half_life_days: None,
        };
        let events = days_ago.iter().map(|days| -days).collect();
        Interest { forecast, past: Vec::new(), ahead: Vec::new(), events }
    }

    #[test]
    fn halves_count_days_and_not_events() {
        let own = interest(&[25.0, 19.9, 12.5, 11.5, 11.2, 10.0, 9.9, 0.5, 0.4]);
        assert_eq!(halves(&own, 10.0), (2, 4));
    }
}
