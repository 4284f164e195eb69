//! `wane forecast`: what is to come from each user.

use serde_json::Value;

use super::run::{done, failure};
use super::shop::shop;

#[test]
fn users_are_forecast_for_people_and_machines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.csv");
    let said =
        done(shop(), &format!("forecast shop/events.parquet --horizon 2w --show 3 --out {}", file.display()));
    assert!(said.contains("visits are to come in 14 d") && said.contains("BG/NBD"), "{said}");
    let rows = std::fs::read_to_string(&file).unwrap();
    assert!(rows.starts_with("user,repeats,recency_days,age_days,active,expected\n"), "{rows}");
    let found: Value = serde_json::from_str(&done(shop(), "forecast shop/events.parquet --json")).unwrap();
    let users = found["users"].as_array().unwrap();
    assert_eq!(users.len(), rows.lines().count() - 1);
    for user in users {
        let number = |name: &str| user[name].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&number("active")) && number("expected") >= 0.0, "{user}");
    }
}

#[test]
fn what_cannot_be_forecast_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("once.csv"), "user,item,time\na,x,1700000000\nb,x,1700000009\n")
        .unwrap();
    let said = failure(folder.path(), "forecast once.csv");
    assert!(said.contains("no user came back on another day"), "{said}");
    let said = failure(shop(), "forecast shop/events.parquet --horizon soon");
    assert!(said.contains("a duration such as 30m"), "{said}");
}
