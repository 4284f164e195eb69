//! What came of a load.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::connection::Answer;
use crate::traffic::Kind;

/// Nanoseconds that can be told apart from longer ones: ten minutes.
const LONGEST: u64 = 600_000_000_000;
/// Share of the rate that has to be achieved.
const ENOUGH: f64 = 0.98;

/// Why a request has no good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// The server says that it is none.
    Status(u16),
    /// The connection ended before the answer did.
    Broken,
    /// The answer is no HTTP, or of a form that is not expected.
    Unreadable,
    /// Not answered in time.
    TimedOut,
    /// Not asked: too much was waiting already.
    NotSent,
}

/// Answers to requests of one kind that were due in the measured time.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    /// Nanoseconds from due to answered.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) failures: BTreeMap<Failure, u64>,
    /// Answers that came in the measured time, whenever they were due.
    pub(crate) arrived: u64,
    /// Bytes of bodies.
    pub(crate) bytes: u64,
}

/// What came of one rate.
pub(crate) struct Tally {
    pub(crate) rate: f64,
    /// The measured time.
    window: Range<Instant>,
    pub(crate) recommend: Counts,
    pub(crate) events: Counts,
    /// Nanoseconds from due to sent.
    pub(crate) waited: Histogram<u64>,
    /// Connections that ended and were made anew.
    pub(crate) reopened: u64,
    /// Share of a processor that the load generator took.
    pub(crate) processor: f64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Broken => f.write_str("connection broken"),
            Self::Unreadable => f.write_str("unreadable answer"),
            Self::TimedOut => f.write_str("not answered in time"),
            Self::NotSent => f.write_str("not sent, for 2 s of requests waited"),
        }
    }
}

impl Counts {
    fn new() -> Result<Self> {
        Ok(Self { latencies: histogram()?, failures: BTreeMap::new(), arrived: 0, bytes: 0 })
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    pub(crate) fn total(&self) -> u64 {
        self.latencies.len() + self.failed()
    }

    /// Milliseconds within which a share of the good answers came.
    pub(crate) fn within_ms(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1e6
    }
}

impl Tally {
    pub(crate) fn new(rate: f64, window: Range<Instant>) -> Result<Self> {
        let (recommend, events, waited) = (Counts::new()?, Counts::new()?, histogram()?);
        Ok(Self { rate, window, recommend, events, waited, reopened: 0, processor: 0.0 })
    }

    pub(crate) fn counts(&mut self, kind: Kind) -> &mut Counts {
        match kind {
            Kind::Recommend => &mut self.recommend,
            Kind::Events => &mut self.events,
        }
    }

    /// Both kinds together.
    pub(crate) fn all(&self) -> Counts {
        let mut all = self.recommend.clone();
        // Of the same bounds.
        let _ = all.latencies.add(&self.events.latencies);
        self.events.failures.iter().for_each(|(failure, n)| *all.failures.entry(*failure).or_default() += n);
        all.arrived += self.events.arrived;
        all.bytes += self.events.bytes;
        all
    }

    pub(crate) fn seconds(&self) -> f64 {
        (self.window.end - self.window.start).as_secs_f64()
    }

    /// Good answers per second.
    pub(crate) fn achieved(&self) -> f64 {
        (self.recommend.arrived + self.events.arrived) as f64 / self.seconds()
    }

    /// Whether the server was up to the rate.
    pub(crate) fn holds(&self, limit_ms: f64) -> bool {
        let slowest = self.recommend.within_ms(0.99).max(self.events.within_ms(0.99));
        self.achieved() >= ENOUGH * self.rate && slowest <= limit_ms
    }

    pub(crate) fn sent(&mut self, due: Instant, now: Instant) {
        if self.window.contains(&due) {
            self.waited.saturating_record(nanoseconds(now - due));
        }
    }

    pub(crate) fn answered(&mut self, kind: Kind, due: Instant, now: Instant, answer: Answer) {
        if !(200..300).contains(&answer.status) {
            return self.failed(kind, due, Failure::Status(answer.status));
        }
        let (is_due, has_come) = (self.window.contains(&due), self.window.contains(&now));
        let counts = self.counts(kind);
        counts.arrived += u64::from(has_come);
        if is_due {
            counts.latencies.saturating_record(nanoseconds(now - due));
            counts.bytes += answer.bytes;
        }
    }

    pub(crate) fn failed(&mut self, kind: Kind, due: Instant, failure: Failure) {
        if self.window.contains(&due) {
            *self.counts(kind).failures.entry(failure).or_default() += 1;
        }
    }
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST, 3)?)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
