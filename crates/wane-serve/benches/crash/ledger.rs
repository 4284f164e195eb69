//! What was said to the server, and what it must therefore have.
//!
//! Each request has the moments when it was sent and when its answer came (or the server was killed), on one clock of ticks. One that
//! ended before another was sent came before it; of others nothing is known. From this follows of each event whether it must be there, must not, or
//! may. When a server was read after its start, what it has is what was acknowledged from then on.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// The next tick.
pub(crate) fn tick() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(1);
    TICKS.fetch_add(1, Ordering::SeqCst)
}

/// An event as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) user: String,
    pub(crate) item: String,
    pub(crate) kind: String,
    /// None: that of arrival.
    pub(crate) time: Option<String>,
    pub(crate) value: Option<f32>,
    pub(crate) id: Option<String>,
}

/// By what an event is known again: its id, else its number, else what was done to which item, which is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Id(String),
    Number(u32),
    Plain(String),
}

/// A request and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) what: What,
    pub(crate) sent: u64,
    pub(crate) ended: u64,
    /// The answer, where one came.
    pub(crate) answer: Option<Value>,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Append(Vec<Event>),
    Erase(String),
    /// An item is called by a number, or taken out.
    Say(String, Option<u32>),
}

/// What was said of an item, in the order in which one connection said it.
#[derive(Debug, Clone, Copy)]
struct Said {
    number: Option<u32>,
    acknowledged: bool,
}

/// One sending of one event.
#[derive(Debug, Clone)]
struct Sent {
    event: Event,
    sent: u64,
    ended: u64,
    acknowledged: bool,
    /// Its place among all that was sent by one connection.
    rank: u64,
}

#[derive(Debug, Clone, Copy)]
struct Erasure {
    sent: u64,
    ended: u64,
    acknowledged: bool,
}

/// Whether the server remembers that a user was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Marked {
    #[default]
    No,
    Yes,
    Unknown,
}

/// What was said of one user.
#[derive(Debug, Default)]
pub(crate) struct User {
    sendings: HashMap<Key, Vec<Sent>>,
    erasures: Vec<Erasure>,
    pub(crate) marked: Marked,
    /// Whether the server said that no file has the erased user's bytes.
    bytes_are_gone: bool,
    /// Something was sent since the server was last read.
    pub(crate) is_touched: bool,
}

/// All users.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) users: HashMap<String, User>,
    items: HashMap<String, Vec<Said>>,
    ranks: u64,
    /// Events that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Events that were sent.
    pub(crate) sent: u64,
    /// Erasures that were acknowledged.
    pub(crate) erasures: u64,
    /// Words about items that were acknowledged.
    pub(crate) words: u64,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        let mut written = json!({"user_id": self.user, "item_id": self.item, "event_type": self.kind});
        if let Some(time) = &self.time {
            written["time"] = time.as_str().into();
        }
        if let Some(value) = self.value {
            written["value"] = value.into();
        }
        if let Some(id) = &self.id {
            written["event_id"] = id.as_str().into();
        }
        written
    }

    /// An event as the server tells it.
    pub(crate) fn told(user: &str, told: &Value) -> Self {
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        Self {
            user: user.to_owned(),
            item: text("item_id"),
            kind: text("event_type"),
            time: Some(text("time")),
            value: told["value"].as_f64().map(|value| value as f32),
            id: told["event_id"].as_str().map(str::to_owned),
        }
    }

    fn key(&self) -> Key {
        match (&self.id, self.value) {
            (Some(id), _) => Key::Id(id.clone()),
            // Numbers are whole and below 2^24, which an f32 holds.
            (None, Some(number)) => Key::Number(number as u32),
            (None, None) => Key::Plain(format!("{} {}", self.kind, self.item)),
        }
    }

    fn is_as_sent(&self, sent: &Self) -> bool {
        (&self.item, &self.kind, self.value, &self.id) == (&sent.item, &sent.kind, sent.value, &sent.id)
            && (sent.time.is_none() || sent.time == self.time)
    }
}

impl Ledger {
    /// Notes what one connection did, in its order; what was answered against what must have been.
    pub(crate) fn note(&mut self, deeds: Vec<Deed>, is_private: impl Fn(&str) -> bool) -> Result<(), String> {
        // A private user is written by one connection, so how many events were known before is known.
        let mut ids: HashMap<String, HashSet<String>> = HashMap::new();
        for deed in deeds {
            match &deed.what {
                What::Append(events) => {
                    self.check_answer(&deed, events, &mut ids, &is_private)?;
                    self.note_events(events, &deed);
                }
                What::Erase(user) => {
                    ids.insert(user.clone(), HashSet::new());
                    self.note_erasure(user, &deed)?;
                }
                What::Say(item, number) => {
                    let acknowledged = deed.answer.is_some();
                    self.words += u64::from(acknowledged);
                    self.items.entry(item.clone()).or_default().push(Said { number: *number, acknowledged });
                }
            }
        }
        Ok(())
    }

