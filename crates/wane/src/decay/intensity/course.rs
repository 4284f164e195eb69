//! The course of one user's interest in a category: how past events made it, and where it goes.
//!
//! - **Past**: the mean over each step of the rate `mu + sum_j alpha_k beta_k exp(-beta_k (t - t_j))` at average hours, with what is
//!   known now of the user's base rate.
//! - **Ahead**: the expected rate, and how many events come until then: the mean, and the middle 95 % of [`PATHS`] walks. Each draws a
//!   base rate from what is known of the user's and is followed by thinning (Ogata 1981): between two events the rate of what is
//!   excited falls, so that what it is now bounds it.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;
use serde::Serialize;

use super::outlook::{STEPS, Standing};
use super::streams::{Moment, Streams, Watched};
use super::{CategoryIntensity, Intensity, Outlook, Source};
use crate::events::{EventLog, History, Timestamp, UserId};

/// Walks of an interval.
const PATHS: usize = 1_000;
/// Events of a walk at most: what excites itself without end is many in any case.
const MOST: usize = 10_000;
/// Steps of the past.
const PAST: usize = 120;
/// The part of the walks that an interval leaves out on each side.
const TAIL: f64 = 0.025;

/// What is expected of a moment to come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ahead {
    /// Days from now.
    pub days: f64,
    /// Expected events per day.
    pub per_day: f64,
    /// Expected events until then.
    pub events: f64,
    /// So many at least come until then, with probability .975.
    pub low: f64,
    /// So many at most, with probability .975.
    pub high: f64,
}

/// The course of a user's interest in one category.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Course {
    /// What is to come in all.
    pub outlook: Outlook,
    /// Days before now (at most 0) and events per day, the longest ago first.
    pub past: Vec<(f64, f64)>,
    /// The days to come, the next first.
    pub ahead: Vec<Ahead>,
}

impl Intensity {
    /// The courses, `back` days before `at` and `days` after, of the user's interest in each category that they acted on.
    pub fn courses(
        &self,
        log: &EventLog,
        categories: &[Option<u32>],
        user: UserId,
        at: Timestamp,
        (back, days): (f64, f64),
    ) -> Vec<Course> {
        let alone = log.alone(log.history(user).before(at));
        let watched = Watched::new(&alone, categories, at);
        let mut courses =
            self.courses_watched(&watched, &self.categories.iter().collect::<Vec<_>>(), (back, days));
        courses.iter_mut().for_each(|course| course.outlook.user = user);
        courses
    }

    /// The likeliest `most` of them, the first first, of a user's history that may be in no log. It is in the numbers of `log`, of whose
    /// events nothing is looked at; event types and categories that the fitted log had not excite nothing.
    pub fn likeliest(
        &self,
        log: &EventLog,
        categories: &[Option<u32>],
        history: History<'_>,
        at: Timestamp,
        (back, days): (f64, f64),
        most: usize,
    ) -> Vec<Course> {
        let alone = log.alone(history.before(at));
        let mut likely = self.outlooks(&alone, categories, at, days);
        likely.sort_by(|one, other| {
            other.probability.total_cmp(&one.probability).then(one.category.cmp(&other.category))
        });
        likely.truncate(most);
        let find = |outlook: &Outlook| self.categories.iter().find(|own| own.category == outlook.category);
        let likely: Vec<&CategoryIntensity> = likely.iter().filter_map(find).collect();
        self.courses_watched(&Watched::new(&alone, categories, at), &likely, (back, days))
    }

    /// The courses of one user in the given categories, where there are any, in their order.
    fn courses_watched(
        &self,
        watched: &Watched<'_>,
        categories: &[&CategoryIntensity],
        (back, days): (f64, f64),
    ) -> Vec<Course> {
        let exposures = watched.exposures(&self.season);
        let ahead = self.season.between(watched.end, watched.end.plus_days(days));
        let own = categories.par_iter().filter(|own| watched.has(own.category));
        let courses = own.flat_map_iter(|own| {
            let streams = watched.streams(own.category as usize, &exposures, 1);
            own.ahead(self, &streams, (days, ahead), |standing, stream| Course {
                outlook: standing.outlook(stream.user),
                past: past(standing, &streams, &streams.moments[stream.first..stream.last], back),
                ahead: standing.walk_ahead(u64::from(own.category)),
            })
        });
        courses.collect()
    }
}

