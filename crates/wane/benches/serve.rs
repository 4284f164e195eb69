//! What a server asks of the trace model: one user's best twenty items, one streamed event, the bytes of one state.
//!
//! `cargo bench -p wane --bench serve`
//!
//! - Models of 64 numbers and 6 time scales, with `self`, `follows` and `precedes` and popularity at five half-lives. They
//!   are made, not trained: item vectors lie in groups as in `search`; half of an item's links lead into its own group and
//!   half anywhere, which lets relations speak of many items. Wide groups have little between them: the hard case.
//! - A question is a user with 50 events in five groups over two months. Each starts from the bare history: trace, query
//!   vector, relations, popularity, search and merge are all in its time. One thread.
//! - All questions are asked five times, round by round. `each` are the percentiles over all times, `least` those over the
//!   least time of each question: what it costs where nobody else has the processor meanwhile.
//! - `score` is what the search replaces: all items scored, and the best of them taken. Recall is against its lists.

// A benchmark is a program: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use wane::decay::Trace;
use wane::events::{Event, EventTypeId, History, ItemId, Timestamp};
use wane::interest::{Departments, Features, Mined, Pairing, Relation};
use wane::recommend::{Goal, Query, Recommender, Scored, Scores, TraceModel, score_all};
use wane::train::{Group, Link, LinkRows, PopularityTable, Shape, Weights};

const DIM: usize = 64;
const SCALES: usize = 6;
/// Half-lives in days.
const TIME_SCALES: [f32; SCALES] = [0.02, 0.3, 3.0, 14.0, 60.0, 300.0];
const FASHIONS: [f32; 5] = [0.5, 2.0, 8.0, 30.0, f32::INFINITY];
const EVENTS: usize = 50;
const K: usize = 20;
const QUERIES: usize = 1_000;
const SCORED: usize = 200;
const ROUNDS: usize = 5;
/// The same log of two months for all: popularity is counted from it.
const LOG: usize = 2_000_000;
const DAYS: f64 = 60.0;

fn main() {
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    single.install(|| {
        let narrow = Groups { count: 500, width: 0.6 };
        let wide = Groups { count: 5, width: 1.0 };
        for (items, links, groups) in [(100_000, 100, narrow), (1_000_000, 30, narrow), (1_000_000, 30, wide)]
        {
            println!("{items} items in {groups:?}, {links} links of each");
            let shop = Shop::new(items, links, groups);
            shop.ask();
            shop.stream();
        }
    });
}

/// Item `i` is in group `i mod count`.
#[derive(Debug, Clone, Copy)]
struct Groups {
    count: usize,
    /// Deviation of an item from the centre of its group, in each place; the centres deviate by 1.
    width: f32,
}

/// A model and users to ask about.
struct Shop {
    model: TraceModel,
    users: Vec<User>,
}

struct User {
    items: Vec<ItemId>,
    times: Vec<Timestamp>,
    types: Vec<EventTypeId>,
}

impl Shop {
    fn new(items: usize, links: usize, groups: Groups) -> Self {
        let mut random = StdRng::seed_from_u64(1);
        let links = relations(&mut random, items, links, groups);
        let shape = Shape {
            items,
            features: 0,
            dim: DIM,
            scales: SCALES,
            types: 2,
            links: links.len(),
            fashions: FASHIONS.len(),
            departments: 0,
        };
        let mut weights = Weights::start(shape, &TIME_SCALES, 1);
        weights.vectors = vectors(&mut random, items, groups);
        weights.bias.iter_mut().for_each(|bias| *bias = random.sample(StandardNormal));
        weights.group_mut(Group::Fashions).copy_from_slice(&[0.1, 0.2, 0.3, 0.2, 0.4]);
        let log = log(&mut random, items);
        let popularity = PopularityTable::new(&log, items, &FASHIONS);
        let model = TraceModel::new(weights, &Features::default(), links, popularity, log, Goal::NextItem);
        let users = (0..QUERIES).map(|_| User::new(&mut random, items, groups)).collect();
        Self { model, users }
    }

    fn ask(&self) {
        let mut scores = Scores::new(self.model.n_items());
        let start = Instant::now();
        self.model.best(&self.users[0].query(), K, &|_| true, &mut scores);
        println!("  first question, with the index: {:.2} s", start.elapsed().as_secs_f64());
        let spoken_of: usize = self.users.iter().map(|user| self.spoken_of(user)).sum();
        println!("  relations speak of {} items", spoken_of / QUERIES);
        let found =
            measure("best 20", &self.users, |user| self.model.best(&user.query(), K, &|_| true, &mut scores));
        measure("best 20, one item of 10 kept", &self.users, |user| {
            self.model.best(&user.query(), K, &|item| item.0.is_multiple_of(10), &mut scores)
        });
        let all = measure("score", &self.users[..SCORED], |user| {
            score_all(&self.model, &user.query(), K, &|_| true, &mut scores)
        });
        println!("  recall {:.4}", recall(&found, &all));
    }

    /// Of how many items the relations speak to a user.
    fn spoken_of(&self, user: &User) -> usize {
        let mut items = Vec::new();
        for link in self.model.links() {
            for item in user.items.iter().rev().take(link.reach as usize) {
                link.strengths(*item, |to, _| items.push(to));
            }
        }
        items.sort_unstable();
        items.dedup();
        items.len()
    }

    /// One event is too short for a clock: the figures are of all events of a user.
    fn stream(&self) {
        let states = measure("50 events streamed", &self.users, |user| {
            let mut trace = Trace::new(SCALES, DIM);
            user.events().for_each(|event| self.model.update(&mut trace, &event, 1));
            trace
        });
        let kept = measure("state to bytes", &states, |trace| trace.to_bytes().unwrap());
        println!("  bytes of a state: {}", kept[0].len());
        measure("state from bytes", &kept, |bytes| Trace::from_bytes(bytes, SCALES, DIM).unwrap());
    }
}

