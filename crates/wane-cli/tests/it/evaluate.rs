//! `wane evaluate`: every protocol, the agreed JSON, the report, and a search that is resumed.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::run::{done, failure, json, keys};
use super::shop::{Log, shop, write_negatives};

const MODELS: &str = "--models decayed-popularity,item-knn";

/// What every evaluation promises to machines.
fn keeps_the_contract(evaluation: &Value, names: &[&str]) {
    assert_eq!(keys(evaluation), ["leakage", "models", "protocol"]);
    assert!(!evaluation["leakage"].as_array().unwrap().is_empty());
    for finding in evaluation["leakage"].as_array().unwrap() {
        assert_eq!(keys(finding), ["code", "message", "severity"]);
    }
    let models = evaluation["models"].as_array().unwrap();
    let found: Vec<&str> = models.iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(found, names);
    for model in models {
        assert!(model["targets"].as_u64().unwrap() > 0);
        assert!(model["fit_seconds"].as_f64().unwrap() >= 0.0);
        for metric in ["hr", "recall", "precision", "ndcg", "mrr", "map"] {
            for cut in [5, 10, 20] {
                is_a_figure(&model["metrics"][format!("{metric}@{cut}")], &format!("{metric}@{cut}"));
            }
        }
    }
}

fn is_a_figure(figure: &Value, name: &str) {
    assert_eq!(keys(figure), ["hi", "lo", "value"], "{name}");
    let [lo, value, hi] = ["lo", "value", "hi"].map(|end| figure[end].as_f64().unwrap());
    assert!(0.0 <= lo && lo <= value && value <= hi && hi <= 1.0, "{name}: {figure}");
}

fn parts() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_parts(folder.path());
    write_negatives(&folder.path().join("negatives.tsv"));
    folder
}

const PARTS: &str = "--train train.tsv --valid valid.tsv --test test.tsv";

#[test]
fn a_time_split_is_the_default() {
    let evaluation = json(shop(), &format!("evaluate shop/events.parquet {MODELS} --json"));
    keeps_the_contract(&evaluation, &["decayed-popularity", "item-knn"]);
    let protocol = &evaluation["protocol"];
    assert_eq!((&protocol["name"], &protocol["judged_on"]), (&json!("time-split"), &json!("test")));
    assert!(protocol["validation_start"].as_str().unwrap() < protocol["test_start"].as_str().unwrap());
}

#[test]
fn all_models_compete_unless_some_are_named() {
    let names = |line: &str| -> usize {
        let evaluation = json(shop(), &format!("evaluate shop/events.parquet {line} --json"));
        evaluation["models"].as_array().unwrap().len()
    };
    let with = "--catalogue shop/catalogue.parquet";
    assert_eq!(names(with), names("") + 1, "`related` needs relations");
    assert_eq!(names(&format!("{with} --no-relations")), names(""));
}

#[test]
fn undated_relations_are_reported() {
    let line =
        "evaluate shop/events.parquet --catalogue shop/catalogue.parquet --models popularity,related --json";
    let codes = json(shop(), line)["leakage"].to_string();
    assert!(codes.contains("undated-relations"), "{codes}");
}

#[test]
fn the_last_event_is_left_out() {
    let evaluation =
        json(shop(), &format!("evaluate shop/events.parquet --protocol leave-one-out {MODELS} --json"));
    keeps_the_contract(&evaluation, &["decayed-popularity", "item-knn"]);
    assert_eq!(evaluation["protocol"]["name"], "leave-one-out");
    assert!(evaluation["leakage"].to_string().contains("training-after-question"));
}

#[test]
fn files_split_by_others_rank_among_given_negatives() {
    let folder = parts();
    let line = format!("evaluate --protocol pre-split {PARTS} --negatives negatives.tsv {MODELS} --json");
    let evaluation = json(folder.path(), &line);
    keeps_the_contract(&evaluation, &["decayed-popularity", "item-knn"]);
    assert_eq!(evaluation["protocol"]["given_negatives"], true);
    assert_eq!(evaluation["protocol"]["training_events"], 300);
    // One target and at most five negatives: everything is among the first ten.
    assert_eq!(evaluation["models"][0]["metrics"]["hr@10"]["value"], 1.0);
}

#[test]
fn the_next_item_of_a_session_is_predicted() {
    let folder = parts();
    let line = format!("evaluate --protocol next-item {PARTS} --models decayed-popularity,vmis-knn");
    let evaluation = json(folder.path(), &format!("{line} --json"));
    keeps_the_contract(&evaluation, &["decayed-popularity", "vmis-knn"]);
    let table = done(folder.path(), &line);
    let header = table.lines().nth(1).unwrap();
    assert_eq!(header.matches("mrr@20").count(), 1, "{header}");
}

