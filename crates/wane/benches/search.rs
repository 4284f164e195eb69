//! What one search for the best twenty items costs on one core, and what the approximate one misses.
//!
//! `cargo bench -p wane --bench search`
//!
//! Items are a mixture of Gaussians in 64 places, with lengths that vary and offsets; questions are near items. A line
//! for each index gives its build time, the percentiles over single searches, and the recall of the exact list.

// A benchmark is a program: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use wane::recommend::{ApproximateIndex, ExactIndex, Scored};

const DIM: usize = 64;
const K: usize = 20;
const QUERIES: usize = 1_000;

fn main() {
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    single.install(|| {
        exact("exact, 100,000 items", &Shop::new(100_000, 500, 0.6));
        exact("exact, 200,000 items", &Shop::new(200_000, 500, 0.6));
        approximate("1,000,000 items in 500 groups", &Shop::new(1_000_000, 500, 0.6));
        approximate("1,000,000 items in 5 wide groups", &Shop::new(1_000_000, 5, 1.0));
        approximate("1,000,000 items in 20,000 groups", &Shop::new(1_000_000, 20_000, 0.6));
    });
}

/// Items and questions about them.
struct Shop {
    vectors: Vec<f32>,
    offsets: Vec<f32>,
    queries: Vec<Vec<f32>>,
}

impl Shop {
    fn new(items: usize, groups: usize, width: f32) -> Self {
        let mut random = StdRng::seed_from_u64(1);
        let mut normal =
            |n: usize| -> Vec<f32> { (0..n).map(|_| random.sample::<f32, _>(StandardNormal)).collect() };
        let centres = normal(groups * DIM);
        let mut vectors = normal(items * DIM);
        let lengths = normal(items);
        let offsets = normal(items).iter().map(|value| 3.0 * value).collect();
        let noise = normal(QUERIES * DIM);
        for (item, vector) in vectors.chunks_exact_mut(DIM).enumerate() {
            let centre = &centres[item % groups * DIM..][..DIM];
            let length = (0.25 * lengths[item]).exp();
            vector.iter_mut().zip(centre).for_each(|(value, mean)| *value = length * (mean + width * *value));
        }
        let queries = noise
            .chunks_exact(DIM)
            .map(|noise| {
                let item = random.random_range(0..items);
                vectors[item * DIM..][..DIM]
                    .iter()
                    .zip(noise)
                    .map(|(value, noise)| value + 0.5 * noise)
                    .collect()
            })
            .collect();
        Self { vectors, offsets, queries }
    }
}

fn exact(name: &str, shop: &Shop) {
    let start = Instant::now();
    let index = ExactIndex::new(shop.vectors.clone(), DIM).unwrap();
    let built = start.elapsed().as_secs_f64();
    measure(name, built, shop, |query| index.best(query, &shop.offsets, K, |_| true));
}

fn approximate(name: &str, shop: &Shop) {
    let exact = ExactIndex::new(shop.vectors.clone(), DIM).unwrap();
    let start = Instant::now();
    let index = ApproximateIndex::build(shop.vectors.clone(), DIM, &shop.offsets, 1).unwrap();
    let built = start.elapsed().as_secs_f64();
    let all =
        measure(&format!("exact, {name}"), 0.0, shop, |query| exact.best(query, &shop.offsets, K, |_| true));
    let found = measure(&format!("approximate, {name}"), built, shop, |query| {
        index.best(query, &shop.offsets, K, |_| true)
    });
    println!("    recall {:.4}", recall(&found, &all));
    for every in [10, 1_000] {
        let all: Vec<_> = shop
            .queries
            .iter()
            .map(|query| exact.best(query, &shop.offsets, K, |item| item.0 % every == 1))
            .collect();
        let name = format!("approximate, 1 item of {every} kept, {name}");
        let found = measure(&name, built, shop, |query| {
            index.best(query, &shop.offsets, K, |item| item.0 % every == 1)
        });
        println!("    recall {:.4}", recall(&found, &all));
    }
}

fn measure(name: &str, built: f64, shop: &Shop, search: impl Fn(&[f32]) -> Vec<Scored>) -> Vec<Vec<Scored>> {
    let mut micros = Vec::new();
    let mut found = Vec::new();
    for query in &shop.queries {
        let start = Instant::now();
        found.push(black_box(search(query)));
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[(micros.len() as f64 * share) as usize];
    let (p50, p90, p99) = (at(0.5), at(0.9), at(0.99));
    println!("{name}: built in {built:.1} s, p50 {p50:.0} us, p90 {p90:.0} us, p99 {p99:.0} us");
    found
}

/// The share of the exact lists that was found.
fn recall(found: &[Vec<Scored>], all: &[Vec<Scored>]) -> f64 {
    let hits: usize = found
        .iter()
        .zip(all)
        .map(|(found, all)| all.iter().filter(|item| found.contains(item)).count())
        .sum();
    hits as f64 / all.iter().map(Vec::len).sum::<usize>() as f64
}
