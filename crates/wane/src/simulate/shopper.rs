//! One user's events: visits by a Poisson process with seasons, and the clusters that grow from them.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal, Poisson};

use super::ShopSettings;
use super::dynamics::{Dynamics, Shares, repeat_cycle};
use super::season::Season;
use super::stock::Stock;
use super::truth::RepeatCycle;

/// Spread of activity over users: standard deviation of the logarithm.
const ACTIVITY_SPREAD: f64 = 0.9;
/// Share of users who are there from the start; the others join later.
const FOUNDERS: f64 = 0.5;
/// Nobody joins later than at this share of the log.
const LAST_JOINING: f64 = 0.8;
/// Most categories that a user cares about.
const MAX_TASTES: usize = 4;
/// Share of days on which a bot runs.
const BOT_DAYS: f64 = 0.02;

/// Everything that users share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) settings: ShopSettings,
    pub(super) seed: u64,
    pub(super) dynamics: Dynamics,
    pub(super) stock: Stock,
    pub(super) season: Season,
    pub(super) cycles: Vec<Option<RepeatCycle>>,
    /// Numbers of the users that are bots, ascending.
    pub(super) bots: Vec<usize>,
}

impl World {
    /// Draws the shop, without its users.
    pub(super) fn draw(settings: &ShopSettings, seed: u64) -> crate::Result<Self> {
        let mut rng = stream(seed, 0);
        let dynamics = Dynamics::draw(settings, &mut rng)?;
        let stock = Stock::draw(settings, &mut rng);
        let n_bots = (settings.bots * settings.users as f64).round() as usize;
        let mut bots = rand::seq::index::sample(&mut rng, settings.users, n_bots).into_vec();
        bots.sort_unstable();
        let cycles = (0..settings.categories).map(|category| repeat_cycle(settings, category)).collect();
        Ok(Self { settings: settings.clone(), seed, dynamics, stock, season: Season::new(), cycles, bots })
    }
}

/// A random stream of its own for each number, so that users may be simulated in any order.
fn stream(seed: u64, number: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23))
}

/// One event before it is written down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draft {
    pub(super) day: f64,
    pub(super) item: u32,
    pub(super) kind: usize,
}

/// What one user did.
#[derive(Debug, Default)]
pub(super) struct Diary {
    /// Events in order of time.
    pub(super) events: Vec<Draft>,
    /// Day on which the taste changed.
    pub(super) taste_drift: Option<f64>,
}

/// Simulates one user; depends on nothing but the world and the user's number.
pub(super) fn simulate_user(world: &World, user: usize) -> Diary {
    let rng = stream(world.seed, user as u64 + 1);
    let mut diary = match world.bots.binary_search(&user) {
        Ok(_) => bot(world, rng),
        Err(_) => Person::meet(world, rng).live(),
    };
    diary.events.sort_by(|a, b| a.day.total_cmp(&b.day));
    diary
}

/// A bot walks through the items at a steady, absurd rate on a few days.
fn bot(world: &World, mut rng: Xoshiro256PlusPlus) -> Diary {
    let settings = &world.settings;
    let per_day = settings.bot_events_per_day as usize;
    let run_days = (settings.days * BOT_DAYS).ceil() as usize;
    let mut events = Vec::with_capacity(run_days * per_day);
    for _ in 0..run_days {
        let start = rng.random::<f64>() * (settings.days - 1.0);
        for step in 0..per_day {
            let day = start + 0.5 * step as f64 / per_day as f64;
            let category = rng.random_range(0..settings.categories);
            let item = world.stock.draw_item(category, day, 0, 1.0, &mut rng);
            events.push(Draft { day, item, kind: 0 });
        }
    }
    Diary { events, taste_drift: None }
}

/// What a user cares about.
#[derive(Debug)]
struct Taste {
    categories: Vec<usize>,
    shares: Shares,
}

impl Taste {
    fn draw(n_categories: usize, rng: &mut Xoshiro256PlusPlus) -> Self {
        let wanted = rng.random_range(1..=MAX_TASTES).min(n_categories);
        let categories = rand::seq::index::sample(rng, n_categories, wanted).into_vec();
        let shares = Shares::new(categories.iter().map(|_| 0.1 + rng.random::<f64>()));
        Self { categories, shares }
    }

    fn category(&self, rng: &mut Xoshiro256PlusPlus) -> usize {
        self.categories[self.shares.draw(rng).unwrap_or(0)]
    }
}

/// A user who is no bot.
#[derive(Debug)]
struct Person<'a> {
    world: &'a World,
    rng: Xoshiro256PlusPlus,
    joined: f64,
    /// Visits per day.
    rate: f64,
    taste: Taste,
    /// The day of the new taste, and the taste.
    later: Option<(f64, Taste)>,
    /// Favourite brand by category.
    brands: Vec<usize>,
}

