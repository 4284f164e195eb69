//! How a log is split into what may be learned and what must be predicted.
//!
//! A split has two parts, validation and test; each is a training log and the cases to predict after it. A case is a
//! history, a moment, the targets that came, and the items they compete with. The history is a prefix of the user's
//! events in the whole log, so that events of the case itself, or later ones, cannot reach a model.

use std::fmt;

use hashbrown::HashSet;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use crate::decay::WITHDRAWALS;
use crate::error::{Error, Result};
use crate::events::{Event, EventLog, History, ItemId, Joined, MILLIS_PER_DAY, Timestamp, UserId};
use crate::interest::Catalogue;
use crate::recommend::{Goal, Question, Validation};

/// A length of time: a share of the log's span, or days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// A share of the time from the first to the last event, above 0 and below 1.
    Share(f64),
    /// Days.
    Days(f64),
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => write!(f, "{} %", 100.0 * share),
            Self::Days(days) => write!(f, "{days} days"),
        }
    }
}

impl Span {
    /// Never more than the whole, so that no sum of spans overflows.
    fn millis(self, whole: i64) -> i64 {
        let millis = match self {
            Self::Share(share) => (whole as f64 * share) as i64,
            Self::Days(days) => (days * MILLIS_PER_DAY as f64) as i64,
        };
        millis.clamp(0, whole)
    }
}

/// What a case must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// Every distinct item of the user in the period.
    All,
    /// The items of the user's first basket in the period: one session, or one moment where there are no sessions.
    NextBasket,
    /// The user's first item in the period.
    NextItem,
    /// Each item of the user in the period that comes after another, from all that came before it.
    EachNextItem,
}

/// How the log was split.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Protocol {
    /// Train before the validation period, test after it; one case per user, but for [`Targets::EachNextItem`].
    TimeSplit {
        /// What a case must find.
        targets: Targets,
        /// Start of the validation period, RFC 3339.
        validation_start: String,
        /// Start of the test period, RFC 3339.
        test_start: String,
    },
    /// Each user's last event is the test, the one before it the validation (ties by order of rows).
    LeaveOneOut,
    /// Files split by somebody else; one case per event of the validation and test files.
    PreSplit,
    /// Files split by somebody else; each event of a test session is predicted from those before it.
    NextItem,
}

/// One question with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Who is asked about.
    pub user: UserId,
    /// How many of the user's first events in the whole log are known.
    pub known_events: usize,
    /// The moment of the question.
    pub as_of: Timestamp,
    /// The distinct items that came, in the order in which they came.
    pub targets: Vec<ItemId>,
    /// The only items that compete, beside the targets; unset: all candidates of the part.
    pub negatives: Option<Vec<ItemId>>,
}

/// A training log and the cases to predict after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What may be learned from.
    pub training: EventLog,
    /// What must be predicted, by user, then in order of time.
    pub cases: Vec<Case>,
    /// Items that may be ranked: known before the period begins.
    pub candidates: Vec<bool>,
    /// Items with training events.
    trained: Vec<bool>,
}

impl Part {
    /// A part of a split; `candidates` has one entry per item.
    pub fn new(training: EventLog, cases: Vec<Case>, candidates: Vec<bool>) -> Self {
        let trained = with_events(&training);
        Self { training, cases, candidates, trained }
    }

    /// Whether an item has training events.
    pub fn has_training(&self, item: ItemId) -> bool {
        self.trained.get(item.index()).copied().unwrap_or(false)
    }
}

/// A log split for validation and test.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// All events; histories of cases are prefixes of it.
    pub log: EventLog,
    /// For tuning and early stopping.
    pub validation: Part,
    /// For the figures.
    pub test: Part,
    /// How it was split.
    pub protocol: Protocol,
}

impl Case {
    /// The history that is known at the moment of the question.
    pub fn history<'a>(&self, log: &'a EventLog) -> History<'a> {
        log.history(self.user).first(self.known_events)
    }
}

impl Split {
    /// Splits by two moments. The model for the test learns from everything before the test period.
    ///
    /// # Errors
    /// [`Error::Setting`] for spans that leave no training; [`Error::Empty`] when a part has no case.
    pub fn by_time(log: EventLog, validation: Span, test: Span, targets: Targets) -> Result<Self> {
        let (first, last) = log.span().ok_or_else(nothing_to_split)?;
        let whole = last.millis().saturating_sub(first.millis());
        let test_start = last.millis() - test.millis(whole) + 1;
        let validation_start = test_start - validation.millis(whole);
        if validation_start <= first.millis() {
            return Err(Error::setting(
                "test and validation span",
                format!("together less than the log's {:.1} days", whole as f64 / MILLIS_PER_DAY as f64),
                format!("{test} and {validation}"),
            ));
        }
        let (middle, start) = (Timestamp::from_millis(validation_start), Timestamp::from_millis(test_start));
        let end = Timestamp::from_millis(last.millis() + 1);
        let part = |from: Timestamp, to: Timestamp| {
            let training = log.before(from);
            let known = with_events(&training);
            Part::new(training, period_cases(&log, from, to, targets), known)
        };
        let (validation, test) = (part(middle, start), part(start, end));
        let protocol = Protocol::TimeSplit {
            targets,
            validation_start: middle.to_string(),
            test_start: start.to_string(),
        };
        Self { validation, test, protocol, log }.checked()
    }

