//! One unit's events before `as_of`, and what can be counted of them.

use std::collections::BTreeSet;

use super::FeatureSettings;
use crate::decay::HalfLife;
use crate::events::{EventTypeId, History, MILLIS_PER_DAY, Timestamp, UserId};

/// Category of an item that has none.
pub(super) const NO_CATEGORY: u32 = u32::MAX;

/// One past event with what its user's history says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) time: Timestamp,
    pub(super) user: UserId,
    pub(super) item: u32,
    pub(super) category: u32,
    pub(super) value: f32,
    /// The given session, or the count of pauses before the event.
    session: u32,
    kind: EventTypeId,
    /// Whether the user had an event on the item before.
    is_repeat: bool,
}

/// What all units of a table share.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) settings: &'a FeatureSettings,
    pub(super) as_of: Timestamp,
    /// Events of the whole log before `as_of`.
    pub(super) n_events: usize,
    /// Creation time by item, where the catalogue has it.
    pub(super) created: &'a [Option<Timestamp>],
}

/// The events of one unit, oldest first; never empty.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) events: &'a [Seen],
    pub(super) context: &'a Context<'a>,
}

/// Turns the events of one user into what features need. `category` gives the category of an item.
pub(super) fn look_back(
    user: UserId,
    history: History<'_>,
    context: &Context<'_>,
    category: impl Fn(u32) -> u32,
) -> Vec<Seen> {
    let pause = context.settings.session_gap_minutes * 60_000.0;
    let mut seen_items = BTreeSet::new();
    let (mut session, mut last) = (0, None::<Timestamp>);
    let see = |event: crate::events::Event| {
        let waited = last.map_or(0, |last| event.time.millis().saturating_sub(last.millis()));
        session += u32::from(waited as f64 > pause);
        last = Some(event.time);
        Seen {
            time: event.time,
            user,
            item: event.item.0,
            category: category(event.item.0),
            value: event.value.unwrap_or(f32::NAN),
            session: event.session.unwrap_or(session),
            kind: event.event_type,
            is_repeat: !seen_items.insert(event.item),
        }
    };
    history.before(context.as_of).iter().map(see).collect()
}

