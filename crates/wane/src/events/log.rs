//! The clean log: events in compressed sparse rows by user, sorted by time.
//!
//! - One row of the structure is one user; within it events are oldest first. Events of one moment keep the order
//!   of their file (some logs have only days, and then the order of rows is all that is known).
//! - 21 bytes per event at most: item 4, time 8, type 1, value 4, session 4; the user costs nothing.
//! - Vocabularies are shared between a log and the parts that it is split into, so an item has one number in all.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::sort::Order;
use super::{Event, EventColumns, EventTypeId, ItemId, Timestamp, UserId, Vocab};
use crate::error::{Error, Result};

/// Session number of an event without a session, in a log that has sessions.
pub(crate) const NO_SESSION: u32 = u32::MAX;

/// A behaviour log, ready for use. See the module's documentation for its layout.
#[derive(Debug, Clone, PartialEq)]
pub struct EventLog {
    users: Arc<Vocab>,
    items: Arc<Vocab>,
    event_types: Arc<Vec<String>>,
    /// Shared by logs that differ in their vocabularies only.
    columns: Arc<Columns>,
}

/// The events, by user and then by time.
#[derive(Debug, Clone, PartialEq)]
struct Columns {
    /// Events of user `u` are `offsets[u]..offsets[u + 1]`.
    offsets: Vec<usize>,
    item: Vec<ItemId>,
    time: Vec<Timestamp>,
    event_type: Vec<EventTypeId>,
    value: Option<Vec<f32>>,
    session: Option<Vec<u32>>,
}

impl EventLog {
    /// Sorts columns into a log: vocabularies by name, events by user and time (stable).
    ///
    /// # Errors
    /// [`Error::Malformed`] is not possible here; columns of unequal length or a number outside its vocabulary
    /// give [`Error::Setting`], since they come from a program, not from a file.
    pub fn from_columns(columns: EventColumns) -> Result<Self> {
        columns.check()?;
        let (users, user_place) = Vocab::ranked(columns.user_names);
        let (items, item_place) = Vocab::ranked(columns.item_names);
        let (mut user, mut item) = (columns.users, columns.items);
        user.par_iter_mut().for_each(|user| *user = user_place[*user as usize]);
        item.par_iter_mut().for_each(|item| *item = item_place[*item as usize]);
        let order = Order::of(&user, users.len(), &columns.times);
        drop(user);
        let item = item.into_par_iter().map(ItemId).collect();
        Ok(Self {
            users: users.shared(),
            items: items.shared(),
            event_types: Arc::new(columns.event_types),
            columns: Arc::new(Columns {
                item: order.apply(item),
                time: order.apply(columns.times),
                event_type: order.apply(columns.types),
                value: (!columns.values.is_empty()).then(|| order.apply(columns.values)),
                session: (!columns.sessions.is_empty()).then(|| order.apply(columns.sessions)),
                offsets: order.offsets,
            }),
        })
    }

    /// Numbers sessions from 0 in the order of the log: the numbers that a reader gives them depend on the order of
    /// its threads.
    pub(crate) fn with_dense_sessions(mut self) -> Self {
        let most = self.columns.session.iter().flatten().filter(|&&number| number != NO_SESSION).max();
        let mut numbers = vec![NO_SESSION; most.map_or(0, |&most| most as usize + 1)];
        let mut next = 0;
        let columns = Arc::make_mut(&mut self.columns);
        for session in columns.session.iter_mut().flatten().filter(|session| **session != NO_SESSION) {
            let number = &mut numbers[*session as usize];
            if *number == NO_SESSION {
                *number = next;
                next += 1;
            }
            *session = *number;
        }
        self
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.columns.item.len()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.columns.item.is_empty()
    }

    /// Vocabulary of users.
    pub fn users(&self) -> &Arc<Vocab> {
        &self.users
    }

    /// Vocabulary of items; it may hold items without events.
    pub fn items(&self) -> &Arc<Vocab> {
        &self.items
    }

    /// Names of the event types; an [`EventTypeId`] is a place in this list.
    pub fn event_types(&self) -> &[String] {
        &self.event_types
    }

    /// Number of users in the vocabulary (some may have no event in this part of a split log).
    pub fn n_users(&self) -> usize {
        self.users.len()
    }