    /// Splits by two moments for the next item: each user's first one in the period, or, where most users of the test have done nothing
    /// before it, each item that comes after another ([`Targets::EachNextItem`]). In a log of sessions whose visitors nobody knows again,
    /// all first items would be asked for without any history, and all models would answer alike.
    ///
    /// # Errors
    /// Those of [`Split::by_time`].
    pub fn by_next_item(log: EventLog, validation: Span, test: Span) -> Result<Self> {
        let split = Self::by_time(log, validation, test, Targets::NextItem)?;
        let cases = &split.test.cases;
        let strangers = cases.iter().filter(|case| case.known_events == 0).count();
        if 2 * strangers <= cases.len() {
            return Ok(split);
        }
        // Where nobody does two things, first items are all that there is.
        Ok(Self::by_time(split.log.clone(), validation, test, Targets::EachNextItem).unwrap_or(split))
    }

    /// Takes each user's last event as test and the one before as validation; users with fewer than three events only
    /// train. Models learn from the training events alone, as in the literature.
    ///
    /// # Errors
    /// [`Error::Empty`] when no user has three events.
    pub fn leave_one_out(log: EventLog) -> Result<Self> {
        let length = |user: UserId| log.history(user).len();
        let training = log.filter(|user, place, _| length(user) < 3 || place + 2 < length(user));
        let part = |back: usize| {
            let cases = log
                .histories()
                .filter(|(_, history)| history.len() >= 3)
                .filter_map(|(user, history)| next_item_case(user, history, history.len() - back));
            Part::new(training.clone(), cases.collect(), vec![true; log.n_items()])
        };
        let (validation, test) = (part(2), part(1));
        Self { validation, test, protocol: Protocol::LeaveOneOut, log }.checked()
    }

    /// Takes parts 0, 1 and 2 of joined logs as training, validation and test. Models learn from part 0 alone;
    /// a test case knows the user's validation events.
    ///
    /// With `every_event_of_a_session`, only events after a session's first are cases, each predicted from those
    /// before it ([`Protocol::NextItem`]).
    ///
    /// # Errors
    /// [`Error::Empty`] when a part has no case.
    pub fn pre_split(joined: Joined, every_event_of_a_session: bool) -> Result<Self> {
        let Joined { log, part: part_of } = joined;
        let place_in_log = |user: UserId, place: usize| log.offsets()[user.index()] + place;
        let training = log.filter(|user, place, _| part_of[place_in_log(user, place)] == 0);
        let part = |number: u8| {
            let cases = log
                .histories()
                .flat_map(|(user, history)| (0..history.len()).map(move |place| (user, history, place)))
                .filter(|&(user, _, place)| part_of[place_in_log(user, place)] == number)
                .filter(|&(_, _, place)| place > 0 || !every_event_of_a_session)
                .filter_map(|(user, history, place)| next_item_case(user, history, place));
            Part::new(training.clone(), cases.collect(), vec![true; log.n_items()])
        };
        let (validation, test) = (part(1), part(2));
        let protocol = if every_event_of_a_session { Protocol::NextItem } else { Protocol::PreSplit };
        Self { validation, test, protocol, log }.checked()
    }

    /// What a model is asked for under this protocol.
    pub fn goal(&self) -> Goal {
        match self.protocol {
            Protocol::TimeSplit { targets: Targets::NextBasket, .. } => Goal::NextBasket,
            _ => Goal::NextItem,
        }
    }

