//! Histories of users in a model's numbers: what its log knows of them, and what came since.
//!
//! A history is read from the store at the first question and kept; of what comes in meanwhile only that is read at the next one. At most
//! twice [`Histories::MOST`] bytes are kept: those that were asked for lately, and those from before that. Bytes and not users are
//! counted, for histories grow. Items that came after the fit get numbers while a model answers: a history that left one of them out is
//! then read again.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

use wane::events::{EventLog, EventTypeId, History, ItemId, Timestamp, UserId};

use crate::error::Result;
use crate::metrics::Metrics;
use crate::store::{NewerEvents, StoredEvent};

/// A user's events, oldest first; those of one moment in the order of arrival, the model's own before.
#[derive(Debug)]
pub(crate) enum Known {
    /// Those of the model's log and no others, with their sessions.
    InLog(UserId),
    /// Others too.
    Newer(Columns),
}

/// Events as a history borrows them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Columns {
    items: Vec<ItemId>,
    times: Vec<Timestamp>,
    types: Vec<EventTypeId>,
    /// The last arrival among them.
    arrival: i64,
    /// Items that had a number when they were read.
    n_items: usize,
    /// Whether an item had none and was left out.
    is_cut: bool,
}

impl Known {
    /// The events of a model's log and newer ones. An item that the model does not know says nothing and is left out, as `wane recommend`
    /// leaves it out; a type that it does not know weighs nothing.
    pub(crate) fn of(log: &EventLog, user: Option<UserId>, newer: &NewerEvents) -> Self {
        match user {
            Some(user) if newer.events.is_empty() => Self::InLog(user),
            Some(user) => {
                Self::Newer(Columns::of(log.history(user)).with(log, &newer.events, newer.last_arrival))
            }
            None => Self::Newer(Columns::default().with(log, &newer.events, newer.last_arrival)),
        }
    }

    /// The events of a session, which a request brings with it.
    pub(crate) fn of_session(log: &EventLog, events: &[StoredEvent]) -> Self {
        Self::Newer(Columns::default().with(log, events, None))
    }

    /// The same with what came after it.
    pub(crate) fn grown(&self, log: &EventLog, newer: &NewerEvents) -> Self {
        match self {
            Self::InLog(user) => Self::of(log, Some(*user), newer),
            Self::Newer(own) => Self::Newer(own.clone().with(log, &newer.events, newer.last_arrival)),
        }
    }

    /// The last arrival that it knows of; 0 where it knows of none.
    pub(crate) fn arrival(&self) -> i64 {
        match self {
            Self::InLog(_) => 0,
            Self::Newer(own) => own.arrival,
        }
    }

    /// Whether it is what would be read now, where so many items have numbers: items get theirs one after another.
    fn is_of(&self, n_items: usize) -> bool {
        match self {
            Self::InLog(_) => true,
            Self::Newer(own) => own.n_items == n_items || own.n_items < n_items && !own.is_cut,
        }
    }

    /// Memory that it takes with what it is kept by, about.
    fn bytes(&self, user: &str) -> usize {
        // Entry, text and allocations.
        let kept_by = 160 + user.len();
        kept_by
            + match self {
                Self::InLog(_) => 0,
                Self::Newer(own) => {
                    size_of_val(&own.items[..]) + size_of_val(&own.times[..]) + size_of_val(&own.types[..])
                }
            }
    }

    /// The history that a model with this log is asked with.
    pub(crate) fn history<'a>(&'a self, log: &'a EventLog) -> Result<History<'a>> {
        match self {
            Self::InLog(user) => Ok(log.history(*user)),
            Self::Newer(own) => Ok(History::new(&own.items, &own.times, &own.types)?),
        }
    }
}

impl Columns {
    fn of(own: History<'_>) -> Self {
        let (items, times, types) = (own.items().to_vec(), own.times().to_vec(), own.event_types().to_vec());
        Self { items, times, types, ..Self::default() }
    }

