//! Histories of users in a model's numbers: what its log knows of them, and what came since.
//!
//! A history is read from the store at the first question and kept until something new is known of the user. At most
//! twice [`Histories::MOST`] are kept: those that were asked for lately, and those from before that. Items that came after the fit get
//! numbers while a model answers: a history that left one of them out is then read again.

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
}

impl Histories {
    /// Histories of users of one age that are kept.
    pub(crate) const MOST: usize = 100_000;
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
        if shard.young.len() >= Self::MOST / Self::SHARDS {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(user.to_owned(), Arc::clone(&known));
        Ok(known)
    }

    /// Something is new of a user.
    pub(crate) fn forget(&self, user: &str) {
        let mut shard = self.shard(user).lock().unwrap_or_else(PoisonError::into_inner);
        shard.young.remove(user);
        shard.old.remove(user);
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
