//! `wane fit`: by name or the best of all, saved so that it can be asked.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::run::{done, failure, json, wane, words};
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

/// Sessions of visitors whom nobody knows again: after item `n` comes `n + 1`, and all items are liked alike.
#[test]
fn of_sessions_the_model_that_knows_what_comes_next_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let visit = |visitor: i64| {
        (0..4).map(move |n| (visitor, (visitor * 7 + n) % 20, 1_700_000_000 + visitor * 900 + n * 60))
    };
    let rows = |visits: i64| {
        let rows = (0..visits).flat_map(visit);
        rows.map(|(visitor, item, time)| format!("v{visitor},i{item:02},{time}\n")).collect::<String>()
    };
    fs::write(folder.path().join("log.csv"), format!("user,item,time\n{}", rows(300))).unwrap();
    let run = wane(folder.path(), "fit log.csv --out model");
    assert!(
        run.out.contains("Hold-out (last tenth of the time): each item that came after another"),
        "{}",
        run.out
    );
    let fitted = json(folder.path(), "fit log.csv --out model --json");
    let figures = &fitted["hold_out"];
    assert_eq!(figures["protocol"]["targets"], "each-next-item");
    let gain = |name: &str| {
        let models = figures["models"].as_array().unwrap();
        let model = models.iter().find(|model| model["name"] == name).unwrap();
        model["metrics"]["ndcg@10"]["value"].as_f64().unwrap()
    };
    let chosen = fitted["model"]["model"].as_str().unwrap();
    assert!(gain(chosen) > 2.0 * gain("popularity"), "{chosen}");
    assert!(gain("vmis-knn") > 2.0 * gain("popularity"));
}

#[test]
fn models_that_cannot_be_told_apart_are_named() {
    let folder = tempfile::tempdir().unwrap();
    // Everyone comes once and does one thing, of late all the same.
    let item = |n: i64| if n < 30 { n % 4 } else { 0 };
    let row = |n: i64| format!("u{n:02},i{},{}\n", item(n), 1_700_000_000 + n * 3_600);
    let rows: String = (0..60).map(row).collect();
    fs::write(folder.path().join("log.csv"), format!("user,item,time\n{rows}")).unwrap();
    fs::write(folder.path().join("wane.toml"), "[models.trace]\nepochs = 1\ndim = 4\nscales = 2\n").unwrap();
    let line = "fit log.csv --config wane.toml --out model";
    let run = wane(folder.path(), line);
    assert!(run.err.contains("The hold-out does not tell") && run.err.contains("item-knn"), "{}", run.err);
    let fitted = json(folder.path(), &format!("{line} --json"));
    assert!(fitted["tied"].as_array().unwrap().contains(&"item-knn".into()), "{}", fitted["tied"]);
    let fitted = json(folder.path(), "fit log.csv --model item-knn --out model --json");
    assert_eq!(fitted["tied"], serde_json::json!([]));
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

/// All files of a model folder.
fn bytes(model: &Path) -> Vec<(String, Vec<u8>)> {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
    };
    let mut files: Vec<_> = fs::read_dir(model).unwrap().map(file).collect();
    files.sort();
    files
}

const SMALL: &str = "--model trace --epochs 6 --dim 8 --scales 3";

/// Wherever the process is killed, and even if it is done before, the same command ends with the same bytes.
#[test]
fn a_killed_fit_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    done(folder.path(), &format!("fit log.csv {SMALL} --out whole"));
    let line = format!("fit log.csv {SMALL} --checkpoint fitting --out model");
    for stage in ["hold-out", "model"] {
        let mut fit = Command::new(env!("CARGO_BIN_EXE_wane"))
            .current_dir(folder.path())
            .args(words(&line))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let state = folder.path().join(format!("fitting/{stage}.safetensors"));
        while !state.exists() && fit.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        fit.kill().unwrap();
        fit.wait().unwrap();
        let run = wane(folder.path(), &line);
        assert_eq!(run.status, Some(0), "{}", run.err);
        assert_eq!(bytes(&folder.path().join("model")), bytes(&folder.path().join("whole")), "{stage}");
        assert!(!folder.path().join("fitting").exists(), "what is done needs no state");
        fs::remove_dir_all(folder.path().join("model")).unwrap();
    }
}

