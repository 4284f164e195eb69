//! Half-lives by intensity: how well their intervals cover the truth, and how long a fit takes.
//!
//! `cargo bench -p wane --bench intensity [-- MILLIONS_OF_EVENTS...]`
//!
//! - Five simulated shops of 12,000 users, 16 categories and 4 event types: in how many of the cells with 500 events or more the
//!   95 % interval of the half-life covers the planted one. First without what is no excitement (goods that run out,
//!   complements, users whose taste changes), then with all of it.
//! - A hundred logs that a planted model simulates by thinning, two categories of two types that excite each other: in how
//!   many the interval covers, parameter by parameter.
//! - One shop of so many million events (one user per twenty events, 16 categories): seconds of a fit.

// A benchmark is a program: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::Instant;

use wane::decay::intensity::{CategoryIntensity, Component, Intensity, Season, Source};
use wane::decay::survival::Interval;
use wane::events::{EventTypeId, Timestamp};
use wane::simulate::{Shop, ShopSettings, simulate};

/// Events of a cell that is judged, at least.
const ENOUGH: u64 = 500;
const SHOPS: u64 = 5;
const LOGS: u64 = 100;
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    if sizes.is_empty() {
        let all = ShopSettings { half_life_drift: 0.0, bots: 0.0, ..shop_settings(12_000, 60.0) };
        let plain = ShopSettings {
            taste_drift: 0.0,
            complement_follow_ups: 0.0,
            repeat_probability: 0.0,
            ..all.clone()
        };
        shops("nothing but excitement", &plain);
        shops("with goods that run out, complements and changing taste", &all);
        logs();
    }
    for millions in sizes {
        let shop = simulate(&shop_settings(millions * 50_000, 20.0), 1).unwrap();
        fit(&shop);
    }
}

fn shop_settings(users: usize, events_per_user: f64) -> ShopSettings {
    ShopSettings { users, items: 2_000, categories: 16, events_per_user, ..ShopSettings::default() }
}

fn fit(shop: &Shop) -> Intensity {
    let categories: Vec<Option<u32>> =
        shop.catalogue.categories.iter().map(|path| path.last().copied()).collect();
    let end = shop.log.span().unwrap().1.plus_days(1e-6);
    let begun = Instant::now();
    let found = Intensity::fit(&shop.log, &categories, end).unwrap();
    println!(
        "  {} events: {:.1} s, {} of {} categories at their tops",
        shop.log.len(),
        begun.elapsed().as_secs_f64(),
        found.categories.iter().filter(|own| own.is_top).count(),
        found.categories.len()
    );
    found
}

/// How often intervals cover, and how far off estimates are.
#[derive(Default)]
struct Tally {
    covered: usize,
    errors: Vec<f64>,
}

impl Tally {
    fn add(&mut self, found: Interval, truth: f64) {
        self.covered += usize::from((found.low..=found.high).contains(&truth));
        self.errors.push((found.value / truth).ln());
    }

    fn print(&self, name: &str) {
        let mut sizes: Vec<f64> = self.errors.iter().map(|error| error.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let n = self.errors.len();
        println!(
            "  {name}: {n} intervals, {:.1} % cover; median absolute error {:.1} %, mean error {:+.1} %",
            100.0 * self.covered as f64 / n as f64,
            100.0 * sizes[n / 2],
            100.0 * self.errors.iter().sum::<f64>() / n as f64
        );
    }
}

fn shops(name: &str, settings: &ShopSettings) {
    println!("{SHOPS} simulated shops, {name}");
    let (mut all, mut types) =
        (Tally::default(), vec![Tally::default(), Tally::default(), Tally::default(), Tally::default()]);
    for seed in 0..SHOPS {
        let shop = simulate(settings, seed).unwrap();
        for own in &fit(&shop).categories {
            let category = &shop.catalogue.category_names[own.category as usize];
            for cell in own.components.iter().filter(|cell| cell.events >= ENOUGH) {
                let Source::Type(kind) = cell.source else { continue };
                let event_type = &shop.log.event_types()[kind.index()];
                let truth = shop.truth.half_life(category, event_type).unwrap().days();
                all.add(cell.half_life, truth);
                types[kind.index()].add(cell.half_life, truth);
            }
        }
    }
    all.print("half-lives");
    settings.types.iter().zip(&types).for_each(|(kind, tally)| tally.print(&kind.name));
}

fn exactly(value: f64) -> Interval {
    Interval { value, low: value, high: value }
}

fn planted() -> Intensity {
    let component = |source, next: [f64; 2], follow_ups, half_life| Component {
        source,
        events: 1,
        next: next.to_vec(),
        follow_ups: exactly(follow_ups),
        half_life: exactly(half_life),
    };
    let category = |category: u32, pace: f64| CategoryIntensity {
        category,
        components: vec![
            component(Source::Type(EventTypeId(0)), [0.7, 0.3], 0.5, 0.5 * pace),
            component(Source::Type(EventTypeId(1)), [0.4, 0.6], 0.7, 4.0 * pace),
            component(Source::Elsewhere, [0.8, 0.2], 0.1, 1.0),
        ],
        base: vec![(0.0, 0.5), (0.03, 0.3), (0.12, 0.2)],
        begins: vec![0.9, 0.1],
        base_of_openers: vec![0.5, 0.3, 0.2],
        log_likelihood: 0.0,
        is_top: true,
    };
    Intensity { season: Season::even(), categories: vec![category(0, 1.0), category(1, 1.5)] }
}

fn logs() {
    println!("{LOGS} logs of 1,000 users and 150 days that a planted model simulates");
    let (planted, types) = (planted(), ["view", "cart"].map(str::to_owned));
    let mut tallies: Vec<(String, Tally)> = Vec::new();
    for seed in 0..LOGS {
        let log = planted.simulate(&types, START, 150.0, 1_000, seed).unwrap();
        let end = START.plus_days(150.0);
        let found = Intensity::fit(&log, &[Some(0), Some(1), None], end).unwrap();
        let mut place = 0;
        for (own, truth) in found.categories.iter().zip(&planted.categories) {
            for (own, truth) in own.components.iter().zip(&truth.components) {
                let pairs = [
                    ("half-life", own.half_life, truth.half_life),
                    ("follow-ups", own.follow_ups, truth.follow_ups),
                ];
                for (name, own, truth_value) in pairs {
                    if seed == 0 {
                        tallies.push((format!("{name} of {:?}", truth.source), Tally::default()));
                    }
                    tallies[place].1.add(own, truth_value.value);
                    place += 1;
                }
            }
        }
    }
    let mut all = Tally::default();
    for (name, tally) in &tallies {
        tally.print(name);
        all.covered += tally.covered;
        all.errors.extend(&tally.errors);
    }
    all.print("all");
}