/// The mean rate of each step of the past at average hours, and the rate now: what lasts for minutes would be nothing but spikes
/// on an axis of months.
fn past(standing: &Standing<'_>, streams: &Streams, moments: &[Moment], back: f64) -> Vec<(f64, f64)> {
    let (base, components) = (standing.base(), &standing.own.components);
    let step = back / PAST as f64;
    // What is left of the events that feed each component, as of the latest moment or start of a step.
    let mut left = vec![0.0; components.len()];
    let (mut next, mut then) = (0, moments.first().map_or(0.0, |moment| moment.day));
    let mut course = Vec::with_capacity(PAST + 1);
    let mut go = |until: f64, excited: &mut f64, fed: Option<u16>| {
        for (left, own) in left.iter_mut().zip(components) {
            let kept = (-own.rate() * (until - then).max(0.0)).exp();
            *excited += own.follow_ups.value * *left * (1.0 - kept);
            *left *= kept;
            *left += f64::from(u8::from(fed == Some(own.fed_by())));
        }
        then = until.max(then);
    };
    for number in 0..PAST {
        let (start, end) =
            (streams.end - back + step * number as f64, streams.end - back + step * (number + 1) as f64);
        let mut excited = 0.0;
        while let Some(moment) = moments.get(next).filter(|moment| moment.day < start) {
            go(moment.day, &mut excited, Some(moment.source));
            next += 1;
        }
        go(start, &mut excited, None);
        excited = 0.0;
        while let Some(moment) = moments.get(next).filter(|moment| moment.day < end) {
            go(moment.day, &mut excited, Some(moment.source));
            next += 1;
        }
        go(end, &mut excited, None);
        course.push((0.5 * (start + end) - streams.end, base + excited / step));
    }
    course.push((0.0, base + standing.parts().map(|(size, _)| size).sum::<f64>()));
    course
}

impl Standing<'_> {
    fn walk_ahead(&self, stream: u64) -> Vec<Ahead> {
        let step = self.days / STEPS as f64;
        let mut counts: Vec<Vec<u32>> = vec![vec![0; PATHS]; STEPS];
        let mut random = Xoshiro256PlusPlus::seed_from_u64(stream);
        for path in 0..PATHS {
            let mut days = self.walk(&mut random).into_iter().peekable();
            let mut events = 0;
            for (number, counts) in counts.iter_mut().enumerate() {
                while days.next_if(|day| ((day / step) as usize) <= number).is_some() {
                    events += 1;
                }
                counts[path] = events;
            }
        }
        let mut events = 0.0;
        let rates = self.rates(self.base());
        let ahead = (1u32..).zip(rates).zip(&mut counts).map(|((number, per_day), counts)| {
            events += per_day * step;
            let mut place = |share: f64| {
                let place = (share * (PATHS - 1) as f64).round() as usize;
                f64::from(*counts.select_nth_unstable(place).1)
            };
            Ahead {
                days: f64::from(number) * step,
                per_day,
                events,
                low: place(TAIL),
                high: place(1.0 - TAIL),
            }
        });
        ahead.collect()
    }

    /// Days of the events of one walk.
    fn walk(&self, random: &mut Xoshiro256PlusPlus) -> Vec<f64> {
        let components = &self.own.components;
        let fresh: f64 = components
            .iter()
            .filter(|own| own.source == Source::Elsewhere)
            .map(|own| own.follow_ups.value * self.elsewhere)
            .sum();
        // What is done elsewhere excites at its mean rate, from the start: it is small, and soon there.
        let steady = self.draw_base(random) * self.season() + fresh;
        let mut sizes: Vec<f64> = self.parts().map(|(size, _)| size).collect();
        let (mut now, mut days) = (0.0, Vec::new());
        while days.len() < MOST {
            let bound = steady + sizes.iter().sum::<f64>();
            let wait = -(1.0 - random.random::<f64>()).ln() / bound;
            if now + wait >= self.days || wait.is_nan() {
                break;
            }
            now += wait;
            sizes.iter_mut().zip(components).for_each(|(size, own)| *size *= (-own.rate() * wait).exp());
            if random.random::<f64>() * bound < steady + sizes.iter().sum::<f64>() {
                days.push(now);
                let kind = Source::Type(self.own.draw_type(steady, sizes.iter().copied(), random));
                let fed = sizes.iter_mut().zip(components).filter(|(_, own)| own.source == kind);
                fed.for_each(|(size, own)| *size += own.follow_ups.value * own.rate());
            }
        }
        days
    }

    fn draw_base(&self, random: &mut Xoshiro256PlusPlus) -> f64 {
        let mut level = random.random::<f64>();
        let drawn = self.bases().find(|(_, share)| {
            level -= share;
            level < 0.0
        });
        drawn.map_or_else(|| self.base(), |drawn| drawn.0)
    }
}