    fn check_answer(
        &self,
        deed: &Deed,
        events: &[Event],
        ids: &mut HashMap<String, HashSet<String>>,
        is_private: &impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        let mut known = 0;
        for event in events.iter().filter(|event| is_private(&event.user)) {
            let own = ids.entry(event.user.clone()).or_insert_with(|| self.ids(&event.user));
            let Some(id) = &event.id else { continue };
            known += usize::from(!own.insert(id.clone()));
        }
        let Some(answer) = &deed.answer else { return Ok(()) };
        let is_exact = events.iter().all(|event| is_private(&event.user));
        if answer["accepted"] != events.len() || (is_exact && answer["known"] != known) {
            return Err(format!(
                "{} events, of them {known} known, were answered {answer}: {events:?}",
                events.len()
            ));
        }
        Ok(())
    }

    fn ids(&self, user: &str) -> HashSet<String> {
        let id = |key: &Key| if let Key::Id(id) = key { Some(id.clone()) } else { None };
        self.users.get(user).map(|own| own.sendings.keys().filter_map(id).collect()).unwrap_or_default()
    }

    fn note_events(&mut self, events: &[Event], deed: &Deed) {
        self.sent += events.len() as u64;
        if deed.answer.is_some() {
            self.acknowledged += events.len() as u64;
        }
        for event in events {
            self.ranks += 1;
            let user = self.users.entry(event.user.clone()).or_default();
            user.is_touched = true;
            user.sendings.entry(event.key()).or_default().push(Sent {
                event: event.clone(),
                sent: deed.sent,
                ended: deed.ended,
                acknowledged: deed.answer.is_some(),
                rank: self.ranks,
            });
        }
    }

    fn note_erasure(&mut self, user: &str, deed: &Deed) -> Result<(), String> {
        let own = self.users.entry(user.to_owned()).or_default();
        let acknowledged = deed.answer.is_some();
        own.is_touched = true;
        let erasure = Erasure { sent: deed.sent, ended: deed.ended, acknowledged };
        if let Some(answer) = &deed.answer {
            let (least, most) = own.bounds();
            let gone = answer["events"].as_u64().unwrap_or(u64::MAX) as usize;
            if !(least..=most).contains(&gone) {
                return Err(format!(
                    "{user}: {gone} events were erased, expected {least} to {most}: {answer}"
                ));
            }
        }
        own.bytes_are_gone = deed.answer.as_ref().is_some_and(|answer| answer["bytes_are_gone"] == true);
        own.erasures.push(erasure);
        own.marked = match own.marked {
            _ if acknowledged => Marked::Yes,
            Marked::No => Marked::Unknown,
            before => before,
        };
        self.erasures += u64::from(acknowledged);
        Ok(())
    }

    /// Items of which something was said.
    pub(crate) fn items(&self) -> Vec<String> {
        self.items.keys().cloned().collect()
    }

    /// Holds what a server has of an item, the number or nothing, against the ledger: it is what was acknowledged last, or said after that.
    pub(crate) fn check_item(&mut self, item: &str, told: Option<u32>) -> Result<(), String> {
        let said = self.items.entry(item.to_owned()).or_default();
        let acknowledged = said.iter().rposition(|said| said.acknowledged);
        let is_said = said[acknowledged.unwrap_or(0)..].iter().any(|said| said.number == told);
        if !is_said && (told.is_some() || acknowledged.is_some()) {
            return Err(format!("{item}: the server has {told:?}, said was {said:?}"));
        }
        *said = vec![Said { number: told, acknowledged: true }];
        Ok(())
    }

    /// Holds what a server has of a user against the ledger, and takes it for what is known from now on.
    pub(crate) fn check(&mut self, user: &str, told: &[Event], is_private: bool) -> Result<(), String> {
        let own = self.users.entry(user.to_owned()).or_default();
        own.check(told, is_private).map_err(|violation| {
            format!("{user}: {violation}\nthe server has {told:#?}\nthe ledger has {own:#?}")
        })?;
        own.settle(told, &mut self.ranks);
        Ok(())
    }
}

impl User {
    /// Whether nothing may be there of the user any more, in no file.
    pub(crate) fn is_gone(&self) -> bool {
        self.bytes_are_gone && self.bounds() == (0, 0)
    }

    /// How many events must be there, and how many may.
    fn bounds(&self) -> (usize, usize) {
        let mut bounds = (0, 0);
        for (key, sendings) in &self.sendings {
            let (least, most) = self.count(key, sendings);
            bounds = (bounds.0 + least, bounds.1 + most);
        }
        bounds
    }

