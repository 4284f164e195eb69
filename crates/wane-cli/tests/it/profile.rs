//! `wane profile`: one user in full, all users in tags.

use serde_json::Value;

use super::run::{done, failure};
use super::shop::shop;

const LOG: &str = "shop/events.parquet --catalogue shop/catalogue.parquet --horizon 7d";

/// Tags of the shop, as lines.
fn tags(more: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tags.csv");
    done(shop(), &format!("profile {LOG} --tags {more} --out {}", file.display()));
    std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn tags_are_the_likeliest_interests_of_each_user() {
    let lines = tags("--by category,brand --top 3 --least 10%");
    let head =
        "user,kind,tag,rank,strength_per_day,probability,half_life_days,last_seen_days,days".to_owned();
    assert_eq!(lines.first(), Some(&head));
    assert!(lines.len() > 10 && lines.iter().any(|line| line.contains(",brand,")), "{lines:?}");
    let mut last: Option<(String, f64)> = None;
    for line in &lines[1..] {
        let cells: Vec<&str> = line.split(',').collect();
        let (rank, probability): (u32, f64) = (cells[3].parse().unwrap(), cells[5].parse().unwrap());
        assert!((1..=3).contains(&rank) && (0.1..=1.0).contains(&probability), "{line}");
        let follows = last.filter(|last| last.0 == cells[0]);
        assert_eq!(follows.is_some(), rank > 1, "{line}");
        assert!(follows.is_none_or(|last| last.1 >= probability), "{line}");
        last = Some((cells[0].to_owned(), probability));
    }
}

#[test]
fn a_user_is_shown_with_the_course_of_each_interest() {
    let user = tags("--top 1")[1].split(',').next().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("user.html");
    let said = done(shop(), &format!("profile {LOG} --user {user} --report {}", page.display()));
    assert!(said.contains("events to come in 7 d") && said.contains("half-life now"), "{said}");
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("Interests of") && page.contains("events per day"));
    let found: Value =
        serde_json::from_str(&done(shop(), &format!("profile {LOG} --user {user} --json"))).unwrap();
    for interest in found["interests"].as_array().unwrap() {
        let end = interest["ahead"].as_array().unwrap().last().unwrap();
        let number = |name: &str| end[name].as_f64().unwrap();
        assert!((number("days") - 7.0).abs() < 1e-9, "{end}");
        assert!(number("low") <= number("events") + 1.0 && number("events") <= number("high") + 1.0, "{end}");
        assert!((number("events") - interest["expected"].as_f64().unwrap()).abs() < 1e-9, "{interest}");
        assert!(interest["past"].as_array().unwrap().iter().all(|point| point[1].as_f64().unwrap() >= 0.0));
    }
}

#[test]
fn what_cannot_be_told_says_why() {
    let said = failure(shop(), &format!("profile {LOG} --user nobody"));
    assert!(said.contains("a user of the log (ids look like"), "{said}");
    let said = failure(shop(), "profile shop/events.parquet --tags --by category");
    assert!(said.contains("--catalogue"), "{said}");
    let said = failure(shop(), &format!("profile {LOG} --tags --as-of 2031-01-01"));
    assert!(said.contains("where the log ends"), "{said}");
    let said = failure(shop(), &format!("profile {LOG} --tags --least 200%"));
    assert!(said.contains("--least: expected a share from 0% to 100%"), "{said}");
    let said = failure(shop(), &format!("profile {LOG} --user nobody --by category,brand"));
    assert!(said.contains("one --by"), "{said}");
}
