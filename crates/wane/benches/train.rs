//! How fast the trace model trains, how that grows with the log, and how much of what the machine could do it uses.
//!
//! `cargo bench -p wane --bench train [-- MILLIONS_OF_EVENTS...]`
//!
//! - Roofline: the peak of single-precision matrix products of the shapes in use, and the bandwidth of memory, both measured
//!   here; an example costs at least `3 * 2 d C` operations for its C candidates (logits, gradients of query and of
//!   candidates) and `6 M d^2` for the mixing of its traces.
//! - Training: one epoch over a simulated shop of 200,000 items and one user per twenty events, d = 64, M = 6, relations
//!   mined and used, the default recipe; for each size events per second and the most memory that the program had.

// A benchmark is a program: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use rayon::prelude::*;
use wane::events::EventLog;
use wane::interest::Features;
use wane::simulate::{ShopSettings, simulate};
use wane::train::{Corpus, Goal, Link, LinkPlan, PopularityTable, Recipe, Shape, Trainer, Weights};

const ITEMS: usize = 200_000;
const DIM: usize = 64;
const SCALES: usize = 6;
const HALF_LIVES: [f32; SCALES] = [0.01, 0.1, 1.0, 5.0, 20.0, 90.0];

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1, 5, 20] } else { sizes };
    let peak = peak();
    println!("matrix products, all cores: {:.0} GFLOP/s; memory: {:.1} GB/s", peak / 1e9, bandwidth() / 1e9);
    for millions in sizes {
        let start = Instant::now();
        let shop = simulate(&settings(millions * 1_000_000), 1).expect("a shop");
        println!(
            "{} events, {} users, {ITEMS} items (simulated in {:.0} s)",
            shop.log.len(),
            shop.log.n_users(),
            seconds(start)
        );
        epoch(&shop.log, peak);
    }
}

fn settings(events: usize) -> ShopSettings {
    ShopSettings { users: events / 20, items: ITEMS, events_per_user: 20.0, ..ShopSettings::default() }
}

fn epoch(log: &EventLog, peak: f64) {
    let start = Instant::now();
    let plan = LinkPlan { repeats: 500, reach: 20, window: 5, top: 100, alike: 0, given: false };
    let features = Features::default();
    let links = Link::plan(log, None, &features, Goal::NextItem, plan);
    println!("  relations mined in {:.1} s", seconds(start));
    let start = Instant::now();
    let mut events: Vec<_> = log.events().iter().map(|event| (event.time, event.item)).collect();
    events.par_sort_unstable();
    let popularity = PopularityTable::new(&events, ITEMS, &[0.5, 4.0, 30.0, f32::INFINITY]);
    let corpus = Corpus::new(log, &links, &features, &popularity, Goal::NextItem, &[]);
    println!("  popularity and examples in {:.1} s", seconds(start));
    let shape = Shape {
        items: ITEMS,
        features: 0,
        dim: DIM,
        scales: SCALES,
        types: log.event_types().len(),
        links: links.len(),
        fashions: popularity.rates().len(),
        departments: 0,
    };
    let recipe = Recipe::default();
    let mut trainer = Trainer::new(&corpus, Weights::start(shape, &HALF_LIVES, 1), recipe, 1);
    let start = Instant::now();
    let loss = trainer.epoch(|_| ());
    let taken = seconds(start);
    let rate = corpus.len() as f64 / taken;
    let candidates = (recipe.negatives + recipe.batch) as f64;
    let operations = 6.0 * DIM as f64 * candidates + (6 * SCALES * DIM * DIM) as f64;
    println!(
        "  one epoch in {taken:.1} s: {rate:.0} events/s, loss {loss:.3}; the products alone would allow {:.0} events/s, \
         that is {:.0} %; most memory {:.1} GiB",
        peak / operations,
        100.0 * rate * operations / peak,
        most_memory()
    );
}

/// Operations per second of the products in use, on all cores at once: the best of some runs.
fn peak() -> f64 {
    let (rows, candidates) = (64, 2_560);
    let work = || {
        let a = Mat::<f32>::from_fn(rows, DIM, |i, j| (i + j) as f32);
        let b = Mat::<f32>::from_fn(DIM, candidates, |i, j| (i * 3 + j) as f32);
        let mut out = Mat::<f32>::zeros(rows, candidates);
        for _ in 0..400 {
            matmul(out.as_mut(), Accum::Replace, a.as_ref(), b.as_ref(), 1.0, Par::Seq);
        }
        black_box(out);
    };
    let cores = rayon::current_num_threads();
    let operations = (cores * 400 * 2 * rows * DIM * candidates) as f64;
    let run = |_| {
        let start = Instant::now();
        (0..cores).into_par_iter().for_each(|_| work());
        operations / seconds(start)
    };
    (0..7).map(run).fold(0.0, f64::max)
}

/// Bytes per second that all cores read from memory: the best of some runs.
fn bandwidth() -> f64 {
    let values = vec![1.0f32; 128 << 20];
    let run = |_| {
        let start = Instant::now();
        black_box(
            values
                .par_chunks(1 << 20)
                .map(|part| part.iter().copied().map(f32::to_bits).fold(0u32, u32::wrapping_add))
                .sum::<u32>(),
        );
        (values.len() * 4) as f64 / seconds(start)
    };
    (0..5).map(run).fold(0.0, f64::max)
}

fn seconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}

/// The most memory that the program had so far, in GiB (where the system tells).
fn most_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kib: f64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    kib / (1 << 20) as f64
}
