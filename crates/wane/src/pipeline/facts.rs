//! What can be said of a user in words, each statement with the events that it rests on. The words themselves are another's affair.
//!
//! - **Statements** are of a profile's interests ([`Profile`]): the likeliest, and the one that rises and the one that wanes most clearly. Where
//!   nothing changes, each of the `n` days with events falls into the last horizon with its share `s` of the time since the user's first
//!   event. So `r` of them there are a rise where a binomial number of `n` and `s` is `r` or more with a probability of .01 at most, and
//!   more than in the horizon before; an interest wanes likewise.
//! - **Words** are what the catalogue writes of the items that the user acted on: categories, brands, words of titles. An event weighs
//!   `2^(-age / horizon)`. A word with the share `p` of the user's weight, and `q` of everyone's, counts `p ln(p / q)`, its part of the
//!   divergence by S. Kullback and R. Leibler ("On information and sufficiency", 1951): much used, and at least twice as much as by all.

use std::cmp::Ordering;
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
/// A change that chance would make so seldom is told.
const CHANCE: f64 = 0.01;
/// Words of a user that may become tags.
const WORDS: usize = 12;
/// By how much they are more the user's than everyone's.
const LIFT: f64 = 2.0;
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
    pub events: Vec<AnsweredEvent<'static>>,
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
    let span = history.times().first().map_or(0.0, |first| profile.as_of.days_since(*first));
    let change = |own: &Interest| change(own, profile.horizon_days, span);
    let clearest = |trend: Trend| {
        let changes = others.iter().map(|own| (own, change(own))).filter(|(_, (own, _))| *own == trend);
        changes.min_by(|(_, (_, one)), (_, (_, other))| one.total_cmp(other)).map(|(own, _)| own)
    };
    let (rising, waning) = (clearest(Trend::Rising), clearest(Trend::Waning));
    let statement = |own: &Interest| {
        let (recent_days, former_days) = halves(own, profile.horizon_days);
        let (trend, _) = change(own);
        let is_own = |item: ItemId| {
            let key = keys.of_item[item.index()];
            key.and_then(|key| keys.names.get(key as usize)) == own.forecast.key.as_ref() && key.is_some()
        };
        let places = (0..history.len()).rev().filter(|&place| is_own(history.items()[place]));
        let events = places.filter_map(|place| names.event(history, place)).map(AnsweredEvent::into_owned);
        let events: Vec<_> = events.collect();
        let event_type = most_frequent(&events);
        Statement { interest: own.forecast.clone(), event_type, trend, recent_days, former_days, events }
    };
    likeliest.iter().chain(rising).chain(waning).map(statement).collect()
}

/// How an interest changes, and how often chance alone would make as much of it.
fn change(interest: &Interest, horizon: f64, span: f64) -> (Trend, f64) {
    let (recent, former) = halves(interest, horizon);
    if span < 2.0 * horizon || recent == former {
        return (Trend::Steady, 1.0);
    }
    let [less, equal, more] = binomial(days_within(interest, 0.0, f64::INFINITY), recent, horizon / span);
    let (trend, chance) =
        if recent > former { (Trend::Rising, equal + more) } else { (Trend::Waning, less + equal) };
    (if chance <= CHANCE { trend } else { Trend::Steady }, chance)
}

/// Probabilities that of `n` trials fewer than `k`, `k` and more succeed, each with the probability `p` between 0 and 1.
fn binomial(n: u64, k: u64, p: f64) -> [f64; 3] {
    let mut sums = [0.0; 3];
    let mut ln = n as f64 * (-p).ln_1p();
    for successes in 0..=n {
        sums[match successes.cmp(&k) {
            Ordering::Less => 0,
            Ordering::Equal => 1,
            Ordering::Greater => 2,
        }] += ln.exp();
        ln += ((n - successes) as f64 / (successes + 1) as f64).ln() + p.ln() - (-p).ln_1p();
    }
    sums
}

/// Days with events within the last horizon, and within the one before.
fn halves(interest: &Interest, horizon: f64) -> (u64, u64) {
    (days_within(interest, 0.0, horizon), days_within(interest, horizon, 2.0 * horizon))
}

/// Days with events of some ages, in days.
fn days_within(interest: &Interest, from: f64, to: f64) -> u64 {
    let within = interest.events.iter().filter(|&&at| -at >= from && -at < to);
    within.map(|at| at.floor() as i64).collect::<BTreeSet<_>>().len() as u64
}

fn most_frequent(events: &[AnsweredEvent<'_>]) -> String {
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
            (share >= LIFT * self.everyone[word]).then(|| Word {
                word: name.clone(),
                kind,
                share,
                weight,
                events,
            })
        };
        let mut words: Vec<Word> = events.into_iter().filter_map(telling).collect();
        // What happened once may be chance, unless nothing happened twice.
        if words.iter().any(|word| word.events.len() > 1) {
            words.retain(|word| word.events.len() > 1);
        }
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

    /// Figures of scipy: `binom.cdf(2, 9, .3)`, `binom.pmf(3, 9, .3)`, `binom.sf(3, 9, .3)`.
    #[test]
    fn binomial_probabilities_are_those_of_scipy() {
        let found = binomial(9, 3, 0.3);
        for (found, expected) in found.iter().zip([0.462_831_166, 0.266_827_932, 0.270_340_902]) {
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        }
        assert!((binomial(4_000, 1_900, 0.5).iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn changes_are_told_where_chance_would_seldom_make_them() {
        let (rare, often) =
            (interest(&[25.0, 5.0, 3.0]), interest(&[9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0]));
        // Two of three days in a tenth of the time: three in a hundred.
        assert_eq!(change(&rare, 10.0, 100.0).0, Trend::Steady);
        assert_eq!(change(&often, 10.0, 100.0).0, Trend::Rising);
        // Too short a history shows no change.
        assert_eq!(change(&often, 10.0, 15.0).0, Trend::Steady);
        let former: Vec<f64> = (11..50).map(f64::from).collect();
        assert_eq!(change(&interest(&former), 10.0, 50.0).0, Trend::Waning);
    }
}
