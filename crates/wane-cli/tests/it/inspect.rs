//! `wane inspect`: the account of a log, for people and for machines.

use std::fs;

use serde_json::json;

use super::run::{done, failure, json, keys};
use super::shop::{Log, shop};

const DIRTY: &str = "user,item,time,behaviour\n\
    ann,tea,2024-01-01,pv\n\
    ann,tea,2024-01-01,pv\n\
    bob,tea,never,buy\n\
    ,tea,2024-01-02,buy\n\
    bob,mug,2024-01-03,buy\n";

#[test]
fn people_read_what_became_of_every_row() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log.csv"), DIRTY).unwrap();
    let text = done(folder.path(), "inspect log.csv --max-reject 50% --rejects rejects.csv");
    assert!(text.contains("columns: item = item, time = time, type = behaviour, user = user"), "{text}");
    assert!(
        text.contains("3 events of 2 users on 2 items, 2024-01-01T00:00:00Z to 2024-01-03T00:00:00Z"),
        "{text}"
    );
    assert!(text.contains("Exact duplicates among the events: 1"), "{text}");
    assert_eq!(fs::read_to_string(folder.path().join("rejects.csv")).unwrap().lines().count(), 1 + 2);
}

#[test]
fn machines_read_the_agreed_keys() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log.csv"), DIRTY).unwrap();
    let account = json(folder.path(), "inspect log.csv --max-reject 50% --dedupe --json");
    for (key, expected) in [
        ("rows", json!(5)),
        ("accepted", json!(2)),
        ("users", json!(2)),
        ("items", json!(2)),
        ("event_types", json!({ "view": 1, "purchase": 1 })),
        ("first", json!("2024-01-01T00:00:00Z")),
        ("last", json!("2024-01-03T00:00:00Z")),
        ("dropped", json!({ "duplicate": 1 })),
    ] {
        assert_eq!(account[key], expected, "{key}");
    }
    let rejected: u64 = account["rejected"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(rejected, 2);
    assert_eq!(keys(&account["rejected"]).len(), 2);
}

#[test]
fn too_many_rejects_end_the_work_and_say_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log.csv"), DIRTY).unwrap();
    let message = failure(folder.path(), "inspect log.csv");
    assert!(message.starts_with("2 of 5 rows rejected (40.00 %, above the limit of 1.00 %): "), "{message}");
    assert!(
        message.ends_with("Mend the rows, see them with --rejects FILE, or raise --max-reject"),
        "{message}"
    );
}

#[test]
fn a_recbole_header_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_inter(&folder.path().join("log.inter"));
    let account = json(folder.path(), "inspect log.inter --json");
    assert_eq!(account["accepted"], 360);
    assert_eq!(account["rejected"], json!({}));
    assert_eq!(account["first"], "2023-11-14T22:13:20Z");
    let columns = json!({ "user": "user_id", "item": "item_id", "time": "timestamp", "value": "rating" });
    assert_eq!(account["files"][0]["columns"], columns);
}

#[test]
fn a_simulated_shop_has_no_dirt() {
    let account = json(shop(), "inspect shop/events.parquet --json");
    assert_eq!(account["rows"], account["accepted"]);
    assert_eq!(account["rejected"], json!({}));
}
