//! How long a restart takes with many users, and what a look at every page would add to it.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use wane::events::Timestamp;
use wane_serve::{Durability, NewEvent, Store};

use super::Settings;
use super::rounds::{percentile, size};
use super::server::Server;

/// Events of a user.
const EACH: usize = 3;
/// Users of one commit.
const TOGETHER: usize = 10_000;
const START: i64 = 1_735_689_600_000;

/// Fills a folder, and measures starts after kills.
pub(crate) fn run(settings: &Settings, users: usize) -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let start = Instant::now();
    fill(&state, users);
    println!(
        "{users} users with {EACH} events each: {} MB, filled in {:.0} s",
        size(&state) >> 20,
        start.elapsed().as_secs_f64()
    );
    let mut times = Vec::new();
    for round in 0..settings.rounds.unwrap_or(5) {
        let mut server = match Server::start(settings, &state) {
            Ok(server) => server,
            Err(violation) => {
                println!("VIOLATION: {violation}");
                return ExitCode::FAILURE;
            }
        };
        times.push(server.ready);
        // Something is in the log when the kill comes.
        write(&server, round);
        server.kill();
        println!(
            "restart to ready: {:?}; {} KB in the log at the kill",
            server.ready,
            log_size(&state) >> 10
        );
    }
    println!("restart to ready: median {:?}, most {:?}", percentile(&mut times, 50), longest(&times));
    let start = Instant::now();
    println!("a look at every page (PRAGMA quick_check): {} in {:?}", quick_check(&state), start.elapsed());
    ExitCode::SUCCESS
}

fn fill(state: &Path, users: usize) {
    let mut store = Store::open(state, Durability::Os).unwrap();
    for first in (0..users).step_by(TOGETHER) {
        let last = (first + TOGETHER).min(users);
        let events: Vec<NewEvent> =
            (first..last).flat_map(|user| (0..EACH).map(move |n| event(user, n))).collect();
        store.append(&[&events]).unwrap();
    }
}

fn event(user: usize, n: usize) -> NewEvent {
    NewEvent {
        user: format!("user-{user:08}"),
        item: format!("item-{}", (user * 31 + n * 7) % 10_000),
        event_type: "view".into(),
        time: Timestamp::from_millis(START + (user * 13 + n * 1_000) as i64),
        value: None,
        event_id: Some(format!("{user}-{n}")),
    }
}

fn write(server: &Server, round: usize) {
    let mut connection = server.connect();
    for n in 0..100 {
        let events: Vec<serde_json::Value> = (0..20)
            .map(|place| serde_json::json!({"user_id": format!("user-{:08}", (n * 20 + place) * 457), "item_id": "later", "event_id": format!("later-{round}-{n}")}))
            .collect();
        let body = serde_json::Value::Array(events).to_string();
        assert_eq!(connection.ask("POST", "/v1/events", "application/json", &body).unwrap().0, 202);
    }
}

/// What a start does not do, for it reads the whole file.
fn quick_check(state: &Path) -> String {
    let connection = rusqlite::Connection::open(state.join("state.sqlite")).unwrap();
    connection.query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap()
}

fn log_size(state: &Path) -> u64 {
    std::fs::metadata(state.join("state.sqlite-wal")).map(|file| file.len()).unwrap_or(0)
}

fn longest(times: &[Duration]) -> Duration {
    times.iter().max().copied().unwrap_or_default()
}