impl<'a> Person<'a> {
    fn meet(world: &'a World, mut rng: Xoshiro256PlusPlus) -> Self {
        let settings = &world.settings;
        let latest = settings.days * LAST_JOINING;
        let joined = if rng.random_bool(FOUNDERS) { 0.0 } else { rng.random::<f64>() * latest };
        let spread: f64 = rng.sample(rand_distr::StandardNormal);
        let activity = (ACTIVITY_SPREAD * spread - 0.5 * ACTIVITY_SPREAD * ACTIVITY_SPREAD).exp();
        let visits = settings.events_per_user / world.dynamics.cluster_size;
        let taste = Taste::draw(settings.categories, &mut rng);
        let drifts = rng.random_bool(settings.taste_drift);
        let drift_day = joined + (settings.days - joined) * rng.random_range(0.3..0.7);
        let later = drifts.then(|| (drift_day, Taste::draw(settings.categories, &mut rng)));
        let brands = (0..settings.categories).map(|_| rng.random_range(0..4)).collect();
        Self { world, rng, joined, rate: activity * visits / settings.days, taste, later, brands }
    }

    fn live(mut self) -> Diary {
        let mut diary = Diary { events: Vec::new(), taste_drift: self.later.as_ref().map(|(day, _)| *day) };
        let mut waiting = self.visits();
        while let Some(event) = waiting.pop() {
            self.follow(&event, &mut waiting);
            diary.events.push(event);
        }
        diary
    }

    /// Visits by thinning: candidates at the peak rate, each kept with the season's share of the peak.
    fn visits(&mut self) -> Vec<Draft> {
        let (settings, season) = (&self.world.settings, &self.world.season);
        let span = settings.days - self.joined;
        let candidates = count(self.rate * season.peak() * span, &mut self.rng);
        let mut visits = Vec::with_capacity(candidates);
        for _ in 0..candidates {
            let day = self.joined + self.rng.random::<f64>() * span;
            if self.rng.random::<f64>() < season.share_of_peak(settings.start.plus_days(day)) {
                visits.push(self.visit(day));
            }
        }
        visits
    }

    fn visit(&mut self, day: f64) -> Draft {
        let taste = match &self.later {
            Some((from, later)) if day >= *from => later,
            _ => &self.taste,
        };
        let category = taste.category(&mut self.rng);
        let kind = self.world.dynamics.starts.draw(&mut self.rng).unwrap_or(0);
        Draft { day, item: self.pick(category, day), kind }
    }

    fn pick(&mut self, category: usize, day: f64) -> u32 {
        let loyalty = self.world.settings.brand_loyalty;
        self.world.stock.draw_item(category, day, self.brands[category], loyalty, &mut self.rng)
    }

    /// Everything that one event brings about, as far as the log reaches.
    fn follow(&mut self, event: &Draft, waiting: &mut Vec<Draft>) {
        let (settings, dynamics) = (&self.world.settings, &self.world.dynamics);
        let category = self.world.stock.items[event.item as usize].category;
        let rate = dynamics.rate(category, event.kind, event.day);
        for _ in 0..count(settings.types[event.kind].follow_ups, &mut self.rng) {
            let day = event.day + delay(rate, &mut self.rng);
            let kind = dynamics.next[event.kind].draw(&mut self.rng).unwrap_or(0);
            if day < settings.days {
                let item = self.follow_up_item(event.item, category, day);
                waiting.push(Draft { day, item, kind });
            }
        }
        if settings.types[event.kind].bought {
            waiting.extend(self.repeat(event, category));
            self.complement(event, waiting);
        }
    }

    /// The same item, a substitute, or any item of the category.
    fn follow_up_item(&mut self, item: u32, category: usize, day: f64) -> u32 {
        let (settings, stock) = (&self.world.settings, &self.world.stock);
        let level: f64 = self.rng.random();
        let linked = if level < settings.same_item {
            stock.again(item, day)
        } else if level < settings.same_item + settings.substitute {
            stock.draw_substitute(item, day, &mut self.rng)
        } else {
            None
        };
        linked.unwrap_or_else(|| self.pick(category, day))
    }

    /// The next purchase of the same item, where it is used up.
    fn repeat(&mut self, event: &Draft, category: usize) -> Option<Draft> {
        let cycle = self.world.cycles[category].as_ref()?;
        let wait = LogNormal::new(cycle.cycle_days.ln(), cycle.spread).ok()?;
        let day = event.day + wait.sample(&mut self.rng);
        let comes = self.rng.random_bool(cycle.probability) && day < self.world.settings.days;
        let item = comes.then(|| self.world.stock.again(event.item, day)).flatten()?;
        Some(Draft { day, item, kind: event.kind })
    }

    /// Events on items that go with a purchase.
    fn complement(&mut self, event: &Draft, waiting: &mut Vec<Draft>) {
        let (settings, world) = (&self.world.settings, self.world);
        let rate = std::f64::consts::LN_2 / settings.complement_half_life_days;
        for _ in 0..count(settings.complement_follow_ups, &mut self.rng) {
            let day = event.day + delay(rate, &mut self.rng);
            let item = world.stock.draw_complement(event.item, day, &mut self.rng);
            let kind = world.dynamics.starts.draw(&mut self.rng).unwrap_or(0);
            waiting.extend(item.filter(|_| day < settings.days).map(|item| Draft { day, item, kind }));
        }
    }
}

/// A Poisson count; 0 where the mean is 0.
fn count(mean: f64, rng: &mut Xoshiro256PlusPlus) -> usize {
    Poisson::new(mean).map_or(0, |poisson| poisson.sample(rng) as usize)
}

/// An exponential delay in days.
fn delay(rate: f64, rng: &mut Xoshiro256PlusPlus) -> f64 {
    -(1.0 - rng.random::<f64>()).ln() / rate
}
