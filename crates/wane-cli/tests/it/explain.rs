//! `wane explain`: shares that add up, and what a score would be without an event.

use std::fs;

use serde_json::Value;

use super::run::{done, failure, json, keys};
use super::shop::{Log, shop, trace_model};

const QUESTION: &str = "--user u000 --item i01";

fn sum(shares: &Value) -> f64 {
    shares.as_array().unwrap().iter().map(|group| group["share"].as_f64().unwrap()).sum()
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} is not {b}");
}

#[test]
fn machines_read_shares_that_sum_to_the_score_however_they_are_grouped() {
    for model in ["model", trace_model()] {
        let account = json(shop(), &format!("explain {model} {QUESTION} --json"));
        let expected = [
            "as_of",
            "by_category",
            "by_event_type",
            "by_relation",
            "events",
            "item",
            "items",
            "rank",
            "reasons",
            "remainder",
            "score",
            "title",
            "user",
        ];
        assert_eq!(keys(&account), expected);
        let reasons = sum(&account["reasons"]);
        let remainder: f64 =
            account["remainder"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).sum();
        close(reasons + remainder, account["score"].as_f64().unwrap());
        for groups in ["by_category", "by_event_type", "by_relation"] {
            close(sum(&account[groups]), reasons);
        }
    }
}

#[test]
fn score_and_rank_are_those_of_the_list() {
    for model in ["model", trace_model()] {
        let lists = json(shop(), &format!("recommend {model} --user u000 -k 60 --json"));
        let list = lists[0]["items"].as_array().unwrap();
        let place = list.iter().position(|item| item["item"] == "i01").unwrap();
        let account = json(shop(), &format!("explain {model} {QUESTION} --json"));
        assert_eq!(account["rank"], place + 1);
        close(account["score"].as_f64().unwrap(), list[place]["score"].as_f64().unwrap());
        assert_eq!(account["as_of"], lists[0]["as_of"]);
    }
}

#[test]
fn people_read_a_table_and_the_same_score_without_an_event() {
    let text = done(shop(), &format!("explain {} {QUESTION} --without 1 --without 3", trace_model()));
    assert!(text.contains("(i01) for u000 as of 2024-"), "{text}");
    for expected in [" decay ", " relation ", " popularity ", " item ", " sum ", " category ", " event type "]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(text.contains("smaller reasons (see them with --all)"), "{text}");
    assert!(text.contains("If these events had not happened") && text.contains("without 1, 3"), "{text}");
    let all = done(shop(), &format!("explain {} {QUESTION} --all", trace_model()));
    assert!(!all.contains("--all") && !all.contains("If these"), "{all}");
}

/// The newest event leaves a history that is known by itself: that of a moment ago.
#[test]
fn without_the_newest_event_the_score_is_that_of_the_history_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |newer: &str, more: &str| {
        let path = folder.path().join("newer.csv");
        fs::write(&path, format!("user,item,time,type\nnewcomer,i01,2024-03-01,cart\n{newer}")).unwrap();
        let line =
            format!("--user newcomer --item i04 --as-of 2024-03-09 --events {} --json", path.display());
        json(shop(), &format!("explain {} {line} {more}", trace_model()))
    };
    let both = ask("newcomer,i04,2024-03-05,view\n", "--without 2");
    let one = ask("", "");
    assert_eq!((&both["events"], &one["events"]), (&2.into(), &1.into()));
    assert_eq!((&both["without"]["score"], &both["without"]["rank"]), (&one["score"], &one["rank"]));
    assert_ne!(both["score"], one["score"]);
    let event = &both["without"]["events"][0];
    assert_eq!((&event["place"], &event["item"], &event["type"]), (&2.into(), &"i04".into(), &"view".into()));
}

#[test]
fn a_model_without_a_catalogue_has_no_categories() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    done(folder.path(), "fit log.csv --model personal-frequency --out model");
    let account = json(folder.path(), "explain model --user u00 --item i00 --json");
    assert_eq!(account["by_category"], Value::Array(Vec::new()));
    let text = done(folder.path(), "explain model --user u00 --item i00");
    assert!(text.contains("i00 for u00 as of ") && !text.contains("category"), "{text}");
}

#[test]
fn what_is_not_there_is_named() {
    for (question, expected) in [
        ("--user nobody --item i01", "user `nobody` has no events in the model's log (ids look like `u000`)"),
        (
            "--user u000 --item tea",
            "item `tea` is unknown to the model (ids look like `i00`); name a --catalogue",
        ),
        (
            "--user u000 --item i01 --as-of 2024-01-01 --without 1",
            "setting `without`: expected no event, as u000 has none before 2024-01-01T00:00:00Z, got 1",
        ),
        ("--user u000 --item i01 --without 999", "expected the number of an event of u000 before "),
    ] {
        let message = failure(shop(), &format!("explain model {question}"));
        assert!(message.contains(expected), "{message}");
    }
}
