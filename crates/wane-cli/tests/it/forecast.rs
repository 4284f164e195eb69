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

#[test]
fn interests_are_forecast_by_category() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("interests.csv");
    let log = "shop/events.parquet --catalogue shop/catalogue.parquet";
    let said =
        done(shop(), &format!("forecast {log} --by category --horizon 7d --show 3 --out {}", file.display()));
    assert!(said.contains("interests of users") && said.contains("half-life now"), "{said}");
    let rows = std::fs::read_to_string(&file).unwrap();
    assert!(rows.starts_with("user,key,days,last_seen_days,probability,expected,half_life_days\n"), "{rows}");
    for row in rows.lines().skip(1) {
        let number = |place: usize| row.split(',').nth(place).unwrap().parse::<f64>().unwrap();
        assert!((0.0..=1.0).contains(&number(4)) && number(5) >= 0.0, "{row}");
    }
}

#[test]
fn forecasts_are_judged_beside_baselines() {
    let log = "shop/events.parquet --catalogue shop/catalogue.parquet";
    let said = done(shop(), &format!("evaluate {log} --task forecast --horizon 7d"));
    for model in ["wane", "recency, frequency (logistic)", "one half-life for all", "BG/NBD"] {
        assert!(said.contains(model), "{said}");
    }
    let json = done(shop(), &format!("evaluate {log} --task forecast --horizon 7d --json"));
    let found: Value = serde_json::from_str(&json).unwrap();
    let auc = |place: usize| found["models"][place]["auc"].as_f64().unwrap();
    assert!(auc(0) > 0.6, "{found}");
    assert_eq!(found["models"][0]["brier_difference"], Value::Null);
}

#[test]
fn what_a_forecast_cannot_use_is_refused() {
    let said = failure(shop(), "evaluate shop/events.parquet --task forecast --horizon 400d");
    assert!(said.contains("`horizon`") && said.contains("a part of the log's"), "{said}");
    let said = failure(shop(), "evaluate shop/events.parquet --horizon 7d");
    assert!(said.contains("belong to --task forecast"), "{said}");
    let said = failure(shop(), "forecast shop/events.parquet --by category");
    assert!(said.contains("--catalogue"), "{said}");
    let said = failure(shop(), "forecast shop/events.parquet --catalogue shop/catalogue.parquet");
    assert!(said.contains("add --by category"), "{said}");
    let said = failure(shop(), "evaluate shop/events.parquet --task forecast --models trace --report r.html");
    assert!(said.contains("--models, --report belong to --task ranking"), "{said}");
}
