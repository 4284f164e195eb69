//! Events as a fitted model has them come: the rate is followed by thinning (Ogata 1981).
//!
//! Between two events a rate falls, but for the season: what it is now, with the season at its peak, bounds it. Moments
//! are drawn at the bound and kept with the share that the rate then has of it.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::{CategoryIntensity, Component, Intensity, Source};
use crate::error::Result;
use crate::events::{EventColumns, EventLog, EventTypeId, Timestamp};

/// Events of one user at most: a model in which an event brings about more than one other never comes to rest.
const MOST: usize = 100_000;

/// One user on the way.
struct Walk<'a> {
    model: &'a Intensity,
    random: Xoshiro256PlusPlus,
    /// Base rate of each category.
    base: Vec<f64>,
    /// What is left of the events that fed each component, category by category.
    left: Vec<Vec<f64>>,
}

impl Intensity {
    /// A log of `users` for some days, in which item `c` is the one item of category `c`. Every user begins at `start` with an
    /// event outside of all categories, on the last item: from then on they are watched.
    ///
    /// # Errors
    /// [`crate::Error::Limit`] where the log grows too large.
    pub fn simulate(
        &self,
        event_types: &[String],
        start: Timestamp,
        days: f64,
        users: u32,
        seed: u64,
    ) -> Result<EventLog> {
        let n_items = self.categories.iter().map(|own| own.category + 1).max().unwrap_or_default();
        let mut columns = EventColumns {
            item_names: (0..n_items)
                .map(|category| category.to_string())
                .chain(["door".to_owned()])
                .collect(),
            event_types: event_types.to_vec(),
            ..EventColumns::default()
        };
        for user in 0..users {
            columns.user_names.push(user.to_string());
            let begin = (0.0, n_items, EventTypeId(0));
            let events = Walk::new(self, seed, user).events(start, days);
            for (day, category, kind) in std::iter::once(begin).chain(events) {
                columns.users.push(user);
                columns.items.push(category);
                columns.times.push(start.plus_days(day));
                columns.types.push(kind);
            }
        }
        EventLog::from_columns(columns)
    }
}

impl<'a> Walk<'a> {
    fn new(model: &'a Intensity, seed: u64, user: u32) -> Self {
        let stream = seed ^ (u64::from(user) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(stream);
        let base = model.categories.iter().map(|own| own.draw_base(&mut random)).collect();
        let begun = |own: &Component| f64::from(u8::from(own.source == Source::Elsewhere));
        let left = model.categories.iter().map(|own| own.components.iter().map(begun).collect()).collect();
        Self { model, random, base, left }
    }

    /// Day, category and type of each event.
    fn events(mut self, start: Timestamp, days: f64) -> Vec<(f64, u32, EventTypeId)> {
        let mut events = Vec::new();
        let (mut now, peak) = (0.0, self.model.season.peak());
        while events.len() < MOST {
            let bound: f64 = self.rates(peak).iter().sum();
            let wait = -(1.0 - self.random.random::<f64>()).ln() / bound;
            // A rate of 0 ends it too.
            if now + wait >= days || wait.is_nan() {
                break;
            }
            now += wait;
            self.age(wait);
            let season = self.model.season.at(start.plus_days(now));
            let rates = self.rates(season);
            let mut level = self.random.random::<f64>() * bound;
            let chosen = rates.iter().position(|rate| {
                level -= rate;
                level < 0.0
            });
            if let Some((place, own)) =
                chosen.and_then(|place| Some((place, self.model.categories.get(place)?)))
            {
                let parts = own.components.iter().zip(&self.left[place]);
                let excited = parts.map(|(own, left)| own.follow_ups.value * own.rate() * left);
                let kind = own.draw_type(self.base[place] * season, excited, &mut self.random);
                events.push((now, own.category, kind));
                self.feed(own.category, kind);
            }
        }
        events
    }

    fn rates(&self, season: f64) -> Vec<f64> {
        let excited = |components: &[Component], left: &[f64]| -> f64 {
            components.iter().zip(left).map(|(own, left)| own.follow_ups.value * own.rate() * left).sum()
        };
        let categories = self.model.categories.iter().zip(self.base.iter().zip(&self.left));
        categories.map(|(own, (base, left))| base * season + excited(&own.components, left)).collect()
    }

    fn age(&mut self, days: f64) {
        for (own, left) in self.model.categories.iter().zip(&mut self.left) {
            let parts = own.components.iter().zip(left);
            parts.for_each(|(own, left)| *left *= (-own.rate() * days).exp());
        }
    }

    fn feed(&mut self, category: u32, kind: EventTypeId) {
        for (own, left) in self.model.categories.iter().zip(&mut self.left) {
            let source = if own.category == category { Source::Type(kind) } else { Source::Elsewhere };
            let parts = own.components.iter().zip(left);
            parts.filter(|(own, _)| own.source == source).for_each(|(_, left)| *left += 1.0);
        }
    }
}

impl CategoryIntensity {
    fn draw_base(&self, random: &mut Xoshiro256PlusPlus) -> f64 {
        let mut level = random.random::<f64>();
        let drawn = self.base.iter().find(|(_, share)| {
            level -= share;
            level < 0.0
        });
        drawn.or(self.base.last()).map_or(0.0, |node| node.0)
    }

    /// The type of an event that comes while so much is of its own and so much excited by each component.
    pub(super) fn draw_type(
        &self,
        base: f64,
        excited: impl Iterator<Item = f64>,
        random: &mut Xoshiro256PlusPlus,
    ) -> EventTypeId {
        let mut shares: Vec<f64> = self.begins.iter().map(|share| share * base).collect();
        for (own, rate) in self.components.iter().zip(excited) {
            shares.iter_mut().zip(&own.next).for_each(|(sum, share)| *sum += share * rate);
        }
        let mut level = random.random::<f64>() * shares.iter().sum::<f64>();
        let drawn = shares.iter().position(|share| {
            level -= share;
            level < 0.0
        });
        match self.components.get(drawn.unwrap_or_default()).map(|own| own.source) {
            Some(Source::Type(kind)) => kind,
            _ => EventTypeId(0),
        }
    }
}
