//! The open loop.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::Exp1;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use crate::connection::{Asked, Connection};
use crate::options::{Arrivals, Options};
use crate::tally::{Failure, Tally};
use crate::traffic::Traffic;

/// Seconds of requests that may wait.
const BACKLOG: f64 = 2.0;
/// How long an answer may take from when it was due: longer than the server gives itself.
const PATIENCE: Duration = Duration::from_secs(15);
/// How soon a connection that could not be made is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// How long may pass before the next look at what is late, or ended without being asked.
const GLANCE: Duration = Duration::from_millis(100);
/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// Asks at a rate until the time is over and all is answered or given up.
///
/// # Errors
/// When nobody listens.
pub(crate) fn run(options: &Options, rate: f64, traffic: &mut Traffic) -> Result<Tally> {
    // Else the system may wake this thread some 50 us late, and each latency has it.
    #[cfg(target_os = "linux")]
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let mut load = Load::new(options, rate, traffic)?;
    let (begun, before) = (Instant::now(), processor_seconds());
    while !load.is_over() {
        load.take_due();
        load.send();
        let ready = load.wait()?;
        load.receive(&ready);
        load.give_up();
        load.reopen();
    }
    let mut tally = load.tally;
    tally.processor = (processor_seconds() - before) / begun.elapsed().as_secs_f64();
    Ok(tally)
}

struct Load<'a> {
    options: &'a Options,
    traffic: &'a mut Traffic,
    schedule: Schedule,
    /// What is due and not sent, oldest first.
    backlog: VecDeque<Asked>,
    most: usize,
    connections: Vec<Slot>,
    /// Free connections, that which was free longest first: so none is idle until the server closes it.
    free: VecDeque<usize>,
    /// When free connections are looked at next.
    glance: Instant,
    buffer: Vec<u8>,
    tally: Tally,
}

/// A connection, or when to try again.
enum Slot {
    Open(Connection),
    Down(Instant),
}

/// Moments at which requests are due.
struct Schedule {
    start: Instant,
    rate: f64,
    /// Seconds from the start.
    next: f64,
    end: f64,
    random: Option<StdRng>,
}

impl Schedule {
    fn next(&self) -> Option<Instant> {
        (self.next < self.end).then(|| self.start + Duration::from_secs_f64(self.next))
    }

    fn advance(&mut self) {
        let gap: f64 = self.random.as_mut().map_or(1.0, |random| random.sample(Exp1));
        self.next += gap / self.rate;
    }
}

impl<'a> Load<'a> {
    fn new(options: &'a Options, rate: f64, traffic: &'a mut Traffic) -> Result<Self> {
        let open = || Connection::open(options.address).map(Slot::Open);
        let connections = (0..options.connections).map(|_| open()).collect::<std::io::Result<Vec<_>>>();
        let connections = connections.with_context(|| format!("nobody listens at {}", options.address))?;
        let start = Instant::now();
        let after = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let end = options.warm_up + options.seconds;
        let random = (options.arrivals == Arrivals::Poisson)
            .then(|| StdRng::seed_from_u64(options.seed.wrapping_add(1)));
        Ok(Self {
            options,
            traffic,
            schedule: Schedule { start, rate, next: 0.0, end, random },
            backlog: VecDeque::new(),
            most: (BACKLOG * rate).ceil() as usize,
            free: (0..connections.len()).collect(),
            connections,
            glance: start,
            buffer: vec![0; BUFFER],
            tally: Tally::new(rate, after(options.warm_up)..after(end))?,
        })
    }

    fn is_over(&self) -> bool {
        let is_busy = |slot: &Slot| matches!(slot, Slot::Open(own) if own.asked.is_some());
        self.schedule.next().is_none() && self.backlog.is_empty() && !self.connections.iter().any(is_busy)
    }

    fn take_due(&mut self) {
        let now = Instant::now();
        while let Some(due) = self.schedule.next().filter(|due| *due <= now) {
            self.schedule.advance();
            let kind = self.traffic.kind();
            if self.backlog.len() < self.most {
                self.backlog.push_back(Asked { kind, due });
            } else {
                self.tally.failed(kind, due, Failure::NotSent);
            }
        }
    }