    /// Number of items in the vocabulary.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// The events of a user, oldest first; empty for a number outside the vocabulary.
    pub fn history(&self, user: UserId) -> History<'_> {
        let bound = |place: usize| self.columns.offsets.get(place).copied().unwrap_or(self.len());
        self.slice(bound(user.index()), bound(user.index() + 1))
    }

    /// All users with their events, in order of user id.
    pub fn histories(&self) -> impl ExactSizeIterator<Item = (UserId, History<'_>)> {
        (0..self.n_users()).map(|user| {
            let user = UserId(user as u32);
            (user, self.history(user))
        })
    }

    /// Every event as one run (by user, then time), for counting.
    pub fn events(&self) -> History<'_> {
        self.slice(0, self.len())
    }

    /// Where each user's events begin and end in [`EventLog::events`]: `n_users + 1` ascending numbers.
    pub fn offsets(&self) -> &[usize] {
        &self.columns.offsets
    }

    /// Time of the first and of the last event.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((*self.columns.time.iter().min()?, *self.columns.time.iter().max()?))
    }

    /// The part of the log for which `keep(user, place in the user's history, event)` holds, with the same
    /// vocabularies.
    pub fn filter(&self, mut keep: impl FnMut(UserId, usize, Event) -> bool) -> Self {
        let mut part = Columns {
            offsets: vec![0],
            item: Vec::new(),
            time: Vec::new(),
            event_type: Vec::new(),
            value: self.columns.value.as_ref().map(|_| Vec::new()),
            session: self.columns.session.as_ref().map(|_| Vec::new()),
        };
        for (user, history) in self.histories() {
            for (place, event) in history.iter().enumerate() {
                if keep(user, place, event) {
                    part.item.push(event.item);
                    part.time.push(event.time);
                    part.event_type.push(event.event_type);
                    if let Some(values) = &mut part.value {
                        values.push(event.value.unwrap_or(f32::NAN));
                    }
                    if let Some(sessions) = &mut part.session {
                        sessions.push(event.session.unwrap_or(NO_SESSION));
                    }
                }
            }
            part.offsets.push(part.item.len());
        }
        Self { columns: Arc::new(part), ..self.clone() }
    }

    /// The events strictly before a moment, with the same vocabularies.
    pub fn before(&self, as_of: Timestamp) -> Self {
        self.filter(|_, _, event| event.time < as_of)
    }

    /// A history as a log of its own, with the same items and event types. Its user, of number 0, has no name.
    #[must_use]
    pub fn alone(&self, history: History<'_>) -> Self {
        let columns = Columns {
            offsets: vec![0, history.len()],
            item: history.items.to_vec(),
            time: history.times.to_vec(),
            event_type: history.event_types.to_vec(),
            value: history.values.map(<[f32]>::to_vec),
            session: history.sessions.map(<[u32]>::to_vec),
        };
        Self { users: Vocab::from_names([""]).shared(), columns: Arc::new(columns), ..self.clone() }
    }

    /// The events on items of another vocabulary, numbered by that vocabulary: what a fitted model can read.
    #[must_use]
    pub fn over_items(&self, items: &Arc<Vocab>) -> Self {
        let place = |item: ItemId| items.position(self.items.name(item.index())).map(ItemId);
        let places: Vec<Option<ItemId>> =
            (0..self.n_items() as u32).map(|item| place(ItemId(item))).collect();
        let mut part = self.filter(|_, _, event| places[event.item.index()].is_some());
        let columns = Arc::make_mut(&mut part.columns);
        columns.item.iter_mut().for_each(|item| *item = places[item.index()].unwrap_or(*item));
        part.items = Arc::clone(items);
        part
    }

    /// The same events over a vocabulary that also holds `names`: items that nobody has touched yet.
    #[must_use]
    pub fn with_items<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let items = Arc::clone(&self.items);
        let all = names.into_iter().map(str::to_owned).chain(items.iter().map(str::to_owned));
        let wider = Vocab::from_names(all);
        let places: Vec<u32> = items.iter().map(|name| wider.position(name).unwrap_or_default()).collect();
        let columns = Arc::make_mut(&mut self.columns);
        columns.item.iter_mut().for_each(|item| item.0 = places[item.index()]);
        self.items = wider.shared();
        self
    }

    /// The same events, not copied, over a vocabulary that goes on where this one ends ([`Vocab::with_later`]).
    #[must_use]
    pub fn with_later_items(&self, items: Arc<Vocab>) -> Self {
        Self { items, ..self.clone() }
    }

    /// Bytes held by the events (without the vocabularies).
    pub fn event_bytes(&self) -> usize {
        let per_event = size_of::<ItemId>()
            + size_of::<Timestamp>()
            + size_of::<EventTypeId>()
            + if self.columns.value.is_some() { size_of::<f32>() } else { 0 }
            + if self.columns.session.is_some() { size_of::<u32>() } else { 0 };
        self.len() * per_event
    }

    fn slice(&self, start: usize, end: usize) -> History<'_> {
        let Columns { item, time, event_type, value, session, .. } = &*self.columns;
        History {
            items: &item[start..end],
            times: &time[start..end],
            event_types: &event_type[start..end],
            values: value.as_ref().map(|values| &values[start..end]),
            sessions: session.as_ref().map(|sessions| &sessions[start..end]),
        }
    }
}

