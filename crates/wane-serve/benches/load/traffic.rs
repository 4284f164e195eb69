//! What is asked: requests as they go over the wire.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use serde_json::Value;
use wane::artifact::Artifact;
use wane::events::Vocab;
use wane::events::read::{ReadOptions, read_events};

use crate::options::{Draw, Mix, Options};

/// Requests of users whom the model does not know.
const STRANGERS: f64 = 0.05;
/// Strangers that there are; they come again.
const STRANGER_NAMES: u32 = 100_000;
/// Sessions that go on at the same time.
const AT_ONCE: usize = 256;

/// Kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Recommend,
    Events,
}

/// An endless sequence of requests.
pub(crate) struct Traffic {
    head: Head,
    source: Source,
    random: StdRng,
}

enum Source {
    Shop(Shop),
    Visits(Visits),
}

/// What all requests have in common.
struct Head {
    host: String,
    /// Of a list's question, behind whose it is: `"k":20,…}`.
    asked: String,
    /// Tells this run's ids from those of others.
    run: String,
}

/// Users and items of a model.
struct Shop {
    users: Names,
    items: Names,
    types: Vec<String>,
    mix: Mix,
    events: u64,
}

struct Names {
    names: Arc<Vocab>,
    zipf: Option<Zipf<f64>>,
}

/// Sessions of a log.
struct Visits {
    /// Items of each.
    sessions: Vec<Vec<String>>,
    open: Vec<Visit>,
    turn: usize,
    begun: usize,
    for_serenade: bool,
}

/// A session that goes on.
#[derive(Default)]
struct Visit {
    /// How many were begun before it.
    number: usize,
    place: usize,
    /// What happened so far, as JSON without brackets.
    events: String,
}

impl Traffic {
    /// Reads what the options name.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let source = match (&options.model, &options.sessions) {
            (Some(model), _) => Source::Shop(Shop::read(model, options)?),
            (None, Some(log)) => Source::Visits(Visits::read(log, options.serenade)?),
            (None, None) => bail!("expected --model or --sessions"),
        };
        let as_of = options.as_of.as_ref().map(|time| format!(",\"as_of\":{}", json_text(time)));
        let Options { k, explain, .. } = options;
        let asked = format!("\"k\":{k},\"explain\":{explain}{}}}", as_of.unwrap_or_default());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let head = Head { host: options.address.to_string(), asked, run: format!("{:x}", since.as_millis()) };
        Ok(Self { head, source, random: StdRng::seed_from_u64(options.seed) })
    }

    /// What the next request is about.
    pub(crate) fn kind(&mut self) -> Kind {
        match &self.source {
            Source::Shop(shop) if self.random.random_bool(shop.mix.events) => Kind::Events,
            _ => Kind::Recommend,
        }
    }

    /// The next request of a kind.
    pub(crate) fn request(&mut self, kind: Kind) -> String {
        match (&mut self.source, kind) {
            (Source::Shop(shop), Kind::Recommend) => shop.recommend(&self.head, &mut self.random),
            (Source::Shop(shop), Kind::Events) => shop.event(&self.head, &mut self.random),
            (Source::Visits(visits), _) => visits.next(&self.head),
        }
    }

    /// In words.
    pub(crate) fn describe(&self, options: &Options) -> String {
        let explained = if options.explain { "with reasons" } else { "without reasons" };
        match &self.source {
            Source::Shop(shop) => format!(
                "{:.0} % lists of {} {explained}, {:.0} % events one by one; {} users and {} items drawn {}, {:.0} % strangers",
                100.0 * (1.0 - shop.mix.events),
                options.k,
                100.0 * shop.mix.events,
                shop.users.names.len(),
                shop.items.names.len(),
                if options.draw == Draw::Zipf { "by Zipf's law" } else { "uniformly" },
                100.0 * STRANGERS,
            ),
            Source::Visits(visits) if visits.for_serenade => {
                format!("Serenade: {} sessions, {} by turns", visits.sessions.len(), visits.open.len())
            }
            Source::Visits(visits) => format!(
                "lists of {} {explained} for {} sessions, {} by turns",
                options.k,
                visits.sessions.len(),
                visits.open.len()
            ),
        }
    }
}

impl Head {
    fn post(&self, path: &str, body: &str) -> String {
        let (host, length) = (&self.host, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }

    fn get(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host)
    }
}