    fn send(&mut self) {
        while let Some(place) = self.free.front().copied().filter(|_| !self.backlog.is_empty()) {
            self.free.pop_front();
            let (Slot::Open(connection), Some(asked)) =
                (&mut self.connections[place], self.backlog.pop_front())
            else {
                continue;
            };
            let request = self.traffic.request(asked.kind);
            self.tally.sent(asked.due, Instant::now());
            if let Err(failure) = connection.ask(request, asked) {
                self.close(place, failure);
            }
        }
    }

    /// Waits until an answer comes or something is due; which connections are ready. Of free ones, which may be many and can only end, that
    /// is asked at times: each that the system has to look at makes the look longer.
    fn wait(&mut self) -> Result<Vec<usize>> {
        let now = Instant::now();
        let with_free = now >= self.glance;
        if with_free {
            self.glance = now + GLANCE;
        }
        let (mut places, mut polled) = (Vec::new(), Vec::new());
        for (place, slot) in self.connections.iter().enumerate() {
            if let Slot::Open(connection) = slot
                && (with_free || connection.asked.is_some())
            {
                let sending = if connection.is_sending() { PollFlags::OUT } else { PollFlags::empty() };
                places.push(place);
                polled.push(PollFd::new(&connection.stream, PollFlags::IN | sending));
            }
        }
        let due = self.schedule.next().map_or(GLANCE, |due| due.saturating_duration_since(now));
        match poll(&mut polled, Some(&Timespec::try_from(due.min(GLANCE))?)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready = places.into_iter().zip(&polled).filter(|(_, own)| !own.revents().is_empty());
        Ok(ready.map(|(place, _)| place).collect())
    }

    fn receive(&mut self, ready: &[usize]) {
        for &place in ready {
            let Slot::Open(connection) = &mut self.connections[place] else { continue };
            let asked = connection.asked;
            let received = connection.send().and_then(|()| connection.receive(&mut self.buffer));
            match (received, asked) {
                (Ok(Some(answer)), Some(Asked { kind, due })) => {
                    self.tally.answered(kind, due, Instant::now(), answer);
                    if answer.is_last {
                        self.close(place, Failure::Broken);
                    } else {
                        self.free.push_back(place);
                    }
                }
                (Ok(_), _) => {}
                (Err(failure), _) => self.close(place, failure),
            }
        }
    }

    /// Ends a connection; the request on it, if there is one, has failed.
    fn close(&mut self, place: usize, failure: Failure) {
        let closed = std::mem::replace(&mut self.connections[place], Slot::Down(Instant::now()));
        if let Slot::Open(Connection { asked: Some(Asked { kind, due }), .. }) = closed {
            self.tally.failed(kind, due, failure);
        }
        self.free.retain(|free| *free != place);
    }

    /// What is too late has failed, on a connection or before one.
    fn give_up(&mut self) {
        let now = Instant::now();
        let is_late = |asked: &Asked| now - asked.due > PATIENCE;
        while let Some(Asked { kind, due }) = self.backlog.pop_front_if(|asked| is_late(asked)) {
            self.tally.failed(kind, due, Failure::TimedOut);
        }
        for place in 0..self.connections.len() {
            if let Slot::Open(Connection { asked: Some(asked), .. }) = &self.connections[place]
                && is_late(asked)
            {
                self.close(place, Failure::TimedOut);
            }
        }
    }

    fn reopen(&mut self) {
        let now = Instant::now();
        for (place, slot) in self.connections.iter_mut().enumerate() {
            if matches!(slot, Slot::Down(until) if *until <= now) {
                match Connection::open(self.options.address) {
                    Ok(connection) => {
                        *slot = Slot::Open(connection);
                        self.free.push_back(place);
                        self.tally.reopened += 1;
                    }
                    Err(_) => *slot = Slot::Down(now + AGAIN),
                }
            }
        }
    }
}

/// What this process took of the processors so far.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