    /// How often an event must and may be there: one with an id or a number once at most.
    fn count(&self, key: &Key, sendings: &[Sent]) -> (usize, usize) {
        let least = sendings.iter().filter(|sent| self.must_be_there(sent)).count();
        let most = sendings.iter().filter(|sent| !self.must_be_gone(sent)).count();
        if matches!(key, Key::Plain(_)) { (least, most) } else { (least.min(1), most.min(1)) }
    }

    fn must_be_there(&self, sent: &Sent) -> bool {
        sent.acknowledged && self.erasures.iter().all(|erasure| erasure.ended < sent.sent)
    }

    fn must_be_gone(&self, sent: &Sent) -> bool {
        self.erasures.iter().any(|erasure| erasure.acknowledged && sent.ended < erasure.sent)
    }

    fn check(&self, told: &[Event], is_private: bool) -> Result<(), String> {
        let mut counts: HashMap<Key, usize> = HashMap::new();
        for event in told {
            let key = event.key();
            let sendings = self.sendings.get(&key).map(Vec::as_slice).unwrap_or_default();
            if !sendings.iter().any(|sent| event.is_as_sent(&sent.event) && !self.must_be_gone(sent)) {
                return Err(format!("is there, but was never sent so, or was erased: {event:?}"));
            }
            *counts.entry(key).or_default() += 1;
        }
        for (key, sendings) in &self.sendings {
            let ((least, most), found) = (self.count(key, sendings), counts.get(key).copied().unwrap_or(0));
            if !(least..=most).contains(&found) {
                return Err(format!(
                    "{key:?} is there {found} times, expected {least} to {most}: {sendings:?}"
                ));
            }
        }
        self.check_erasures(&counts)?;
        if is_private { self.check_order(told) } else { Ok(()) }
    }

    /// An erasure that was not acknowledged took all or nothing.
    fn check_erasures(&self, counts: &HashMap<Key, usize>) -> Result<(), String> {
        for erasure in self.erasures.iter().filter(|erasure| !erasure.acknowledged) {
            let before =
                |sent: &&Sent| sent.acknowledged && sent.ended < erasure.sent && !self.must_be_gone(sent);
            let is_alone = |sendings: &[Sent]| sendings.iter().all(|sent| sent.ended < erasure.sent);
            let fates: HashSet<bool> = self
                .sendings
                .iter()
                .filter(|(_, sendings)| is_alone(sendings) && sendings.iter().any(|sent| before(&sent)))
                .map(|(key, _)| counts.contains_key(key))
                .collect();
            if fates.len() > 1 {
                return Err(format!("{erasure:?} took a part"));
            }
        }
        Ok(())
    }

    /// By time, and events of one moment as they arrived.
    fn check_order(&self, told: &[Event]) -> Result<(), String> {
        let first = |event: &Event| {
            let sendings = self.sendings.get(&event.key()).into_iter().flatten();
            sendings.filter(|sent| !self.must_be_gone(sent)).map(|sent| sent.rank).min()
        };
        for pair in told.windows(2) {
            let is_plain = pair.iter().any(|event| matches!(event.key(), Key::Plain(_)));
            let (one, other) = (sortable(&pair[0]), sortable(&pair[1]));
            if one > other || (one == other && !is_plain && first(&pair[0]) > first(&pair[1])) {
                return Err(format!("stand in the wrong order: {pair:?}"));
            }
        }
        Ok(())
    }

    /// What is there is what was acknowledged.
    fn settle(&mut self, told: &[Event], ranks: &mut u64) {
        let now = tick();
        if self.marked == Marked::Unknown && told.is_empty() && self.bounds().1 > 0 && self.must_have_had() {
            self.marked = Marked::Yes;
            // A start sees to it.
            self.bytes_are_gone = true;
        }
        self.sendings.clear();
        self.erasures.clear();
        self.is_touched = false;
        for event in told {
            *ranks += 1;
            let kept = Sent { event: event.clone(), sent: now, ended: now, acknowledged: true, rank: *ranks };
            self.sendings.entry(event.key()).or_default().push(kept);
        }
    }

    /// Whether something would be there if no erasure had come that was not acknowledged.
    fn must_have_had(&self) -> bool {
        let mut sendings = self.sendings.values().flatten();
        sendings.any(|sent| sent.acknowledged && !self.must_be_gone(sent))
    }
}

/// RFC 3339 with and without milliseconds, so that texts compare as moments.
fn sortable(event: &Event) -> String {
    let time = event.time.as_deref().unwrap_or_default().trim_end_matches('Z');
    if time.contains('.') { time.to_owned() } else { format!("{time}.000") }
}
