//! More training histories from few: resampled users, and histories that are cropped, masked or reordered.
//!
//! - **Bootstrap** and **by activity**: users drawn with replacement, with equal weights or with weights
//!   `n_events^-alpha`, which keeps a few busy users from being most of the training data.
//! - **Crop**, **mask**, **reorder**: the three operators of contrastive learning for sequences (Xie et al.,
//!   *Contrastive Learning for Sequential Recommendation*, ICDE 2022): keep one run of events, drop some, shuffle
//!   the items within one run. Times stay where they are, so decay keeps its meaning.
//!
//! All are off by default and need a seed. The second draw of a user becomes the user `name#2`, and so on.

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{Event, EventColumns, EventLog, UserId};
use crate::error::{Error, Result};

/// How users are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Resample {
    /// Every user once.
    #[default]
    Off,
    /// As many users as there are, with replacement.
    Bootstrap,
    /// As many users as there are, with replacement and weights `n_events^-alpha`.
    ByActivity {
        /// Exponent: 0 draws all users alike, 1 draws all events alike in the long run (0 to 2).
        alpha: f64,
    },
}

/// What is done to a log before training. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// How users are drawn.
    pub resample: Resample,
    /// Altered copies of each drawn history, beside the history itself (0 or more).
    pub copies: usize,
    /// Share of a history that a cropped copy keeps (0 to 1; 0: no cropping).
    pub crop: f64,
    /// Share of events that a masked copy drops (0 to 1; 0: no masking).
    pub mask: f64,
    /// Share of a history whose items a reordered copy shuffles (0 to 1; 0: no reordering).
    pub reorder: f64,
}

/// An operator on a history.
#[derive(Debug, Clone, Copy)]
enum Operator {
    Crop(f64),
    Mask(f64),
    Reorder(f64),
}

impl Augmentation {
    /// Proves every range.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        let share = |name: &str, value: f64, most: f64| {
            let fine = (0.0..=most).contains(&value);
            if fine { Ok(()) } else { Err(Error::setting(name, format!("0 to {most}"), value)) }
        };
        share("crop", self.crop, 1.0)?;
        share("mask", self.mask, 1.0)?;
        share("reorder", self.reorder, 1.0)?;
        if let Resample::ByActivity { alpha } = self.resample {
            share("resample.by-activity.alpha", alpha, 2.0)?;
        }
        if self.copies > 0 && self.operators().is_empty() {
            return Err(Error::setting("copies", "crop, mask or reorder above 0 beside it", self.copies));
        }
        Ok(())
    }

    /// The log to train on instead of `log`; the same seed gives the same log. Items keep their numbers.
    ///
    /// # Errors
    /// [`Error::Setting`] when a setting is out of its range, [`Error::Limit`] when more than 2^32 users come out.
    pub fn apply(&self, log: &EventLog, seed: u64) -> Result<EventLog> {
        self.check()?;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut sheet = Sheet::new(log);
        let mut drawn = vec![0usize; log.n_users()];
        for user in self.draw_users(log, &mut rng) {
            let events: Vec<Event> = log.history(user).iter().collect();
            for copy in 0..=self.copies {
                drawn[user.index()] += 1;
                let altered = if copy == 0 { None } else { self.alter(&events, &mut rng) };
                sheet.add(user, drawn[user.index()], altered.as_ref().unwrap_or(&events))?;
            }
        }
        EventLog::from_columns(sheet.columns)
    }

    fn operators(&self) -> Vec<Operator> {
        let all = [
            (self.crop, Operator::Crop(self.crop)),
            (self.mask, Operator::Mask(self.mask)),
            (self.reorder, Operator::Reorder(self.reorder)),
        ];
        all.into_iter().filter(|(share, _)| *share > 0.0).map(|(_, operator)| operator).collect()
    }

    /// A copy altered by one operator, drawn at random.
    fn alter(&self, events: &[Event], rng: &mut Xoshiro256PlusPlus) -> Option<Vec<Event>> {
        let operators = self.operators();
        let operator = operators.get(rng.random_range(0..operators.len()))?;
        Some(match *operator {
            Operator::Crop(share) => crop(events, share, rng),
            Operator::Mask(share) => mask(events, share, rng),
            Operator::Reorder(share) => reorder(events, share, rng),
        })
    }

    /// The users of the new log, in ascending order; only users with events.
    fn draw_users(&self, log: &EventLog, rng: &mut Xoshiro256PlusPlus) -> Vec<UserId> {
        let active: Vec<(UserId, usize)> = log
            .histories()
            .map(|(user, history)| (user, history.len()))
            .filter(|(_, n_events)| *n_events > 0)
            .collect();
        let exponent = match self.resample {
            Resample::Off => return active.iter().map(|(user, _)| *user).collect(),
            Resample::Bootstrap => 0.0,
            Resample::ByActivity { alpha } => -alpha,
        };
        let ends: Vec<f64> = active
            .iter()
            .scan(0.0, |end, (_, n_events)| {
                *end += (*n_events as f64).powf(exponent);
                Some(*end)
            })
            .collect();
        let total = ends.last().copied().unwrap_or(0.0);
        let mut draw = || {
            let level = rng.random::<f64>() * total;
            active[ends.partition_point(|&end| end <= level).min(active.len() - 1)].0
        };
        let mut users: Vec<UserId> = (0..active.len()).map(|_| draw()).collect();
        users.sort_unstable();
        users
    }
}

