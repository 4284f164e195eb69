//! One connection under load, until the server is killed.

use serde_json::Value;

use super::http::Connection;
use super::ledger::{Deed, Event, What, tick};
use super::random::Random;

/// Users that one connection alone writes.
const PRIVATE: usize = 10;
/// Items that one connection alone tells of. No model knows them, and no list has them.
const THINGS: usize = 4;
/// Users that all connections write.
const SHARED: usize = 6;
/// Whole numbers that an f32 tells apart.
const NUMBERS: u32 = 1 << 24;

/// What there is to write about.
#[derive(Debug, Clone)]
pub(crate) struct World {
    /// Users of the model's log.
    pub(crate) users: Vec<String>,
    pub(crate) items: Vec<String>,
    pub(crate) kinds: Vec<String>,
    /// Of the last days.
    pub(crate) moments: Vec<String>,
}

/// One connection's part of the load. It outlives the server.
#[derive(Debug)]
pub(crate) struct Worker {
    place: usize,
    random: Random,
    numbers: u32,
    /// Requests that can be sent again: all their events have ids.
    again: Vec<Vec<Event>>,
    /// Those that were not answered when the server was killed.
    unanswered: Vec<Vec<Event>>,
    /// Users who came once.
    visitors: Vec<String>,
}

impl Worker {
    pub(crate) fn new(place: usize, seed: u64) -> Self {
        Self {
            place,
            random: Random::new(seed, 100 + place as u64),
            numbers: 0,
            again: Vec::new(),
            unanswered: Vec::new(),
            visitors: Vec::new(),
        }
    }

    /// Whether a user is written by one connection alone.
    pub(crate) fn is_private(user: &str) -> bool {
        !user.starts_with("shared")
    }

    /// A new folder knows nothing of what was sent before.
    pub(crate) fn forget(&mut self) {
        self.again.clear();
        self.unanswered.clear();
        self.visitors.clear();
        self.numbers = 0;
    }

    /// Asks until an error comes, which is the kill; what was done, or an answer that should not have been.
    pub(crate) fn run(
        &mut self,
        world: &World,
        round: usize,
        erases: bool,
        address: &str,
    ) -> Result<Vec<Deed>, String> {
        let mut deeds = Vec::new();
        let Ok(mut connection) = Connection::open(address) else { return Ok(deeds) };
        let mut first = std::mem::take(&mut self.unanswered);
        for step in 0.. {
            let what = match first.pop() {
                Some(events) => What::Append(events),
                None => self.choose(world, &format!("{round}-{step}"), erases),
            };
            if !self.act(what, &mut connection, &mut deeds)? {
                break;
            }
            if self.random.percent(5) && read(&mut connection, self.user(world))?.is_none() {
                break;
            }
        }
        // A client would send again what was left over, too.
        self.unanswered.append(&mut first);
        Ok(deeds)
    }

    /// Does one thing; false where the server is gone.
    fn act(
        &mut self,
        what: What,
        connection: &mut Connection,
        deeds: &mut Vec<Deed>,
    ) -> Result<bool, String> {
        let sent = tick();
        let answer = match &what {
            What::Append(events) => self.send(events, connection),
            What::Erase(user) => connection.ask("DELETE", &format!("/v1/users/{user}"), "", ""),
            What::Say(item, None) => connection.ask("DELETE", &format!("/v1/items/{item}"), "", ""),
            What::Say(item, Some(number)) => {
                let said = format!("{{\"title\":\"{number}\",\"available\":false}}");
                connection.ask("PUT", &format!("/v1/items/{item}"), "application/json", &said)
            }
        };
        let answer = match answer {
            Ok((200..=202, body)) => {
                Some(serde_json::from_str::<Value>(&body).map_err(|error| error.to_string())?)
            }
            Ok((status, body)) => return Err(format!("{what:?} was answered {status}: {body}")),
            Err(_) => None,
        };
        let is_answered = answer.is_some();
        if let What::Append(events) = &what
            && events.iter().all(|event| event.id.is_some())
        {
            let place = if is_answered { &mut self.again } else { &mut self.unanswered };
            place.push(events.clone());
        }
        deeds.push(Deed { what, sent, ended: tick(), answer });
        Ok(is_answered)
    }

