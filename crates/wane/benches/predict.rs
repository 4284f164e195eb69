//! What one prediction costs: scoring with a reused table, and the best twenty of it.
//!
//! `cargo bench -p wane --bench predict`
//!
//! - Simulated sessions: a shop of 10,000 users and 5,000 items. Every hundredth user is asked about, after each event.
//! - Serenade's sample, where `WANE_BOL_SESSIONS` names the folder that holds its `train.txt` and `test.txt`, with the
//!   settings of `docs/evaluation-serenade.md`; else a line says that it was skipped.
//!
//! A line per model gives the percentiles over single predictions, which is what a user waits for; Criterion then
//! measures the mean against the run before.

// A benchmark is a program: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use wane::events::read::{ReadOptions, read_events};
use wane::events::{EventLog, UserId, join};
use wane::recommend::{
    ItemKnnSettings, PersonalFrequencySettings, Query, Recommender, Scores, TifuKnnSettings, Training,
    VmisKnnSettings, top_k,
};
use wane::simulate::{ShopSettings, simulate};

const K: usize = 20;
const ROUNDS: usize = 5;

criterion_group!(benches, simulated, serenade);
criterion_main!(benches);

fn simulated(criterion: &mut Criterion) {
    let settings = ShopSettings { users: 10_000, items: 5_000, days: 60.0, ..ShopSettings::default() };
    let log = simulate(&settings, 1).unwrap().log;
    let asked: Vec<_> = log.histories().map(|(user, _)| user).step_by(100).collect();
    let training = Training::new(&log, None, 1);
    let models: [(&str, Box<dyn Recommender>); 4] = [
        ("personal-frequency", Box::new(PersonalFrequencySettings::default().fit(&training).unwrap())),
        ("item-knn", Box::new(ItemKnnSettings::default().fit(&training).unwrap())),
        ("vmis-knn", Box::new(VmisKnnSettings::default().fit(&training).unwrap())),
        ("tifu-knn", Box::new(TifuKnnSettings::default().fit(&training).unwrap())),
    ];
    for (name, model) in &models {
        measure(criterion, &format!("simulated/{name}"), model.as_ref(), &log, &asked);
    }
}

fn serenade(criterion: &mut Criterion) {
    let Some(folder) = std::env::var_os("WANE_BOL_SESSIONS").map(PathBuf::from) else {
        println!("serenade: skipped, WANE_BOL_SESSIONS names no folder");
        return;
    };
    let (known, asked) = (read(&folder, "train.txt"), read(&folder, "test.txt"));
    let log = join(&[&known, &asked]).unwrap().log;
    let asked: Vec<_> =
        asked.users().iter().map(|name| UserId(log.users().position(name).unwrap())).collect();
    let training = log.filter(|user, _, _| asked.binary_search(&user).is_err());
    let training = Training::new(&training, None, 1);
    let settings =
        VmisKnnSettings { sessions: 1_502, neighbours: 288, last_events: 4, ..VmisKnnSettings::default() };
    let model = settings.fit(&training).unwrap();
    measure(criterion, "serenade/vmis-knn", &model, &log, &asked);
}

fn read(folder: &Path, name: &str) -> EventLog {
    read_events(&[folder.join(name)], &ReadOptions::default()).unwrap().0
}

/// Asks after each event of each user but the last.
fn measure(criterion: &mut Criterion, name: &str, model: &dyn Recommender, log: &EventLog, users: &[UserId]) {
    let queries: Vec<Query<'_>> = users
        .iter()
        .map(|&user| log.history(user))
        .flat_map(|history| (1..history.len()).map(move |known| (history, known)))
        .map(|(history, known)| Query {
            history: history.first(known),
            as_of: history.times()[known],
            candidates: None,
        })
        .collect();
    let mut scores = Scores::new(model.n_items());
    let mut micros: Vec<f64> = (0..ROUNDS)
        .flat_map(|_| &queries)
        .map(|query| {
            let start = Instant::now();
            predict(model, query, &mut scores);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[(micros.len() as f64 * share) as usize];
    let (p50, p90, p99) = (at(0.5), at(0.9), at(0.99));
    println!("{name}: {} questions, p50 {p50:.1} us, p90 {p90:.1} us, p99 {p99:.1} us", queries.len());
    let mut turn = queries.iter().cycle();
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| predict(model, turn.next().unwrap(), &mut scores));
    });
}

fn predict(model: &dyn Recommender, query: &Query<'_>, scores: &mut Scores) {
    scores.clear();
    model.score(query, scores);
    black_box(top_k(scores, K, |_| true));
}