#[test]
fn a_checkpoint_of_another_fit_is_refused_by_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    // A model that is no folder of ours is found out at the end, and the states stay.
    let line = format!("fit log.csv {SMALL} --checkpoint fitting");
    failure(folder.path(), &format!("{line} --out mine.txt"));
    let message = failure(folder.path(), &format!("{line} --seed 7 --out model"));
    assert_eq!(
        message,
        "fitting/hold-out.safetensors: is the checkpoint of another training: seed is 42, not 7 there. Run the command that \
         it is of, delete the folder to begin anew, or name another one with --checkpoint"
    );
    let run = wane(folder.path(), &format!("{line} --out model"));
    assert!(run.err.contains("fitting: going on with the training that was interrupted"), "{}", run.err);
    assert_eq!(run.status, Some(0));
    for (line, expected) in [
        (
            "--model ease --checkpoint c --out m",
            "--checkpoint keeps the state of models that learn in epochs",
        ),
        ("--model trace --checkpoint m --out m", "--checkpoint: m is a model folder; name another folder"),
        ("--model trace --checkpoint mine.txt --out m", "mine.txt: no checkpoint can be written there: "),
    ] {
        let message = failure(folder.path(), &format!("fit log.csv {line}"));
        assert!(message.contains(expected), "{line}: {message}");
    }
}

#[test]
fn a_fitted_model_goes_on_with_newer_events() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_parts(folder.path());
    fs::rename(folder.path().join("train.tsv"), folder.path().join("old.tsv")).unwrap();
    done(folder.path(), &format!("fit old.tsv {SMALL} --out old"));
    let fitted = json(folder.path(), "fit valid.tsv test.tsv old.tsv --from old --out new --json");
    assert_eq!((&fitted["events"], &fitted["new_events"]), (&360.into(), &60.into()));
    assert_eq!(fitted["model"]["dim"], 8, "settings are those of the model");
    assert_eq!(fitted["targets"], "next-item");
    let said = done(folder.path(), "fit test.tsv --from new --epochs 1 --out new");
    assert!(said.contains("fitted on 360 events (0 new)"), "{said}");
    assert!(!said.contains("Hold-out"), "{said}");
    done(folder.path(), "fit old.tsv --model ease --out ease");
    fs::write(folder.path().join("wane.toml"), "[models.trace]\nscales = 4\n").unwrap();
    for (line, expected) in [
        ("--from ease", "ease: setting `model`: expected a trace model, the only one that goes on elsewhere"),
        (
            "--from old --dim 4",
            "setting `dim`: expected 8, as in the model that learning goes on from, got 4",
        ),
        ("--from old --config wane.toml", "setting `scales`: expected 3, as in the model"),
        ("--from old --targets next-basket", "setting `targets`: expected next-item, as in the model"),
        ("--from old --model ease", "--from goes on with a trace model: leave --model out"),
        ("--from nowhere", "nowhere: is not a Wane model folder"),
    ] {
        let message = failure(folder.path(), &format!("fit test.tsv {line} --out never"));
        assert!(message.starts_with(expected), "{line}: {message}");
    }
}

/// Without its own catalogue, a model that goes on keeps the one that it was fitted with.
#[test]
fn a_model_keeps_its_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    let items: String = (0..12).map(|item| format!("i{item:02},Item {item},{}\n", item % 3)).collect();
    fs::write(folder.path().join("items.csv"), format!("item,title,category\n{items}")).unwrap();
    done(folder.path(), &format!("fit log.csv --catalogue items.csv {SMALL} --out model"));
    fs::write(folder.path().join("new.csv"), "user,item,time\nu01,i03,1800000000\nu01,x,1800000001\n")
        .unwrap();
    done(folder.path(), "fit new.csv --from model --out model");
    let items = json(folder.path(), "recommend model --user u01 --json -k 13")[0]["items"].clone();
    let titles: Vec<_> = items.as_array().unwrap().iter().map(|item| item["title"].as_str()).collect();
    assert_eq!(titles.len(), 13);
    assert!(titles.contains(&Some("Item 7")) && titles.contains(&None), "{titles:?}");
}

#[test]
fn baskets_are_predicted_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    let line = format!("fit log.csv {SMALL} --targets next-basket --out model");
    let fitted = json(folder.path(), &format!("{line} --json"));
    assert_eq!(fitted["targets"], "next-basket");
    assert_eq!(fitted["hold_out"]["protocol"]["targets"], "next-basket");
    let relations = fitted["learned"]["relations"].as_array().unwrap();
    assert!(relations.iter().any(|relation| relation["relation"] == "together"), "{relations:?}");
    assert!(
        done(folder.path(), &line).contains("Hold-out (last tenth of the time): each user's next basket")
    );
    let again = json(folder.path(), "fit log.csv --from model --epochs 1 --out model --json");
    assert_eq!(again["targets"], "next-basket", "as the model was fitted");
}
