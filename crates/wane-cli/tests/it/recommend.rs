//! `wane recommend`: lists with reasons that add up, filters, newer events, and files of lists.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use wane::events::read::Table;

use super::run::{done, failure, json, keys, wane};
use super::shop::{Log, shop};

/// One user's list as JSON.
fn list(more: &str) -> Vec<Value> {
    let answers = json(shop(), &format!("recommend model --user u000 --json {more}"));
    answers[0]["items"].as_array().unwrap().clone()
}

fn ids(list: &[Value]) -> Vec<String> {
    list.iter().map(|item| item["item"].as_str().unwrap().to_owned()).collect()
}

fn reasons(item: &Value) -> &Vec<Value> {
    item["reasons"].as_array().unwrap()
}

fn adds_up(item: &Value) {
    let shares = reasons(item).iter().map(|reason| reason["share"].as_f64().unwrap());
    let rest = item["remainder"].as_object().unwrap().values().map(|share| share.as_f64().unwrap());
    let (sum, score) = (shares.chain(rest).sum::<f64>(), item["score"].as_f64().unwrap());
    assert!((sum - score).abs() <= 1e-5 * score.abs().max(1.0), "{sum} is not {score}");
}

#[test]
fn machines_read_scores_and_the_shares_that_sum_to_them() {
    let answers = json(shop(), "recommend model --user u000 --json -k 5");
    assert_eq!(answers.as_array().unwrap().len(), 1);
    assert_eq!(keys(&answers[0]), ["as_of", "items", "user"]);
    let items = answers[0]["items"].as_array().unwrap();
    assert_eq!(items.len(), 5);
    for item in items {
        assert_eq!(keys(item), ["item", "reasons", "remainder", "score", "title"]);
        adds_up(item);
        for reason in reasons(item) {
            assert_eq!(keys(reason), ["age_days", "decay", "event", "relation", "share"]);
            assert_eq!(keys(&reason["event"]), ["item", "place", "time", "title", "type"]);
        }
    }
    let scores: Vec<f64> = items.iter().map(|item| item["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
}

#[test]
fn people_read_titles_and_why() {
    let text = done(shop(), "recommend model --user u000 --explain -k 3");
    assert!(text.starts_with("For u000 as of 2024-"), "{text}");
    assert!(text.contains("because") && text.contains(" % ") && text.contains(" ago ("), "{text}");
    assert!(!done(shop(), "recommend model --user u000 -k 3").contains("because"));
}

#[test]
fn all_users_are_answered_in_their_order() {
    let answers = json(shop(), "recommend model --users all --json -k 3");
    let answers = answers.as_array().unwrap();
    let users: Vec<&str> = answers.iter().map(|answer| answer["user"].as_str().unwrap()).collect();
    assert!(users.len() > 150 && users.is_sorted(), "{users:?}");
    answers.iter().flat_map(|answer| answer["items"].as_array().unwrap()).for_each(adds_up);
}

#[test]
fn users_of_a_file_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.csv");
    let line = format!("recommend model --users {} --json -k 1", path.display());
    fs::write(&path, "note,Customer ID\nx,u002\ny,u000\n").unwrap();
    let answers = json(shop(), &line);
    assert_eq!((&answers[0]["user"], &answers[1]["user"]), (&"u002".into(), &"u000".into()));
    fs::write(&path, "u002\nu000\n").unwrap();
    let expected =
        format!("{}: no user column. Columns found: u002. Name it user_id in the first line", path.display());
    assert_eq!(failure(shop(), &line), expected);
}

#[test]
fn lists_keep_what_the_filter_allows() {
    let all = ids(&list("-k 60"));
    let cheap = ids(&list("--filter 'price < 20' -k 60"));
    assert!(!cheap.is_empty() && cheap.len() < all.len());
    let dear = ids(&list("--filter 'not price < 20' -k 60"));
    assert_eq!(cheap.len() + dear.len(), all.len());
    let without = ids(&list(&format!("--exclude {},{} -k 60", all[0], all[1])));
    assert_eq!(without, all[2..]);
}

#[test]
fn no_repeat_leaves_out_what_the_user_had() {
    let had: BTreeSet<String> = list("-k 60")
        .iter()
        .flat_map(reasons)
        .map(|reason| reason["event"]["item"].as_str().unwrap().to_owned())
        .collect();
    let new = ids(&list("--no-repeat -k 60"));
    assert!(!new.is_empty() && new.iter().all(|item| !had.contains(item)), "{new:?}");
}

#[test]
fn a_question_in_the_past_knows_the_past_only() {
    let items = list("--as-of 2024-01-15 -k 60");
    let times: Vec<&str> =
        items.iter().flat_map(reasons).map(|reason| reason["event"]["time"].as_str().unwrap()).collect();
    assert!(!times.is_empty() && times.iter().all(|time| *time < "2024-01-15"), "{times:?}");
    items.iter().for_each(adds_up);
}

#[test]
fn diversity_changes_the_list_and_needs_a_catalogue() {
    assert_eq!(ids(&list("--diversity 0")), ids(&list("")));
    assert_ne!(ids(&list("--diversity 0.7")), ids(&list("")));
    let too_much = "setting `diversity`: expected a number from 0 (the ranking as it is) to 1, got ";
    for wrong in ["3", "NaN"] {
        let message = failure(shop(), &format!("recommend model --user u000 --diversity {wrong}"));
        assert_eq!(message, format!("{too_much}{wrong}"));
    }
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    done(folder.path(), "fit log.csv --model item-knn --out model");
    assert_eq!(
        failure(folder.path(), "recommend model --user u00 --diversity 0.5"),
        "setting `diversity`: expected 0 where the model has no catalogue (fit it with --catalogue FILE), got 0.5"
    );
}

#[test]
fn newer_events_speak_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("newer.csv");
    let item = &ids(&list("-k 1"))[0];
    fs::write(&path, format!("user,item,time,type\nnewcomer,{item},2024-03-05,view\n")).unwrap();
    let line = format!("recommend model --user newcomer --events {} --json -k 1", path.display());
    let answers = json(shop(), &line);
    let best = &answers[0]["items"][0];
    assert_eq!(answers[0]["as_of"], "2024-03-05T00:00:00.001Z");
    assert_eq!(best["item"], item.as_str());
    assert_eq!(best["reasons"][0]["event"]["time"], "2024-03-05T00:00:00Z");
    adds_up(best);
}