impl Shop {
    /// Of the model only the names are kept.
    fn read(folder: &Path, options: &Options) -> Result<Self> {
        let log = Artifact::load(folder)?.log;
        ensure!(log.n_users() > 0 && log.n_items() > 0, "{}: the model has no users", folder.display());
        Ok(Self {
            users: Names::new(log.users(), options.draw)?,
            items: Names::new(log.items(), options.draw)?,
            types: log.event_types().iter().map(|name| json_text(name)).collect(),
            mix: options.mix,
            events: 0,
        })
    }

    fn recommend(&self, head: &Head, random: &mut StdRng) -> String {
        head.post("/v1/recommend", &format!("{{\"user_id\":{},{}", self.user(random), head.asked))
    }

    fn event(&mut self, head: &Head, random: &mut StdRng) -> String {
        self.events += 1;
        let (user, item) = (self.user(random), json_text(self.items.draw(random)));
        let kind = &self.types[random.random_range(0..self.types.len())];
        let (run, number) = (&head.run, self.events);
        let body = format!(
            "{{\"user_id\":{user},\"item_id\":{item},\"event_type\":{kind},\"event_id\":\"{run}-{number}\"}}"
        );
        head.post("/v1/events", &body)
    }

    fn user(&self, random: &mut StdRng) -> String {
        if random.random_bool(STRANGERS) {
            format!("\"stranger-{}\"", random.random_range(0..STRANGER_NAMES))
        } else {
            json_text(self.users.draw(random))
        }
    }
}

impl Names {
    fn new(names: &Arc<Vocab>, draw: Draw) -> Result<Self> {
        let zipf = (draw == Draw::Zipf).then(|| Zipf::new(names.len() as f64, 1.0)).transpose()?;
        Ok(Self { names: Arc::clone(names), zipf })
    }

    fn draw(&self, random: &mut StdRng) -> &str {
        let place = match &self.zipf {
            Some(zipf) => zipf.sample(random) as usize - 1,
            None => random.random_range(0..self.names.len()),
        };
        self.names.name(place.min(self.names.len() - 1))
    }
}

impl Visits {
    fn read(path: &Path, for_serenade: bool) -> Result<Self> {
        let (log, _) = read_events(&[path.to_owned()], &ReadOptions::default())?;
        let mut sessions: Vec<Vec<String>> = Vec::new();
        for (_, history) in log.histories() {
            let names = |range: std::ops::Range<usize>| -> Vec<String> {
                history.items()[range].iter().map(|item| log.items().name(item.index()).to_owned()).collect()
            };
            if history.sessions().is_some() {
                sessions.extend(history.baskets().map(names));
            } else {
                sessions.push(names(0..history.len()));
            }
        }
        sessions.retain(|session| !session.is_empty());
        ensure!(!sessions.is_empty(), "{}: no events", path.display());
        if for_serenade {
            let mut items = sessions.iter().flatten();
            let other = items.find(|item| item.parse::<u64>().is_err());
            other.map_or(Ok(()), Err).map_err(|item| anyhow!("{item}: Serenade's items are numbers"))?;
        }
        let open = Vec::with_capacity(AT_ONCE);
        let mut visits = Self { sessions, open, turn: 0, begun: 0, for_serenade };
        for _ in 0..AT_ONCE.min(visits.sessions.len()) {
            let visit = visits.begin();
            visits.open.push(visit);
        }
        Ok(visits)
    }

    fn begin(&mut self) -> Visit {
        self.begun += 1;
        Visit { number: self.begun - 1, ..Visit::default() }
    }

    fn next(&mut self, head: &Head) -> String {
        self.turn = (self.turn + 1) % self.open.len();
        let visit = &mut self.open[self.turn];
        let session = &self.sessions[visit.number % self.sessions.len()];
        let item = &session[visit.place];
        visit.place += 1;
        let request = if self.for_serenade {
            let (run, number) = (&head.run, visit.number);
            head.get(&format!("/v1/recommend?session_id={run}-{number}&user_consent=true&item_id={item}"))
        } else {
            let comma = if visit.place > 1 { "," } else { "" };
            let _ = write!(visit.events, "{comma}{{\"item_id\":{}}}", json_text(item));
            head.post("/v1/recommend", &format!("{{\"session\":[{}],{}", visit.events, head.asked))
        };
        if visit.place == session.len() {
            self.open[self.turn] = self.begin();
        }
        request
    }
}

fn json_text(text: &str) -> String {
    Value::from(text).to_string()
}
