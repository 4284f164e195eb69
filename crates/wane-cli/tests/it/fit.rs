//! `wane fit`: by name or the best of all, saved so that it can be asked.

use std::fs;

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
