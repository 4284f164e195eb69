//! `wane forecast`: what is to come from each user.

use serde_json::Value;

use super::run::{done, failure, json};
use super::shop::shop;

#[test]
fn users_are_forecast_for_people_and_machines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.csv");
    let said =
        done(shop(), &format!("forecast shop/events.parquet --horizon 2w --show 3 --out {}", file.display()));
    for words in [
        "visits are to come in 14 d, worth",
        "BG/NBD -",
        "Pareto/NBD -",
        "the likelier law",
        "of visits have a value",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let rows = std::fs::read_to_string(&file).unwrap();
    assert!(
        rows.starts_with(
            "user,repeats,recency_days,age_days,active,expected,value_per_visit,expected_value\n"
        ),
        "{rows}"
    );
    let found: Value = serde_json::from_str(&done(shop(), "forecast shop/events.parquet --json")).unwrap();
    let users = found["users"].as_array().unwrap();
    assert_eq!(users.len(), rows.lines().count() - 1);
    for user in users {
        let number = |name: &str| user[name].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&number("active")) && number("expected") >= 0.0, "{user}");
        assert!(
            (number("expected_value") - number("expected") * number("value_per_visit")).abs() < 1e-9,
            "{user}"
        );
    }
}

#[test]
fn the_law_may_be_asked_for() {
    let likelihood = |found: &Value| found["model"]["log_likelihood"].as_f64().unwrap();
    let asked = |name: &str| json(shop(), &format!("forecast shop/events.parquet --model {name} --json"));
    let (one, other) = (asked("bg-nbd"), asked("pareto-nbd"));
    assert_eq!((&one["model"]["law"], &other["model"]["law"]), (&"bg-nbd".into(), &"pareto-nbd".into()));
    assert_eq!(one["compared"], other["compared"]);
    let best = json(shop(), "forecast shop/events.parquet --json");
    assert_eq!(likelihood(&best), likelihood(&one).max(likelihood(&other)));
    let said = failure(
        shop(),
        "forecast shop/events.parquet --catalogue shop/catalogue.parquet --by category --model bg-nbd",
    );
    assert!(said.contains("leave one of both out"), "{said}");
}

#[test]
fn values_come_with_what_to_know_before_believing_them() {
    let folder = tempfile::tempdir().unwrap();
    // Who comes more often spends more, and there is a return.
    let mut rows = "user,item,time,amount\n".to_owned();
    for user in 0..40i64 {
        for visit in 0..=user % 8 {
            let time = 1_700_000_000 + 86_400 * (user % 5 + visit * (4 + user % 3));
            rows += &format!("u{user},x,{time},{}\n", 5 + 9 * (user % 8) + visit % 2);
        }
    }
    rows += "u7,x,1700000000,-3\n";
    std::fs::write(folder.path().join("sales.csv"), rows).unwrap();
    let said = done(folder.path(), "forecast sales.csv --map value=amount");
    for words in [
        "gamma-gamma",
        "1 events have a value not above 0",
        "Warning: it is not. Expect values to be too low for",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let said = done(folder.path(), "forecast sales.csv");
    assert!(!said.contains("gamma-gamma"), "{said}");
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
    assert!(
        rows.starts_with("user,key,days,last_seen_days,per_day,probability,expected,half_life_days\n"),
        "{rows}"
    );
    for row in rows.lines().skip(1) {
        let number = |place: usize| row.split(',').nth(place).unwrap().parse::<f64>().unwrap();
        assert!((0.0..=1.0).contains(&number(5)) && number(4) >= 0.0 && number(6) >= 0.0, "{row}");
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
    let said =
        failure(shop(), "evaluate shop/events.parquet --task forecast --models trace --model m --tune 3");
    assert!(said.contains("--models, --model, --tune belong to --task ranking"), "{said}");
}