impl Groups {
    /// A random item of a group.
    fn item(self, random: &mut StdRng, items: usize, group: usize) -> usize {
        random.random_range(0..items / self.count) * self.count + group
    }
}

impl User {
    /// Events in five groups at random times of the two months, oldest first; a quarter of them repeat an earlier item.
    fn new(random: &mut StdRng, items: usize, groups: Groups) -> Self {
        let own: Vec<usize> = (0..5).map(|_| random.random_range(0..groups.count)).collect();
        let mut times: Vec<Timestamp> = (0..EVENTS).map(|_| moment(random)).collect();
        times.sort_unstable();
        let mut of_user: Vec<ItemId> = Vec::new();
        for place in 0..EVENTS {
            let is_repeated = place > 0 && random.random_bool(0.25);
            let group = own[random.random_range(0..own.len())];
            let item = if is_repeated {
                of_user[random.random_range(0..place)]
            } else {
                ItemId(groups.item(random, items, group) as u32)
            };
            of_user.push(item);
        }
        let types = (0..EVENTS).map(|place| EventTypeId(u8::from(place % 5 == 4))).collect();
        Self { items: of_user, times, types }
    }

    fn history(&self) -> History<'_> {
        History::new(&self.items, &self.times, &self.types).unwrap()
    }

    fn events(&self) -> impl Iterator<Item = Event> {
        self.history().iter()
    }

    fn query(&self) -> Query<'_> {
        Query { history: self.history(), as_of: Timestamp::from_millis(0).plus_days(DAYS), candidates: None }
    }
}

fn moment(random: &mut StdRng) -> Timestamp {
    Timestamp::from_millis(0).plus_days(random.random_range(0.0..DAYS))
}

/// Items about the centres of their groups, with lengths that vary.
fn vectors(random: &mut StdRng, items: usize, groups: Groups) -> Vec<f32> {
    let mut normal = |n: usize| -> Vec<f32> { (0..n).map(|_| random.sample(StandardNormal)).collect() };
    let (centres, mut vectors, lengths) = (normal(groups.count * DIM), normal(items * DIM), normal(items));
    for (item, vector) in vectors.chunks_exact_mut(DIM).enumerate() {
        let centre = &centres[item % groups.count * DIM..][..DIM];
        let length = (0.25 * lengths[item]).exp();
        vector
            .iter_mut()
            .zip(centre)
            .for_each(|(value, mean)| *value = length * (mean + groups.width * *value));
    }
    vectors
}

/// Events oldest first; a few items have most of them.
fn log(random: &mut StdRng, items: usize) -> Vec<(Timestamp, ItemId)> {
    let mut log: Vec<_> = (0..LOG)
        .map(|_| {
            let item = (items as f64 * random.random_range(0.0f64..1.0).powi(4)) as usize;
            // Spread over all groups: neighbours in number are none in vectors.
            (moment(random), ItemId((item * 7_919 % items) as u32))
        })
        .collect();
    log.sort_unstable();
    log
}

fn relations(random: &mut StdRng, items: usize, links: usize, groups: Groups) -> Vec<Link> {
    let pairs: Vec<(ItemId, ItemId, f32)> = (0..items)
        .flat_map(|item| (0..links).map(move |place| (item, place)))
        .map(|(item, place)| {
            let to = if place % 2 == 0 {
                groups.item(random, items, item % groups.count)
            } else {
                random.random_range(0..items)
            };
            (ItemId(item as u32), ItemId(to as u32), random.random_range(0.01..0.5))
        })
        .collect();
    let relation = Relation::from_links("follows", items, pairs);
    let follows = Mined { relation, out: vec![1.0; items], into: vec![1.0; items] };
    let precedes = follows.reversed(usize::MAX);
    let mined = |name: &str, mined, is_reversed| Link {
        name: name.to_owned(),
        reach: 20,
        rows: LinkRows::Mined { mined, pairing: Pairing::Follows(5), is_reversed },
    };
    vec![
        Link { name: "self".to_owned(), reach: 500, rows: LinkRows::Repeat(Departments::default()) },
        mined("follows", follows, false),
        mined("precedes", precedes, true),
    ]
}

fn measure<Q, T>(name: &str, asked: &[Q], mut answer: impl FnMut(&Q) -> T) -> Vec<T> {
    let mut answers = Vec::new();
    let mut micros = Vec::new();
    for _ in 0..ROUNDS {
        answers.clear();
        for asked in asked {
            let start = Instant::now();
            answers.push(black_box(answer(asked)));
            micros.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    let of_question =
        |place| micros.iter().skip(place).step_by(asked.len()).copied().fold(f64::MAX, f64::min);
    let least: Vec<f64> = (0..asked.len()).map(of_question).collect();
    println!("  {name}: each {}; least {}", percentiles(micros), percentiles(least));
    answers
}

fn percentiles(mut micros: Vec<f64>) -> String {
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[(micros.len() as f64 * share) as usize];
    format!("p50 {:.1} us, p90 {:.1} us, p99 {:.1} us", at(0.5), at(0.9), at(0.99))
}

/// The share of the lists of all scores that was found, as far as there are any.
fn recall(found: &[Vec<Scored>], all: &[Vec<Scored>]) -> f64 {
    let hits: usize = found
        .iter()
        .zip(all)
        .map(|(found, all)| all.iter().filter(|item| found.contains(item)).count())
        .sum();
    hits as f64 / all.iter().map(Vec::len).sum::<usize>() as f64
}
