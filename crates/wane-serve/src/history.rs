//! Histories of users in a model's numbers: what its log knows of them, and what came since.
//!
//! A history is read from the store at the first question and kept until something new is known of the user. At most
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
use crate::store::StoredEvent;

/// A user's events, oldest first; those of one moment in the order of arrival, the model's own before.
#[derive(Debug)]
pub(crate) enum Known {
    /// Those of the model's log and no others, with their sessions.
    InLog(UserId),
    /// Others too.
    Newer(Columns),
}

/// Events as a history borrows them.
#[derive(Debug)]
pub(crate) struct Columns {
    items: Vec<ItemId>,
    times: Vec<Timestamp>,
    types: Vec<EventTypeId>,
    /// Items that had a number when they were read.
    n_items: usize,
    /// Whether an item had none and was left out.
    is_cut: bool,
}

impl Known {
    /// The events of a model's log and newer ones. An item that the model does not know says nothing and is left out, as `wane recommend`
    /// leaves it out; a type that it does not know weighs nothing.
    pub(crate) fn of(log: &EventLog, user: Option<UserId>, newer: &[StoredEvent]) -> Self {
        match user {
            Some(user) if newer.is_empty() => Self::InLog(user),
            _ => Self::Newer(Columns::of(log, user, newer)),
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
    fn of(log: &EventLog, user: Option<UserId>, newer: &[StoredEvent]) -> Self {
        let own = user.map(|user| log.history(user));
        let own =
            own.iter().flat_map(|own| own.iter()).map(|event| (event.time, event.item, event.event_type));
        let types = log.event_types();
        let mut is_cut = false;
        let newer = newer.iter().filter_map(|event| {
            let item = log.items().position(&event.item);
            is_cut |= item.is_none();
            let item = ItemId(item?);
            let kind = types.iter().position(|name| *name == event.event_type).unwrap_or(types.len());
            Some((event.time, item, EventTypeId(u8::try_from(kind).ok()?)))
        });
        let mut rows: Vec<_> = own.chain(newer).collect();
        rows.sort_by_key(|row| row.0);
        Self {
            items: rows.iter().map(|row| row.1).collect(),
            times: rows.iter().map(|row| row.0).collect(),
            types: rows.iter().map(|row| row.2).collect(),
            n_items: log.n_items(),
            is_cut,
        }
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
    young: HashMap<String, Arc<Known>>,
    old: HashMap<String, Arc<Known>>,
    /// Of the young.
    bytes: usize,
}

impl Shard {
    fn keep(&mut self, user: &str, known: Arc<Known>, most: usize) {
        if self.bytes >= most {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += known.bytes(user);
        if let Some(former) = self.young.insert(user.to_owned(), known) {
            self.bytes -= former.bytes(user);
        }
    }

    fn forget(&mut self, user: &str) {
        if let Some(former) = self.young.remove(user) {
            self.bytes -= former.bytes(user);
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

    /// What is known of a user where so many items have numbers, read where it must be. While it is read nothing else can become known
    /// of the user, for whoever writes [forgets](Self::forget) afterwards.
    pub(crate) fn of(
        &self,
        user: &str,
        n_items: usize,
        read: impl FnOnce() -> Result<Known>,
    ) -> Result<Arc<Known>> {
        let mut shard = self.shard(user).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shard.young.get(user).filter(|known| known.is_of(n_items)) {
            self.metrics.looked_up(true);
            return Ok(Arc::clone(known));
        }
        let old = shard.old.remove(user).filter(|known| known.is_of(n_items));
        self.metrics.looked_up(old.is_some());
        let known = match old {
            Some(known) => known,
            None => Arc::new(read()?),
        };
        shard.keep(user, Arc::clone(&known), Self::MOST / Self::SHARDS);
        Ok(known)
    }

    /// Something is new of a user.
    pub(crate) fn forget(&self, user: &str) {
        self.shard(user).lock().unwrap_or_else(PoisonError::into_inner).forget(user);
    }

    /// Something is new of many users.
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
    use super::*;

    fn known(events: usize) -> Known {
        Known::Newer(Columns {
            items: vec![ItemId(0); events],
            times: vec![Timestamp::from_millis(0); events],
            types: vec![EventTypeId(0); events],
            n_items: 1,
            is_cut: false,
        })
    }

    #[test]
    fn long_histories_leave_room_for_fewer() {
        let kept = |events: usize| {
            let histories = Histories::new(Arc::new(Metrics::new()));
            let ask = |user: usize| histories.of(&user.to_string(), 1, || Ok(known(events))).map(drop);
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
            histories.of(user, 1, || Ok(known(10))).unwrap();
            histories.forget("a");
        }
        histories.forget("b");
        let bytes = |shard: &Mutex<Shard>| shard.lock().unwrap().bytes;
        assert_eq!((histories.kept(), histories.shards.iter().map(bytes).sum::<usize>()), (0, 0));
    }
}
