//! `wane simulate`: the same seed gives the same shop, in the format that was asked for.

use std::fs;

use serde_json::Value;

use super::run::{done, failure, json};

#[test]
fn the_same_seed_gives_the_same_shop() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = "--users 20 --items 15 --days 20 --format csv";
    for (out, seed) in [("a", 1), ("b", 1), ("c", 2)] {
        done(folder.path(), &format!("simulate --out {out} {sizes} --seed {seed}"));
    }
    let read = |shop: &str, file: &str| fs::read(folder.path().join(shop).join(file)).unwrap();
    for file in ["events.csv", "catalogue.parquet", "truth.json"] {
        assert_eq!(read("a", file), read("b", file), "{file}");
    }
    assert_ne!(read("a", "events.csv"), read("c", "events.csv"));
    let truth: Value = serde_json::from_slice(&read("a", "truth.json")).unwrap();
    assert_eq!(truth["seed"], 1);
    assert_eq!(truth["settings"]["days"], 20.0);
}

#[test]
fn csv_and_parquet_hold_the_same_events() {
    let folder = tempfile::tempdir().unwrap();
    let account = |format: &str| {
        done(
            folder.path(),
            &format!("simulate --out {format} --users 20 --items 15 --days 20 --format {format}"),
        );
        let account = json(folder.path(), &format!("inspect {format}/events.{format} --json"));
        ["accepted", "users", "items", "event_types", "first", "last", "gaps"].map(|key| account[key].clone())
    };
    assert_eq!(account("csv"), account("parquet"));
}

#[test]
fn an_empty_shop_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let message = failure(folder.path(), "simulate --out shop --users 0");
    assert_eq!(message, "setting `users`: expected 1 to 4294967295, got 0");
}