/// A run of at least one event, `share` of the whole, at a random place.
fn window(n: usize, share: f64, rng: &mut Xoshiro256PlusPlus) -> std::ops::Range<usize> {
    let length = ((share * n as f64).round() as usize).clamp(1, n);
    let first = rng.random_range(0..=n - length);
    first..first + length
}

fn crop(events: &[Event], share: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<Event> {
    events[window(events.len(), share, rng)].to_vec()
}

/// Drops each event with probability `share`, but never all of them.
fn mask(events: &[Event], share: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<Event> {
    let kept: Vec<Event> = events.iter().filter(|_| !rng.random_bool(share)).copied().collect();
    if kept.is_empty() { events[window(events.len(), 0.0, rng)].to_vec() } else { kept }
}

/// Shuffles what was done within a run; when it was done stays.
fn reorder(events: &[Event], share: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<Event> {
    let range = window(events.len(), share, rng);
    let mut order: Vec<usize> = range.clone().collect();
    order.shuffle(rng);
    let mut altered = events.to_vec();
    for (place, from) in range.zip(order) {
        altered[place] = Event { time: events[place].time, session: events[place].session, ..events[from] };
    }
    altered
}

/// The new log's columns.
struct Sheet<'a> {
    log: &'a EventLog,
    columns: EventColumns,
}

impl<'a> Sheet<'a> {
    fn new(log: &'a EventLog) -> Self {
        let columns = EventColumns {
            item_names: log.items().iter().map(str::to_owned).collect(),
            event_types: log.event_types().to_vec(),
            ..EventColumns::default()
        };
        Self { log, columns }
    }

    /// The name of the `draw`-th history of a user, which no user of the log has.
    fn name(&self, user: UserId, draw: usize) -> String {
        let name = self.log.users().name(user.index());
        let mut name = if draw == 1 { return name.to_owned() } else { format!("{name}#{draw}") };
        while self.log.users().position(&name).is_some() {
            name.push('#');
        }
        name
    }

    /// Adds a history, the `draw`-th of a user.
    fn add(&mut self, user: UserId, draw: usize, events: &[Event]) -> Result<()> {
        let number = self.columns.user_names.len();
        let place = u32::try_from(number).map_err(|_| Error::Limit {
            what: "users after augmentation",
            limit: u64::from(u32::MAX),
            got: number as u64,
            remedy: "Make fewer copies",
        })?;
        self.columns.user_names.push(self.name(user, draw));
        let run = self.log.events();
        for event in events {
            self.columns.users.push(place);
            self.columns.items.push(event.item.0);
            self.columns.times.push(event.time);
            self.columns.types.push(event.event_type);
            self.columns.values.extend(run.values().map(|_| event.value.unwrap_or(f32::NAN)));
            self.columns.sessions.extend(run.sessions().map(|_| event.session.unwrap_or_default()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EventTypeId, Timestamp};
    use proptest::prelude::*;

    /// One user per length, with events on items 0, 1, 2, ...
    fn log(lengths: &[usize]) -> EventLog {
        let rows: Vec<(usize, usize)> =
            lengths.iter().enumerate().flat_map(|(user, &n)| (0..n).map(move |item| (user, item))).collect();
        EventLog::from_columns(EventColumns {
            users: rows.iter().map(|row| row.0 as u32).collect(),
            items: rows.iter().map(|row| row.1 as u32).collect(),
            times: rows.iter().map(|row| Timestamp::from_millis(row.1 as i64)).collect(),
            types: vec![EventTypeId(0); rows.len()],
            values: rows.iter().map(|row| row.1 as f32).collect(),
            sessions: Vec::new(),
            user_names: (0..lengths.len()).map(|user| format!("u{user:03}")).collect(),
            item_names: (0..100).map(|item| format!("i{item:03}")).collect(),
            event_types: vec!["view".into()],
        })
        .unwrap()
    }

    #[test]
    fn the_default_changes_nothing() {
        let log = log(&[3, 1, 5]);
        assert_eq!(Augmentation::default().apply(&log, 1).unwrap(), log);
    }

    #[test]
    fn a_bootstrap_has_as_many_users_and_names_the_copies() {
        let log = log(&[2; 50]);
        let bootstrap = Augmentation { resample: Resample::Bootstrap, ..Augmentation::default() };
        let sample = bootstrap.apply(&log, 1).unwrap();
        assert_eq!((sample.n_users(), sample.len()), (50, 100));
        assert!(sample.users().iter().any(|name| name.ends_with("#2")));
        assert_eq!(sample, bootstrap.apply(&log, 1).unwrap());
        assert_ne!(sample, bootstrap.apply(&log, 2).unwrap());
    }

    #[test]
    fn drawing_by_activity_prefers_quiet_users() {
        let lengths: Vec<usize> = (0..400).map(|user| if user < 200 { 1 } else { 10 }).collect();
        let by_activity =
            Augmentation { resample: Resample::ByActivity { alpha: 1.0 }, ..Augmentation::default() };
        let sample = by_activity.apply(&log(&lengths), 3).unwrap();
        let quiet = sample.histories().filter(|(_, history)| history.len() == 1).count();
        assert!((quiet as f64 / 400.0 - 10.0 / 11.0).abs() < 0.05, "{quiet} of 400");
    }

    #[test]
    fn contradictions_are_refused() {
        let copies = Augmentation { copies: 2, ..Augmentation::default() };
        assert!(copies.check().unwrap_err().to_string().starts_with("setting `copies`"));
        let crop = Augmentation { crop: 1.5, ..Augmentation::default() };
        assert_eq!(crop.check().unwrap_err().to_string(), "setting `crop`: expected 0 to 1, got 1.5");
    }

    proptest! {
        #[test]
        fn operators_keep_what_they_promise(n in 1usize..30, share in 0.01f64..=1.0, seed: u64) {
            let log = log(&[n]);
            let events: Vec<Event> = log.events().iter().collect();
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let cropped = crop(&events, share, &mut rng);
            prop_assert!(events.windows(cropped.len()).any(|run| run == cropped.as_slice()));
            let masked = mask(&events, share, &mut rng);
            prop_assert!(!masked.is_empty() && masked.iter().all(|event| events.contains(event)));
            let reordered = reorder(&events, share, &mut rng);
            let times: Vec<_> = reordered.iter().map(|event| event.time).collect();
            prop_assert_eq!(&times, &events.iter().map(|event| event.time).collect::<Vec<_>>());
            let mut items: Vec<_> = reordered.iter().map(|event| event.item).collect();
            items.sort_unstable();
            prop_assert_eq!(items, events.iter().map(|event| event.item).collect::<Vec<_>>());
        }

        #[test]
        fn copies_come_beside_the_original(lengths in proptest::collection::vec(1usize..9, 1..6), seed: u64) {
            let log = log(&lengths);
            let settings = Augmentation { copies: 2, crop: 0.5, mask: 0.3, reorder: 0.4, ..Augmentation::default() };
            let more = settings.apply(&log, seed).unwrap();
            prop_assert_eq!(more.n_users(), 3 * lengths.len());
            for (user, history) in log.histories() {
                let name = log.users().name(user.index());
                let same = UserId(more.users().position(name).unwrap());
                prop_assert_eq!(more.history(same).items(), history.items());
            }
        }
    }
}
