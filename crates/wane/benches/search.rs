//! What one search for the best twenty items costs on one core, and what the approximate one misses.
//!
//! `cargo bench -p wane --bench search`
//!
//! Items are a mixture of Gaussians in 64 places, with lengths that vary and offsets; questions are near items. Lines
//! give build times, the percentiles over single searches, and how much of the exact lists the approximate ones hold.

// A benchmark is a program: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use wane::events::ItemId;
use wane::recommend::{ApproximateIndex, ExactIndex, Scored, Usual};

const DIM: usize = 64;
const K: usize = 20;
const QUERIES: usize = 1_000;

fn main() {
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    single.install(|| {
        for items in [100_000, 200_000] {
            println!("{items} items in 500 groups");
            exact(&Shop::new(items, 500, 0.6));
        }
        // Wide groups have little between them; of small ones a cell holds many, and promises what few of it keep.
        for (groups, width) in [(500, 0.6), (5, 1.0), (20_000, 0.6)] {
            println!("1000000 items in {groups} groups of width {width}");
            approximate(&Shop::new(1_000_000, groups, width));
        }
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

    fn usual(&self) -> Usual<'_> {
        Usual { offsets: &self.offsets, ..Usual::default() }
    }
}

fn exact(shop: &Shop) {
    let start = Instant::now();
    let index = ExactIndex::new(shop.vectors.clone(), DIM, shop.usual()).unwrap();
    println!("  exact: built in {:.2} s", start.elapsed().as_secs_f64());
    let offsets = index.offsets(&shop.offsets);
    measure("exact", shop, |query| index.best(query, &offsets, K, |_| true));
}

fn approximate(shop: &Shop) {
    let exact = ExactIndex::new(shop.vectors.clone(), DIM, shop.usual()).unwrap();
    let start = Instant::now();
    let index = ApproximateIndex::build(shop.vectors.clone(), DIM, shop.usual(), 1).unwrap();
    println!("  approximate: built in {:.1} s", start.elapsed().as_secs_f64());
    let (of_exact, of_index) = (exact.offsets(&shop.offsets), index.offsets(&shop.offsets));
    for every in [1, 10, 1_000] {
        let keep = |item: ItemId| item.0.is_multiple_of(every);
        println!("  one item of {every} kept");
        let all = measure("exact", shop, |query| exact.best(query, &of_exact, K, keep));
        let found = measure("approximate", shop, |query| index.best(query, &of_index, K, keep));
        println!("    recall {:.4}", recall(&found, &all));
    }
}

fn measure(name: &str, shop: &Shop, search: impl Fn(&[f32]) -> Vec<Scored>) -> Vec<Vec<Scored>> {
    let mut micros = Vec::new();
    let mut found = Vec::new();
    for query in &shop.queries {
        let start = Instant::now();
        found.push(black_box(search(query)));
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let mean = micros.iter().sum::<f64>() / micros.len() as f64;
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[(micros.len() as f64 * share) as usize];
    let (p50, p90, p99) = (at(0.5), at(0.9), at(0.99));
    println!("    {name}: mean {mean:.0} us, p50 {p50:.0} us, p90 {p90:.0} us, p99 {p99:.0} us");
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
