//! What the users did in one category and beside it, laid out for many passes.
//!
//! - A user is watched from their first event, on which all is conditioned, to the end of the log.
//! - Events of one moment excite later ones only, and count as one wish.
//! - Of users without an event in the category only how long they were watched matters, and how long ago they did
//!   something else: both are counted in bands.

use rayon::prelude::*;

use super::Season;
use crate::events::{EventLog, History, Timestamp, UserId};

/// An event outside of the category.
pub(super) const ELSEWHERE: u16 = u16::MAX;
/// Bands of a doubling.
const BANDS: f64 = 32.0;
/// The least number that is told apart from 0.
const LEAST: f64 = 1e-6;

/// One event of a user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Days since the start of the log.
    pub(super) day: f64,
    /// Event type, or [`ELSEWHERE`].
    pub(super) source: u16,
    /// Hour of the week.
    pub(super) hour: u8,
}

/// One user with events in the category.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stream {
    pub(super) user: UserId,
    /// First of the user's moments, and the one after the last.
    pub(super) first: usize,
    pub(super) last: usize,
    /// When watching begins.
    pub(super) opens: f64,
    /// Days watched, each hour weighing as the season says.
    pub(super) exposure: f64,
    /// Whether watching began with an event in the category: who begins here wants something here.
    pub(super) opened: bool,
}

/// All users, as one category sees them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) moments: Vec<Moment>,
    pub(super) users: Vec<Stream>,
    /// Exposures of users without events in the category, with their numbers.
    pub(super) quiet: Vec<(f64, f64)>,
    /// Days left at moments of such users, with their numbers.
    pub(super) quiet_moments: Vec<(f64, f64)>,
    /// When watching ends, in days since the start of the log.
    pub(super) end: f64,
}

/// What all categories see alike of a log.
pub(super) struct Watched<'a> {
    pub(super) log: &'a EventLog,
    pub(super) categories: &'a [Option<u32>],
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Users of each category.
    members: Vec<Vec<u32>>,
    /// Days left at each moment of all users.
    acted: Bands,
}

/// How long users were watched.
pub(super) struct Exposures {
    /// Exposure of each user.
    of_user: Vec<f64>,
    /// Exposures of all users.
    exposed: Bands,
}

impl<'a> Watched<'a> {
    pub(super) fn new(log: &'a EventLog, categories: &'a [Option<u32>], end: Timestamp) -> Self {
        // Up to the last category with events: that of one user is found without a look at all items.
        let mut members: Vec<Vec<u32>> = Vec::new();
        let mut acted = Bands::default();
        for (user, history) in log.histories() {
            let history = history.before(end);
            distinct(history.times()).for_each(|time| acted.add(end.days_since(time), 1.0));
            for item in history.items() {
                let Some(category) = category(categories, item.index()) else { continue };
                let category = category as usize;
                if category >= members.len() {
                    members.resize(category + 1, Vec::new());
                }
                let members = &mut members[category];
                if members.last() != Some(&user.0) {
                    members.push(user.0);
                }
            }
        }
        let start = log.span().map_or(Timestamp::from_millis(0), |span| span.0);
        Self { log, categories, start, end, members, acted }
    }

    /// How long users were watched, each hour weighing as the season says.
    pub(super) fn exposures(&self, season: &Season) -> Exposures {
        let exposure = |user: u32| {
            let history = self.log.history(UserId(user)).before(self.end);
            history.times().first().map_or(0.0, |&opens| season.between(opens, self.end))
        };
        let of_user: Vec<f64> = (0..self.log.n_users() as u32).into_par_iter().map(exposure).collect();
        let mut exposed = Bands::default();
        for ((_, history), &exposure) in self.log.histories().zip(&of_user) {
            if !history.before(self.end).is_empty() {
                exposed.add(exposure, 1.0);
            }
        }
        Exposures { of_user, exposed }
    }

    pub(super) fn n_categories(&self) -> usize {
        self.members.len()
    }

    /// Whether anybody acted on a category.
    pub(super) fn has(&self, category: u32) -> bool {
        self.members.get(category as usize).is_some_and(|members| !members.is_empty())
    }

    fn day(&self, time: Timestamp) -> f64 {
        time.days_since(self.start)
    }

    /// The users as a category sees them: one in `stride`.
    pub(super) fn streams(&self, category: usize, exposures: &Exposures, stride: usize) -> Streams {
        let mut streams = Streams { end: self.day(self.end), ..Streams::default() };
        // Whoever is not quiet is taken out of all: most users have nothing to do with most categories.
        let share = (stride as f64).recip();
        let (mut quiet, mut quiet_moments) = (exposures.exposed.times(1.0), self.acted.times(share));
        let members = self.members.get(category).map_or(&[][..], Vec::as_slice);
        for &user in members {
            quiet.add(exposures.of_user[user as usize], -1.0);
        }
        for &user in members.iter().step_by(stride) {
            let user = UserId(user);
            let (history, exposure) =
                (self.log.history(user).before(self.end), exposures.of_user[user.index()]);
            distinct(history.times()).for_each(|time| quiet_moments.add(self.end.days_since(time), -1.0));
            let first = streams.moments.len();
            self.add_moments(history, category as u32, &mut streams.moments);
            let (last, opens) = (streams.moments.len(), streams.moments[first].day);
            let own = &streams.moments[first..last];
            let opened = own.iter().any(|moment| moment.day == opens && moment.source != ELSEWHERE);
            streams.users.push(Stream { user, first, last, opens, exposure, opened });
        }
        (streams.quiet, streams.quiet_moments) = (quiet.times(share).counts(), quiet_moments.counts());
        streams
    }

    fn add_moments(&self, history: History<'_>, own: u32, moments: &mut Vec<Moment>) {
        let first = moments.len();
        for event in history.iter() {
            let is_own = category(self.categories, event.item.index()) == Some(own);
            let source = if is_own { u16::from(event.event_type.0) } else { ELSEWHERE };
            let moment = Moment { day: self.day(event.time), source, hour: event.time.hour_of_week() as u8 };
            let together = moments[first..].iter().rev().take_while(|other| other.day == moment.day);
            if !together.clone().any(|other| other.source == source) {
                moments.push(moment);
            }
        }
    }
}

pub(super) fn category(categories: &[Option<u32>], item: usize) -> Option<u32> {
    categories.get(item).copied().flatten()
}

/// Times without their repetitions.
fn distinct(times: &[Timestamp]) -> impl Iterator<Item = Timestamp> + '_ {
    times.chunk_by(|a, b| a == b).filter_map(|group| group.first().copied())
}

/// Positive numbers counted in bands that are a fraction of a doubling wide, so that counts of parts add up to those of all.
#[derive(Default)]
struct Bands(Vec<f64>);

impl Bands {
    /// Adds a number so many times; -1 takes it out again.
    fn add(&mut self, value: f64, times: f64) {
        let band = ((value.max(LEAST) / LEAST).log2() * BANDS) as usize;
        if band >= self.0.len() {
            self.0.resize(band + 1, 0.0);
        }
        self.0[band] += times;
    }

    /// So many times of each number.
    fn times(&self, times: f64) -> Self {
        Self(self.0.iter().map(|count| count * times).collect())
    }

    /// The middle of each band that still holds numbers, with its count. Of a sample it may be below 0, which sums do not mind.
    fn counts(self) -> Vec<(f64, f64)> {
        let held = self.0.into_iter().enumerate().filter(|(_, count)| count.abs() > 1e-6);
        held.map(|(band, count)| (LEAST * ((band as f64 + 0.5) / BANDS).exp2(), count)).collect()
    }
}
