//! What is counted while the server runs, in the text form that Prometheus reads. Nothing here names a user or an item.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::models::ServedModel;

/// Upper ends of the times that answers and commits take, in seconds.
const SECONDS: [f64; 14] = [5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
/// Upper ends of the numbers of events of a commit.
const EVENTS: [f64; 6] = [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0];

/// All that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    events: Family<Events, Counter>,
    commits: Histogram,
    commit_events: Histogram,
    pub(crate) erasures: Counter,
    lookups: Family<Lookup, Counter>,
    histories: Gauge,
    counts_behind: Gauge,
    pub(crate) connections: Gauge,
    model: Family<Model, Gauge<f64, AtomicU64>>,
    memory: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Events {
    fate: &'static str,
}

/// What became of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It is kept.
    New,
    /// It was known already.
    Known,
    /// It could not be understood.
    Rejected,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lookup {
    found: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Model {
    name: String,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let new_seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut own = Self {
            registry: Registry::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(new_seconds),
            events: Family::default(),
            commits: new_seconds(),
            commit_events: Histogram::new(EVENTS),
            erasures: Counter::default(),
            lookups: Family::default(),
            histories: Gauge::default(),
            counts_behind: Gauge::default(),
            connections: Gauge::default(),
            model: Family::default(),
            memory: Gauge::default(),
        };
        own.register();
        own
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("wane_requests", "Requests by route and status", self.requests.clone());
        registry.register("wane_request_seconds", "Time from head to answer", self.seconds.clone());
        registry.register("wane_events", "Events that came in, by what became of them", self.events.clone());
        registry.register("wane_commit_seconds", "Time of each commit", self.commits.clone());
        registry.register(
            "wane_commit_events",
            "Events and feedback of each commit",
            self.commit_events.clone(),
        );
        registry.register("wane_erasures", "Users erased", self.erasures.clone());
        registry.register(
            "wane_history_lookups",
            "Histories asked for, by where they were",
            self.lookups.clone(),
        );
        registry.register("wane_histories", "Users' histories in memory", self.histories.clone());
        registry.register(
            "wane_counts_behind",
            "1 while counts of all users may have users who were erased",
            self.counts_behind.clone(),
        );
        registry.register("wane_connections", "Connections that are open", self.connections.clone());
        registry.register("wane_model", "The share of the users whom a model answers", self.model.clone());
        registry.register("process_resident_memory_bytes", "Memory of the process", self.memory.clone());
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &'static str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&Answered { route, status: status.as_u16() }).inc();
        self.seconds.get_or_create(&Route { route }).observe(took.as_secs_f64());
    }

    /// Events came in.
    pub(crate) fn came(&self, fate: Fate, events: usize) {
        let fate = match fate {
            Fate::New => "new",
            Fate::Known => "known",
            Fate::Rejected => "rejected",
        };
        self.events.get_or_create(&Events { fate }).inc_by(events as u64);
    }

    /// Events were written in one commit.
    pub(crate) fn committed(&self, events: usize, took: Duration) {
        self.commits.observe(took.as_secs_f64());
        self.commit_events.observe(events as f64);
    }

    /// A history was asked for.
    pub(crate) fn looked_up(&self, was_in_memory: bool) {
        let found = if was_in_memory { "memory" } else { "disk" };
        self.lookups.get_or_create(&Lookup { found }).inc();
    }

    /// All of it, with what can be seen now.
    pub(crate) fn text(&self, models: &[ServedModel], histories: usize, counts_behind: bool) -> String {
        self.model.clear();
        for served in models {
            self.model.get_or_create(&Model { name: served.model.clone() }).set(served.share);
        }
        self.histories.set(i64::try_from(histories).unwrap_or(i64::MAX));
        self.counts_behind.set(i64::from(counts_behind));
        if let Some(bytes) = resident() {
            self.memory.set(bytes);
        }
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Bytes of memory that the process occupies, where the system says so.
fn resident() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<i64>().ok()?.checked_mul(1_024)
}