    fn send(&mut self, events: &[Event], connection: &mut Connection) -> std::io::Result<(u16, String)> {
        let written: Vec<Value> = events.iter().map(Event::json).collect();
        if let [one] = &written[..] {
            return connection.ask("POST", "/v1/events", "application/json", &one.to_string());
        }
        if self.random.percent(60) {
            return connection.ask(
                "POST",
                "/v1/events",
                "application/json",
                &Value::Array(written).to_string(),
            );
        }
        let lines: Vec<String> = written.iter().map(Value::to_string).collect();
        connection.ask("POST", "/v1/events", "application/x-ndjson", &lines.join("\n"))
    }

    fn choose(&mut self, world: &World, name: &str, erases: bool) -> What {
        if self.random.percent(if erases { 50 } else { 4 }) {
            let visitor = if self.random.percent(60) { self.visitors.pop() } else { None };
            return What::Erase(visitor.unwrap_or_else(|| self.user(world)));
        }
        if self.random.percent(4) {
            let item = format!("thing-{}-{}", self.place, self.random.below(THINGS));
            self.numbers = (self.numbers + 1) % NUMBERS;
            let number = self.numbers;
            return What::Say(item, self.random.percent(80).then_some(number));
        }
        if self.random.percent(if erases { 50 } else { 3 }) {
            return What::Append(self.visit(world, name));
        }
        if !self.again.is_empty() && self.random.percent(12) {
            return What::Append(self.random.of(&self.again).clone());
        }
        if self.random.percent(8) {
            return What::Append(self.shared(world, name));
        }
        let count = match self.random.below(100) {
            0..55 => 1,
            55..98 => 2 + self.random.below(40),
            _ => 1_500,
        };
        let has_ids = self.random.percent(60);
        let mut events: Vec<Event> = (0..count).map(|n| self.event(world, &format!("{name}-{n}"))).collect();
        for event in events.iter_mut().filter(|_| !has_ids) {
            event.id = None;
            self.numbers = (self.numbers + 1) % NUMBERS;
            // Every other one has nothing that it could be told apart by.
            event.value = self.random.percent(50).then_some(self.numbers as f32);
        }
        // An id twice in one request.
        if has_ids && count > 1 && self.random.percent(20) {
            events.push(events[0].clone());
        }
        What::Append(events)
    }

    /// A user who comes once, is erased some time, and then stands in no file: nothing has a name that begins so.
    fn visit(&mut self, world: &World, name: &str) -> Vec<Event> {
        let user = format!("gone-for-good-{}-{name}-", self.place);
        self.visitors.push(user.clone());
        let count = 1 + self.random.below(3);
        let event = |n: usize| Event {
            user: user.clone(),
            id: None,
            value: None,
            ..self.event(world, &n.to_string())
        };
        (0..count).map(event).collect()
    }

    /// Events of users whom all write, with ids that all use.
    fn shared(&mut self, world: &World, name: &str) -> Vec<Event> {
        let round = name.split('-').next().unwrap_or_default();
        let count = 1 + self.random.below(8);
        let one = |random: &mut Random| {
            let (user, id) = (random.below(SHARED), random.below(40));
            (format!("shared{user}"), format!("shared-{round}-{id}"))
        };
        (0..count)
            .map(|_| {
                let (user, id) = one(&mut self.random);
                Event { user, id: Some(id), ..self.event(world, "") }
            })
            .collect()
    }

    fn event(&mut self, world: &World, name: &str) -> Event {
        let user = self.user(world);
        let random = &mut self.random;
        Event {
            user,
            item: random.of(&world.items).clone(),
            kind: random.of(&world.kinds).clone(),
            // Few moments, so that the order of arrival has something to say.
            time: random.percent(60).then(|| random.of(&world.moments).clone()),
            value: None,
            id: Some(format!("{}-{name}", self.place)),
        }
    }

    /// A user of this connection's own: every other one is of the model's log.
    fn user(&mut self, world: &World) -> String {
        let n = self.random.below(PRIVATE);
        let place = self.place * PRIVATE + n;
        if n.is_multiple_of(2) {
            world.users[place % world.users.len()].clone()
        } else {
            format!("new{place}")
        }
    }
}

/// Reads meanwhile: answers must be right ones. None where the server is gone.
fn read(connection: &mut Connection, user: String) -> Result<Option<()>, String> {
    let asked = format!("{{\"user_id\":\"{user}\",\"k\":5}}");
    match connection.ask("POST", "/v1/recommend", "application/json", &asked) {
        Ok((200, _)) => Ok(Some(())),
        Ok((status, body)) => Err(format!("a question was answered {status}: {body}")),
        Err(_) => Ok(None),
    }
}