#[test]
fn newer_events_that_say_nothing_are_remarked_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("newer.csv");
    fs::write(&path, "user,item,time,type\nu000,zzz,2024-03-05,view\nu000,i00,2024-03-05,wink\n").unwrap();
    let run = wane(shop(), &format!("recommend model --user u000 --events {} -k 1", path.display()));
    assert_eq!(run.status, Some(0));
    assert!(run.err.contains(
        "1 items of the newer events are unknown to the model; fit it again, or name a --catalogue"
    ));
    let expected = "events of type wink weigh nothing: the model knows cart, favourite, purchase, view";
    assert!(run.err.contains(expected), "{}", run.err);
}

#[test]
fn lists_are_written_to_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = folder.path().join(name);
        done(shop(), &format!("recommend model --users all -k 4 --explain --out {}", path.display()));
        path
    };
    let lines = fs::read_to_string(write("lists.jsonl")).unwrap();
    let printed = json(shop(), "recommend model --users all -k 4 --json");
    let written: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::from(written.clone()), printed);
    let table = Table::open(&write("lists.parquet")).unwrap();
    assert_eq!(table.rows(), written.len() * 4);
    assert!(["user", "item", "score"].iter().all(|name| table.column(name).is_some()), "{:?}", table.names());
}

/// A catalogue of so many teas and tools for the log of twelve items.
fn write_catalogue(folder: &std::path::Path, name: &str, n_items: usize) {
    let words = ["green tea leaves", "black tea leaves", "steel hammer tool", "steel chisel tool"];
    let row = |item: usize| format!("i{item:02},\"{} {}\",{}\n", words[item % 4], item / 4, words[item % 4]);
    let rows: String = (0..n_items).map(row).collect();
    fs::write(folder.join(format!("{name}.csv")), format!("item,title,category\n{rows}")).unwrap();
    done(folder, &format!("encode {name}.csv --out {name}.parquet -q"));
}

#[test]
fn items_newer_than_the_model_are_recommended_by_what_is_written_of_them() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("newer-items");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    Log::new().write_csv(&folder.join("events.csv"));
    write_catalogue(&folder, "then", 12);
    write_catalogue(&folder, "now", 13);
    done(
        &folder,
        "fit events.csv --catalogue then.csv --vectors then.parquet --model trace --epochs 2 --out model",
    );
    let more = "--catalogue now.csv --vectors now.parquet";
    let answers = json(&folder, &format!("recommend model --user u00 -k 13 --json {more}"));
    let items = answers[0]["items"].as_array().unwrap();
    let new = items.iter().find(|item| item["item"] == "i12").unwrap();
    assert_eq!(new["title"], "green tea leaves 3");
    assert!(reasons(new).iter().any(|reason| reason["relation"] == "alike-text"));
    adds_up(new);
    let text = done(&folder, &format!("explain model --user u00 --item i12 {more}"));
    assert!(text.starts_with("green tea leaves 3 (i12)"), "{text}");
    let text = failure(&folder, "explain model --user u00 --item i12");
    assert!(text.contains("name a --catalogue that has it"), "{text}");
    let text = failure(shop(), "recommend model --user u000 --catalogue shop/catalogue.parquet");
    assert!(text.contains("fit one with --model trace"), "{text}");
}