    /// With newer events. They are nearly always the latest, so that only what is later than the first of them is put in order.
    fn with(mut self, log: &EventLog, newer: &[StoredEvent], last_arrival: Option<i64>) -> Self {
        let types = log.event_types();
        let mut is_cut = self.is_cut;
        let in_numbers = newer.iter().filter_map(|event| {
            let item = log.items().position(&event.item);
            is_cut |= item.is_none();
            let item = ItemId(item?);
            let kind = types.iter().position(|name| *name == event.event_type).unwrap_or(types.len());
            Some((event.time, item, EventTypeId(u8::try_from(kind).ok()?)))
        });
        let newer_rows: Vec<_> = in_numbers.collect();
        let first = newer_rows.iter().map(|row| row.0).min();
        let kept = first.map_or(self.times.len(), |first| self.times.partition_point(|time| *time <= first));
        let others = self.times.drain(kept..).zip(self.items.drain(kept..)).zip(self.types.drain(kept..));
        let mut rows: Vec<_> = others.map(|((time, item), kind)| (time, item, kind)).collect();
        rows.extend(newer_rows);
        // Those of one moment stay as they came.
        rows.sort_by_key(|row| row.0);
        self.times.extend(rows.iter().map(|row| row.0));
        self.items.extend(rows.iter().map(|row| row.1));
        self.types.extend(rows.iter().map(|row| row.2));
        let arrival = last_arrival.unwrap_or(self.arrival);
        Self { arrival, n_items: log.n_items(), is_cut, ..self }
    }
}

/// What is known of users that were asked for.
pub(crate) struct Histories {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Shard {
    young: HashMap<String, Kept>,
    old: HashMap<String, Kept>,
    /// Of the young.
    bytes: usize,
}

/// A history that was asked for.
#[derive(Clone)]
struct Kept {
    known: Arc<Known>,
    /// Whether something came after it.
    is_behind: bool,
}

impl Shard {
    fn keep(&mut self, user: &str, known: Arc<Known>, most: usize) {
        if self.bytes >= most {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += known.bytes(user);
        let kept = Kept { known, is_behind: false };
        if let Some(former) = self.young.insert(user.to_owned(), kept) {
            self.bytes -= former.known.bytes(user);
        }
    }

    fn forget(&mut self, user: &str) {
        if let Some(former) = self.young.remove(user) {
            self.bytes -= former.known.bytes(user);
        }
        self.old.remove(user);
    }
}

impl Histories {
    /// Bytes of the histories of one age that are kept.
    const MOST: usize = 64 << 20;
    const SHARDS: usize = 64;

    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        let shards = (0..Self::SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), metrics }
    }

    /// What is known of a user where so many items have numbers, read where it must be: all of it, or what came after that which is kept.
    /// While it is read nothing else can become known of the user, for whoever writes tells of it afterwards.
    pub(crate) fn of(
        &self,
        user: &str,
        n_items: usize,
        read: impl FnOnce(Option<&Known>) -> Result<Known>,
    ) -> Result<Arc<Known>> {
        let mut shard = self.shard(user).lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |kept: &Kept| kept.known.is_of(n_items);
        if let Some(kept) = shard.young.get(user).filter(|kept| !kept.is_behind && fits(kept)) {
            self.metrics.looked_up(true);
            return Ok(Arc::clone(&kept.known));
        }
        let former = shard.young.get(user).cloned().or_else(|| shard.old.remove(user)).filter(fits);
        self.metrics.looked_up(former.is_some());
        let known = match former {
            Some(former) if !former.is_behind => former.known,
            former => Arc::new(read(former.as_ref().map(|former| &*former.known))?),
        };
        shard.keep(user, Arc::clone(&known), Self::MOST / Self::SHARDS);
        Ok(known)
    }

    /// More came of a user.
    pub(crate) fn grew(&self, user: &str) {
        let mut shard = self.shard(user).lock().unwrap_or_else(PoisonError::into_inner);
        let Shard { young, old, .. } = &mut *shard;
        if let Some(kept) = young.get_mut(user).or_else(|| old.get_mut(user)) {
            kept.is_behind = true;
        }
    }

    /// What is known of a user is so no more.
    pub(crate) fn forget(&self, user: &str) {
        self.shard(user).lock().unwrap_or_else(PoisonError::into_inner).forget(user);
    }

