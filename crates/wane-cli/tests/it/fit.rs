//! `wane fit`: by name or the best of all, saved so that it can be asked.

use std::fs;
use std::path::Path;

use super::run::{done, failure, json};
use super::shop::{Log, shop};

#[test]
fn a_named_model_says_what_it_learned() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("model");
    let fitted = json(
        shop(),
        &format!("fit shop/events.parquet --model personal-frequency --out {} --json", out.display()),
    );
    assert_eq!(fitted["model"]["model"], "personal-frequency");
    assert!(fitted["half_life_days"].as_f64().unwrap() > 0.0);
    assert_eq!(fitted["hold_out"]["models"][0]["name"], "personal-frequency");
    assert!(out.join("manifest.json").exists());
}

#[test]
fn the_best_model_is_the_best_on_the_hold_out() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_inter(&folder.path().join("log.inter"));
    let fitted = json(folder.path(), "fit log.inter --out model --json");
    let models = fitted["hold_out"]["models"].as_array().unwrap();
    let score = |model: &serde_json::Value| model["metrics"]["ndcg@10"]["value"].as_f64().unwrap();
    let best = models.iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
    let chosen = models.iter().find(|model| model["name"] == fitted["model"]["model"]).unwrap();
    assert_eq!(score(chosen), score(best));
    assert!(models.len() >= 10, "all that need no relations: {}", models.len());
    let lists = json(folder.path(), "recommend model --user u00 --json");
    assert_eq!(lists[0]["user"], "u00");
}

#[test]
fn people_are_told_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("model");
    let said = done(shop(), &format!("fit shop/events.parquet --model ease --out {}", out.display()));
    assert!(said.contains("Hold-out (last tenth of the time)"), "{said}");
    assert!(said.contains("Half-life of an event in ease: "), "{said}");
    let next = said.split("Ask it: wane ").nth(1).unwrap().trim();
    assert!(done(shop(), next).contains("because"), "{next}");
}

#[test]
fn a_log_too_short_for_a_hold_out_is_fitted_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one.csv"), "user,item,time\nann,tea,2024-01-01\n").unwrap();
    let fitted = json(folder.path(), "fit one.csv --out model --json");
    assert!(fitted["hold_out"].is_null());
    assert_eq!(json(folder.path(), "recommend model --user ann --json")[0]["items"][0]["item"], "tea");
}

#[test]
fn the_trace_model_takes_its_settings_and_says_what_it_learned() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    let line = "fit log.csv --model trace --epochs 1 --dim 4 --scales 2 --batch 64 --out model";
    let fitted = json(folder.path(), &format!("{line} --json"));
    for (name, value) in [("epochs", 1), ("dim", 4), ("scales", 2), ("batch", 64)] {
        assert_eq!(fitted["model"][name], value, "{name}");
    }
    let learned = &fitted["learned"];
    let half_lives: Vec<f64> = learned["scales"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scale| scale["half_life_days"].as_f64().unwrap())
        .collect();
    assert!(half_lives.len() == 2 && half_lives[0] > 0.0 && half_lives[0] <= half_lives[1], "{half_lives:?}");
    assert_eq!(learned["relations"][0]["relation"], "self");
    assert_eq!(learned["event_types"][0]["weights"].as_array().unwrap().len(), 2);
    let said = done(folder.path(), line);
    for expected in ["half-life ", "relation ", "event type ", "all time "] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(json(folder.path(), "fit log.csv --model popularity --out model --json")["learned"].is_null());
}

#[test]
fn settings_of_the_trace_model_are_no_other_models() {
    for (line, expected) in [
        ("--model ease --dim 8", "--dim is a setting of the trace model: add --model trace, or leave it out"),
        ("--epochs 8", "--epochs is a setting of the trace model: add --model trace, or leave it out"),
        ("--model trace --dim 0", "setting `dim`: expected 1 to 1024, got 0"),
    ] {
        assert_eq!(
            failure(shop(), &format!("fit shop/events.parquet {line} --out never")),
            expected,
            "{line}"
        );
    }
}

/// Records of an event file, by their lengths.
fn records(path: &Path) -> Vec<Vec<u8>> {
    let (mut bytes, mut records) = (&fs::read(path).unwrap()[..], Vec::new());
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        records.push(rest[4..4 + length].to_vec());
        bytes = &rest[4 + length + 4..];
    }
    records
}

#[test]
fn curves_of_every_training_are_written() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    let small = "--epochs 2 --dim 4 --scales 2";
    let line = "fit log.csv --model trace --log-dir runs --out model";
    done(folder.path(), &format!("{line} {small}"));
    let runs: Vec<_> =
        fs::read_dir(folder.path().join("runs")).unwrap().map(|run| run.unwrap().path()).collect();
    assert!(runs.len() >= 2, "one for the hold-out, one for the model: {runs:?}");
    let first = fs::read_dir(folder.path().join("runs/run-1")).unwrap().next().unwrap().unwrap().path();
    let records = records(&first);
    assert_eq!(records.len(), 3, "a head and two epochs");
    let says = |record: &[u8], tag: &str| record.windows(tag.len()).any(|part| part == tag.as_bytes());
    assert!(says(&records[0], "brain.Event:2"));
    for tag in ["loss", "gain", "rate", "examples_per_second"] {
        assert!(records[1..].iter().all(|record| says(record, tag)), "{tag}");
    }
    fs::write(folder.path().join("wane.toml"), "[models.trace]\nepochs = 1\ndim = 4\nscales = 2\n").unwrap();
    done(folder.path(), "evaluate log.csv --models trace --config wane.toml --log-dir more");
    assert!(folder.path().join("more/run-1").is_dir());
    let message = failure(folder.path(), "fit log.csv --model trace --log-dir log.csv --out model");
    assert!(message.starts_with("log.csv: "), "{message}");
}

#[test]
fn only_a_model_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/thesis.txt"), "years of work").unwrap();
    let message = failure(folder.path(), "fit log.csv --model popularity --out mine");
    assert_eq!(
        message,
        "mine: is not a Wane model folder and is not overwritten. Choose another folder, or remove this one first"
    );
    done(folder.path(), "fit log.csv --model popularity --out model");
    done(folder.path(), "fit log.csv --model item-knn --out model");
}