    /// The validation part as questions by which a model may stop learning.
    pub fn questions(&self) -> Validation<'_> {
        let questions = self.validation.cases.iter().map(|case| Question {
            history: case.history(&self.log),
            as_of: case.as_of,
            targets: case.targets.clone(),
            others: case.negatives.as_deref(),
        });
        Validation { log: &self.validation.training, questions: questions.collect() }
    }

    /// Lets items compete that the catalogue dates before the part's first question, though nobody has touched them.
    #[must_use]
    pub fn with_dated_items(mut self, catalogue: &Catalogue) -> Self {
        for part in [&mut self.validation, &mut self.test] {
            if let Some(start) = part.cases.iter().map(|case| case.as_of).min() {
                for (candidate, created) in part.candidates.iter_mut().zip(&catalogue.created) {
                    *candidate |= created.is_some_and(|created| created <= start);
                }
            }
        }
        self
    }

    /// Takes a share of the items, drawn by a seed, out of what may be learned, while they still compete and are still
    /// asked for: how are items ranked that nobody has touched yet? Their targets are the part `cold-items`.
    ///
    /// # Errors
    /// [`Error::Empty`] when nothing is left to learn from.
    pub fn withholding(mut self, share: f64, seed: u64) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let is_withheld: Vec<bool> =
            (0..self.log.n_items()).map(|_| random.random::<f64>() < share).collect();
        for part in [&mut self.validation, &mut self.test] {
            part.training = part.training.filter(|_, _, event| !is_withheld[event.item.index()]);
            part.trained = with_events(&part.training);
            if part.training.is_empty() {
                return Err(Error::Empty {
                    what: "all items with training events are withheld".to_owned(),
                    remedy: "Withhold fewer, 10% say".to_owned(),
                });
            }
        }
        Ok(self)
    }

    /// The same with so many cases of each part at most, taken evenly: a million answers are no surer guide to a choice than some
    /// thousand, and take as much longer.
    #[must_use]
    pub fn with_at_most(mut self, cases: usize) -> Self {
        for part in [&mut self.validation, &mut self.test] {
            let step = part.cases.len().div_ceil(cases.max(1)).max(1);
            part.cases = std::mem::take(&mut part.cases).into_iter().step_by(step).collect();
        }
        self
    }

    fn checked(self) -> Result<Self> {
        let remedy = "Give a longer log, or longer --test-span and --valid-span";
        for (name, part) in [("validation", &self.validation), ("test", &self.test)] {
            if part.cases.is_empty() {
                return Err(Error::Empty {
                    what: format!("the {name} part has nothing to predict"),
                    remedy: remedy.to_owned(),
                });
            }
        }
        if self.validation.training.is_empty() {
            return Err(Error::Empty {
                what: "the training part has no events".to_owned(),
                remedy: remedy.to_owned(),
            });
        }
        Ok(self)
    }
}

fn nothing_to_split() -> Error {
    Error::Empty {
        what: "the log has no events to split".to_owned(),
        remedy: "Give a log with events".to_owned(),
    }
}

/// Cases of the users with events in `from..to`, one each, or one per event that has others before it. Events that take something
/// back (returns, cancellations) are known as history, but nobody wants to be recommended one: they are no targets.
fn period_cases(log: &EventLog, from: Timestamp, to: Timestamp, targets: Targets) -> Vec<Case> {
    let takes_back: Vec<bool> =
        log.event_types().iter().map(|name| WITHDRAWALS.contains(&name.as_str())).collect();
    let cases = |(user, history): (UserId, History<'_>)| -> Vec<Case> {
        let known_events = history.before(from).len();
        let period = history.before(to).iter().enumerate().skip(known_events);
        let period = period.filter(|(_, event)| !takes_back[event.event_type.index()]);
        if targets == Targets::EachNextItem {
            let later = period.filter(|(place, _)| *place > 0);
            return later.filter_map(|(place, _)| next_item_case(user, history, place)).collect();
        }
        let period: Vec<Event> = period.map(|(_, event)| event).collect();
        let Some(&first) = period.first() else { return Vec::new() };
        let wanted = period.iter().filter(|event| match targets {
            Targets::All => true,
            Targets::NextBasket => same_basket(&first, event),
            Targets::NextItem | Targets::EachNextItem => false,
        });
        let items = std::iter::once(first.item).chain(wanted.map(|event| event.item));
        vec![Case { user, known_events, as_of: first.time, targets: distinct(items), negatives: None }]
    };
    log.histories().flat_map(cases).collect()
}

fn same_basket(first: &Event, event: &Event) -> bool {
    match (first.session, event.session) {
        (Some(a), Some(b)) => a == b,
        _ => first.time == event.time,
    }
}

fn next_item_case(user: UserId, history: History<'_>, place: usize) -> Option<Case> {
    let event = history.get(place)?;
    Some(Case { user, known_events: place, as_of: event.time, targets: vec![event.item], negatives: None })
}

fn distinct(items: impl Iterator<Item = ItemId>) -> Vec<ItemId> {
    let mut seen = HashSet::new();
    items.filter(|&item| seen.insert(item)).collect()
}

fn with_events(log: &EventLog) -> Vec<bool> {
    let mut known = vec![false; log.n_items()];
    for item in log.events().items() {
        known[item.index()] = true;
    }
    known
}