impl Unit<'_> {
    fn of_type(&self, kind: EventTypeId) -> impl DoubleEndedIterator<Item = &Seen> {
        self.events.iter().filter(move |event| event.kind == kind)
    }

    fn age(&self, event: &Seen) -> f64 {
        self.context.as_of.days_since(event.time)
    }

    fn share(&self, holds: impl Fn(&Seen) -> bool) -> f64 {
        self.events.iter().filter(|event| holds(event)).count() as f64 / self.count()
    }

    fn distinct<T: Ord>(&self, key: impl Fn(&Seen) -> T) -> f64 {
        self.events.iter().map(key).collect::<BTreeSet<_>>().len() as f64
    }

    /// Days between successive events.
    fn gaps(&self) -> Vec<f64> {
        self.events.windows(2).map(|pair| pair[1].time.days_since(pair[0].time)).collect()
    }

    /// Events with an age of at most `to` and more than `from` days.
    fn between(&self, from: f64, to: f64) -> f64 {
        let ages = self.events.iter().map(|event| self.age(event));
        ages.filter(|&age| age > from && age <= to).count() as f64
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.events.iter().map(|event| f64::from(event.value)).filter(|value| !value.is_nan())
    }

    pub(super) fn count(&self) -> f64 {
        self.events.len() as f64
    }

    pub(super) fn count_of_type(&self, kind: EventTypeId) -> f64 {
        self.of_type(kind).count() as f64
    }

    pub(super) fn days_since_first(&self) -> f64 {
        self.events.first().map_or(f64::NAN, |event| self.age(event))
    }

    pub(super) fn days_since_last(&self) -> f64 {
        self.events.last().map_or(f64::NAN, |event| self.age(event))
    }

    pub(super) fn days_since_type(&self, kind: EventTypeId) -> f64 {
        self.of_type(kind).next_back().map_or(f64::NAN, |event| self.age(event))
    }

    pub(super) fn active_days(&self) -> f64 {
        self.distinct(|event| event.time.millis().div_euclid(MILLIS_PER_DAY))
    }

    pub(super) fn gap_mean(&self) -> f64 {
        mean(&self.gaps())
    }

    pub(super) fn gap_median(&self) -> f64 {
        let mut gaps = self.gaps();
        gaps.sort_by(f64::total_cmp);
        match gaps.len() {
            0 => f64::NAN,
            n => f64::midpoint(gaps[(n - 1) / 2], gaps[n / 2]),
        }
    }

    pub(super) fn gap_cv(&self) -> f64 {
        let gaps = self.gaps();
        let centre = mean(&gaps);
        let squares: Vec<f64> = gaps.iter().map(|gap| (gap - centre).powi(2)).collect();
        if centre > 0.0 { mean(&squares).sqrt() / centre } else { f64::NAN }
    }

    pub(super) fn decayed(&self, half_life: HalfLife) -> f64 {
        self.events.iter().map(|event| (-half_life.rate() * self.age(event)).exp()).sum()
    }

    pub(super) fn decayed_type(&self, kind: EventTypeId, half_life: HalfLife) -> f64 {
        self.of_type(kind).map(|event| (-half_life.rate() * self.age(event)).exp()).sum()
    }

    pub(super) fn recent(&self) -> f64 {
        self.between(-1.0, self.context.settings.recent_days)
    }

    pub(super) fn before_recent(&self) -> f64 {
        let settings = self.context.settings;
        self.between(settings.recent_days, settings.recent_days + settings.before_days)
    }

    pub(super) fn trend(&self) -> f64 {
        let settings = self.context.settings;
        let expected = self.before_recent() * settings.recent_days / settings.before_days;
        ((self.recent() + 1.0) / (expected + 1.0)).ln()
    }

    pub(super) fn value_sum(&self) -> f64 {
        self.values().sum()
    }

    pub(super) fn value_mean(&self) -> f64 {
        mean(&self.values().collect::<Vec<_>>())
    }

    pub(super) fn value_last(&self) -> f64 {
        self.values().last().unwrap_or(f64::NAN)
    }

    pub(super) fn night_share(&self) -> f64 {
        self.share(|event| !(6..22).contains(&(event.time.hour_of_week() % 24)))
    }

    pub(super) fn weekend_share(&self) -> f64 {
        self.share(|event| event.time.hour_of_week() >= 5 * 24)
    }

    pub(super) fn hour_entropy(&self) -> f64 {
        let mut counts = [0.0f64; 168];
        self.events.iter().for_each(|event| counts[event.time.hour_of_week()] += 1.0);
        let shares = counts.iter().map(|count| count / self.count()).filter(|&share| share > 0.0);
        -shares.map(|share| share * share.log2()).sum::<f64>()
    }

    pub(super) fn sessions(&self) -> f64 {
        self.distinct(|event| (event.user, event.session))
    }

    pub(super) fn events_per_session(&self) -> f64 {
        self.count() / self.sessions()
    }

    pub(super) fn distinct_items(&self) -> f64 {
        self.distinct(|event| event.item)
    }

    pub(super) fn distinct_categories(&self) -> f64 {
        let known: BTreeSet<u32> = self.events.iter().map(|event| event.category).collect();
        known.iter().filter(|&&category| category != NO_CATEGORY).count() as f64
    }

    pub(super) fn distinct_users(&self) -> f64 {
        self.distinct(|event| event.user)
    }

    pub(super) fn repeat_share(&self) -> f64 {
        self.share(|event| event.is_repeat)
    }

    pub(super) fn popularity(&self) -> f64 {
        self.count() / self.context.n_events as f64
    }

    pub(super) fn days_since_created(&self) -> f64 {
        let item = self.events.first().map_or(0, |event| event.item as usize);
        let created = self.context.created.get(item).copied().flatten();
        let known = created.filter(|&created| created < self.context.as_of);
        known.map_or(f64::NAN, |created| self.context.as_of.days_since(created))
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { f64::NAN } else { values.iter().sum::<f64>() / values.len() as f64 }
}