    /// What is known of many users is so no more.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard::default();
        }
    }

    /// How many there are.
    pub(crate) fn kept(&self) -> usize {
        let of = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(of).sum()
    }

    fn shard(&self, user: &str) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(user) as usize % Self::SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wane::events::EventColumns;

    use super::*;

    /// A log of one user with events of these items at these moments.
    fn log(events: &[(u32, i64)]) -> EventLog {
        EventLog::from_columns(EventColumns {
            users: vec![0; events.len()],
            items: events.iter().map(|event| event.0).collect(),
            times: events.iter().map(|event| Timestamp::from_millis(event.1)).collect(),
            types: vec![EventTypeId(0); events.len()],
            user_names: vec!["u".to_owned()],
            item_names: (0..6).map(|item| format!("i{item}")).collect(),
            event_types: vec!["view".to_owned()],
            ..EventColumns::default()
        })
        .unwrap()
    }

    proptest! {
        /// Whatever comes when, reading on what came since is reading all, in the order of time and then of arrival.
        #[test]
        fn what_has_grown_is_what_would_be_read(
            own in proptest::collection::vec((0u32..6, 0i64..8), 0..6),
            newer in proptest::collection::vec((0u32..8, 0i64..10), 0..12),
            pauses in proptest::collection::vec(any::<bool>(), 12),
            is_known in any::<bool>(),
        ) {
            let log = log(&own);
            let user = is_known.then_some(UserId(0));
            // Items 6 and 7 have no number.
            let arrived: Vec<(i64, StoredEvent)> = (1..).zip(newer.iter().map(|&(item, time)| StoredEvent {
                item: format!("i{item}"),
                event_type: "view".to_owned(),
                time: Timestamp::from_millis(time),
                value: None,
                event_id: None,
            })).collect();
            let between = |from: i64, to: usize| {
                let mut rows: Vec<_> = arrived[..to].iter().filter(|row| row.0 > from).cloned().collect();
                rows.sort_by_key(|row| (row.1.time, row.0));
                let last_arrival = rows.iter().map(|row| row.0).max();
                NewerEvents { events: rows.into_iter().map(|row| row.1).collect(), last_arrival }
            };
            let mut known = Known::of(&log, user, &between(0, 0));
            for to in (0..=arrived.len()).filter(|to| *to == arrived.len() || pauses[*to]) {
                known = known.grown(&log, &between(known.arrival(), to));
                match (&known, &Known::of(&log, user, &between(0, to))) {
                    (Known::InLog(one), Known::InLog(other)) => prop_assert_eq!(one, other),
                    (Known::Newer(one), Known::Newer(other)) => prop_assert_eq!(one, other),
                    other => prop_assert!(false, "{:?}", other),
                }
                let times = known.history(&log).unwrap().times();
                prop_assert!(times.is_sorted());
            }
        }
    }

    #[test]
    fn what_came_since_is_read_at_the_next_question() {
        let histories = Histories::new(Arc::new(Metrics::new()));
        let former = std::cell::Cell::new(None);
        let ask = |user: &str| {
            former.set(None);
            let read = |known: Option<&Known>| {
                former.set(Some(known.is_some()));
                Ok(Known::Newer(Columns { n_items: 1, ..Columns::default() }))
            };
            histories.of(user, 1, read).unwrap();
            former.take()
        };
        histories.grew("u");
        assert_eq!((ask("u"), ask("u")), (Some(false), None));
        histories.grew("u");
        assert_eq!((ask("u"), ask("u")), (Some(true), None));
        histories.grew("u");
        histories.forget("u");
        assert_eq!(ask("u"), Some(false));
    }

    fn known(events: usize) -> Known {
        Known::Newer(Columns {
            items: vec![ItemId(0); events],
            times: vec![Timestamp::from_millis(0); events],
            types: vec![EventTypeId(0); events],
            n_items: 1,
            ..Columns::default()
        })
    }

    #[test]
    fn long_histories_leave_room_for_fewer() {
        let kept = |events: usize| {
            let histories = Histories::new(Arc::new(Metrics::new()));
            let ask = |user: usize| histories.of(&user.to_string(), 1, |_| Ok(known(events))).map(drop);
            (0..20_000).for_each(|user| ask(user).unwrap());
            histories.kept()
        };
        assert_eq!(kept(1), 20_000);
        // Of each age not much more than its bytes, and both ages at most.
        let (least, most) = (Histories::MOST / 13_200, 2 * Histories::MOST / 13_000 + 2 * Histories::SHARDS);
        assert!((least..=most).contains(&kept(1_000)), "{} of {least} to {most}", kept(1_000));
    }

    #[test]
    fn what_is_forgotten_takes_no_room() {
        let histories = Histories::new(Arc::new(Metrics::new()));
        for user in ["a", "b", "a", "a"] {
            histories.of(user, 1, |_| Ok(known(10))).unwrap();
            histories.forget("a");
        }
        histories.forget("b");
        let bytes = |shard: &Mutex<Shard>| shard.lock().unwrap().bytes;
        assert_eq!((histories.kept(), histories.shards.iter().map(bytes).sum::<usize>()), (0, 0));
    }
}