/// A run of one user's events, oldest first, borrowed from a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History<'a> {
    items: &'a [ItemId],
    times: &'a [Timestamp],
    event_types: &'a [EventTypeId],
    values: Option<&'a [f32]>,
    sessions: Option<&'a [u32]>,
}

impl<'a> History<'a> {
    /// A history from columns of equal length, oldest first: a session that is in no log.
    ///
    /// # Errors
    /// [`Error::Setting`] when the columns differ in length or times descend.
    pub fn new(items: &'a [ItemId], times: &'a [Timestamp], event_types: &'a [EventTypeId]) -> Result<Self> {
        if items.len() != times.len() || items.len() != event_types.len() {
            let got = format!("{}, {}, {}", items.len(), times.len(), event_types.len());
            return Err(Error::setting("history", "items, times and event types of equal length", got));
        }
        if times.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(Error::setting("history", "events oldest first", "descending times"));
        }
        Ok(Self { items, times, event_types, values: None, sessions: None })
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Items, oldest first.
    pub fn items(&self) -> &'a [ItemId] {
        self.items
    }

    /// Times, ascending (within one user).
    pub fn times(&self) -> &'a [Timestamp] {
        self.times
    }

    /// Event types, oldest first.
    pub fn event_types(&self) -> &'a [EventTypeId] {
        self.event_types
    }

    /// Values (NaN: none), if the log has them.
    pub fn values(&self) -> Option<&'a [f32]> {
        self.values
    }

    /// Sessions (`u32::MAX`: none), if the log has them.
    pub fn sessions(&self) -> Option<&'a [u32]> {
        self.sessions
    }

    /// The event at a place, oldest first.
    pub fn get(&self, place: usize) -> Option<Event> {
        Some(Event {
            item: *self.items.get(place)?,
            event_type: *self.event_types.get(place)?,
            time: *self.times.get(place)?,
            value: self.values.and_then(|values| values.get(place)).copied().filter(|value| !value.is_nan()),
            session: self
                .sessions
                .and_then(|sessions| sessions.get(place))
                .copied()
                .filter(|&s| s != NO_SESSION),
        })
    }

    /// Events, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Event> + ExactSizeIterator + use<'a> {
        let history = *self;
        (0..history.len()).map(move |place| Event {
            item: history.items[place],
            event_type: history.event_types[place],
            time: history.times[place],
            value: history.values.map(|values| values[place]).filter(|value| !value.is_nan()),
            session: history.sessions.map(|sessions| sessions[place]).filter(|&s| s != NO_SESSION),
        })
    }

    /// The first `n` events (all, if there are fewer).
    pub fn first(&self, n: usize) -> Self {
        self.range(0, n.min(self.len()))
    }

    /// The last `n` events (all, if there are fewer).
    pub fn last(&self, n: usize) -> Self {
        self.range(self.len() - n.min(self.len()), self.len())
    }

    /// Baskets, oldest first, as runs of places: successive events of one session, or of one moment where the log has
    /// no sessions.
    pub fn baskets(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let history = *self;
        let together = move |a: usize, b: usize| match history.sessions {
            Some(sessions) => sessions[a] == sessions[b],
            None => history.times[a] == history.times[b],
        };
        let mut start = 0;
        std::iter::from_fn(move || {
            let first = start;
            (first < history.len()).then(|| {
                start += 1;
                while start < history.len() && together(start - 1, start) {
                    start += 1;
                }
                first..start
            })
        })
    }

    /// The events strictly before a moment.
    pub fn before(&self, as_of: Timestamp) -> Self {
        self.first(self.times.partition_point(|&time| time < as_of))
    }

    fn range(&self, start: usize, end: usize) -> Self {
        Self {
            items: &self.items[start..end],
            times: &self.times[start..end],
            event_types: &self.event_types[start..end],
            values: self.values.map(|values| &values[start..end]),
            sessions: self.sessions.map(|sessions| &sessions[start..end]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(rows: &[(u32, u32, i64)]) -> EventColumns {
        EventColumns {
            users: rows.iter().map(|row| row.0).collect(),
            items: rows.iter().map(|row| row.1).collect(),
            times: rows.iter().map(|row| Timestamp::from_millis(row.2)).collect(),
            types: vec![EventTypeId(0); rows.len()],
            user_names: vec!["zoe".into(), "ann".into()],
            item_names: vec!["b".into(), "a".into(), "c".into()],
            event_types: vec!["event".into()],
            ..EventColumns::default()
        }
    }

    #[test]
    fn sorts_by_user_then_time_and_keeps_file_order_of_ties() {
        let log = EventLog::from_columns(columns(&[(0, 0, 5), (1, 1, 9), (0, 2, 1), (1, 0, 9)])).unwrap();
        let names = |user| {
            let history: History<'_> = log.history(UserId(user));
            history.items().iter().map(|item| log.items().name(item.index())).collect::<Vec<_>>()
        };
        assert_eq!(log.users().iter().collect::<Vec<_>>(), ["ann", "zoe"]);
        assert_eq!(names(0), ["a", "b"]);
        assert_eq!(names(1), ["c", "b"]);
        assert_eq!(log.history(UserId(7)).len(), 0);
    }

    #[test]
    fn numbers_outside_the_vocabulary_are_refused() {
        let message = EventLog::from_columns(columns(&[(0, 9, 5)])).unwrap_err().to_string();
        assert_eq!(message, "setting `items`: expected numbers below 3, got 9");
    }

    #[test]
    fn a_part_shares_the_vocabularies() {
        let log = EventLog::from_columns(columns(&[(0, 0, 5), (1, 1, 9), (0, 2, 1)])).unwrap();
        let part = log.before(Timestamp::from_millis(5));
        assert_eq!((part.len(), part.n_users(), part.n_items()), (1, 2, 3));
        assert_eq!(part.history(UserId(1)).times(), [Timestamp::from_millis(1)]);
    }

    #[test]
    fn a_history_alone_is_that_of_its_log() {
        let log = EventLog::from_columns(columns(&[(0, 0, 5), (1, 1, 9), (0, 2, 1)])).unwrap();
        let alone = log.alone(log.history(UserId(1)));
        assert_eq!((alone.len(), alone.n_users(), alone.n_items()), (2, 1, 3));
        assert_eq!(alone.history(UserId(0)), log.history(UserId(1)));
    }

    #[test]
    fn over_other_items_only_known_events_are_left() {
        let log = EventLog::from_columns(columns(&[(0, 0, 5), (1, 2, 9)])).unwrap();
        let items = Vocab::from_names(["0", "b"]).shared();
        let known = log.over_items(&items);
        assert_eq!((known.len(), known.n_items(), known.n_users()), (1, 2, 2));
        assert_eq!(known.events().items(), [ItemId(1)]);
    }

    #[test]
    fn a_wider_vocabulary_leaves_the_events_alone() {
        let log = EventLog::from_columns(columns(&[(0, 0, 5), (1, 2, 9)])).unwrap();
        let names = |log: &EventLog| -> Vec<String> {
            log.events().items().iter().map(|item| log.items().name(item.index()).to_owned()).collect()
        };
        let wider = log.clone().with_items(["aa", "b", "z"]);
        assert_eq!((wider.n_items(), names(&wider)), (5, names(&log)));
    }

    #[test]
    fn an_event_costs_at_most_24_bytes() {
        let mut full = columns(&[(0, 0, 5), (1, 1, 9)]);
        full.values = vec![1.0, f32::NAN];
        full.sessions = vec![0, 1];
        let log = EventLog::from_columns(full).unwrap();
        assert!(log.event_bytes() <= 24 * log.len());
        assert_eq!(log.history(UserId(0)).get(0).unwrap().value, None);
    }
}