#[test]
fn people_read_a_table_its_parts_and_the_leakage_check() {
    let text =
        done(shop(), &format!("evaluate shop/events.parquet {MODELS} --targets next-basket --test-span 2w"));
    for expected in
        ["cases, test part", "ndcg@10 by part of the targets", "repeat (", "Leakage check", "note: "]
    {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

#[test]
fn withheld_items_are_cold_items() {
    let line = format!("evaluate shop/events.parquet {MODELS}");
    let targets = |line: &str| json(shop(), line)["models"][0]["parts"]["cold-items"]["targets"].as_u64();
    let before = targets(&format!("{line} --json")).unwrap_or(0);
    let withheld = targets(&format!("{line} --withhold-items 20% --json")).unwrap();
    assert!(withheld > before + 10, "{withheld} of {before}");
}

/// A model of one shop competes in another, whose items have the same ids and are others.
#[test]
fn a_saved_model_competes_in_another_shop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let data = |shop: &str| format!("{shop}/events.parquet --catalogue {shop}/catalogue.parquet");
    for (shop, seed) in [("here", 1), ("there", 2)] {
        done(path, &format!("simulate --out {shop} --users 150 --items 80 --days 60 --seed {seed}"));
    }
    let small = "--model trace --epochs 4 --dim 8 --scales 3 --batch 128";
    done(path, &format!("fit {} {small} --without-ids --out shops/saved", data("here")));
    let evaluate = |shop: &str, more: &str| {
        let report = "--report report.html --json";
        json(path, &format!("evaluate {} --models popularity {more} {report}", data(shop)))
    };
    let found = evaluate("there", "--model shops/saved");
    keeps_the_contract(&found, &["popularity", "shops/saved"]);
    assert!(fs::read_to_string(path.join("report.html")).unwrap().contains("shops/saved"));
    // In its own shop it has seen the answers, and this is said.
    let leaks = |found: &Value| {
        let codes = found["leakage"].as_array().unwrap().iter().map(|own| own["code"].clone());
        codes.filter(|code| code == "saved-model-after-question").count()
    };
    assert_eq!(leaks(&evaluate("here", "--model shops/saved")), 1);
    let message =
        failure(path, &format!("evaluate {} --model {}", data("there"), shop().join("model").display()));
    assert!(message.contains("setting `model`: expected a trace model"), "{message}");
    let message = failure(path, &format!("evaluate {} --model nowhere", data("there")));
    assert!(message.starts_with("nowhere: is not a Wane model folder"), "{message}");
}

#[test]
fn the_report_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    done(shop(), &format!("evaluate shop/events.parquet {MODELS} --report {}", path.display()));
    let page = fs::read_to_string(path).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.contains("item-knn") && page.contains("<svg"));
    for outside in ["<script src", "<link", "src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

fn trials(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_search_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trials.jsonl");
    let line = |n: u32, more: &str| {
        format!(
            "evaluate shop/events.parquet --models ease --tune {n} --trials {} {more} --json",
            path.display()
        )
    };
    json(shop(), &line(2, ""));
    let first = trials(&path);
    assert_eq!(first.len(), 2);
    let resumed = json(shop(), &line(3, ""));
    assert_eq!(trials(&path)[..2], first);
    assert_eq!(trials(&path).len(), 3);
    let at_once = json(shop(), "evaluate shop/events.parquet --models ease --tune 3 --json");
    assert_eq!(resumed["models"][0]["metrics"], at_once["models"][0]["metrics"]);
    assert!(failure(shop(), &line(3, "--seed 7")).contains("give another file"));
}

#[test]
fn trials_of_another_contest_are_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trials.jsonl");
    let tune = |more: &str| {
        done(
            shop(),
            &format!(
                "evaluate shop/events.parquet --models ease --tune 1 --trials {} {more}",
                path.display()
            ),
        );
        trials(&path).len()
    };
    assert_eq!(tune(""), 1);
    assert_eq!(tune(""), 1);
    assert_eq!(tune("--test-span 20%"), 2);
    assert_eq!(tune("--exclude-seen"), 3);
    let config = folder.path().join("wane.toml");
    fs::write(&config, "[models.ease]\nneighbours = 5\n").unwrap();
    assert_eq!(tune(&format!("--config {}", config.display())), 4);
}

#[test]
fn a_recbole_header_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_inter(&folder.path().join("log.inter"));
    keeps_the_contract(
        &json(folder.path(), &format!("evaluate log.inter {MODELS} --json")),
        &["decayed-popularity", "item-knn"],
    );
}
