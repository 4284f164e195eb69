//! What scripts rely on: pipes that close early, and the same output whatever the number of threads.

use std::io::Read;
use std::process::{Command, Stdio};

use super::run::{done, words};
use super::shop::shop;

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    for line in ["recommend model --users all --json -k 60", "recommend model --users all -k 60"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wane"))
            .current_dir(shop())
            .args(words(line))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Reads a little and hangs up while far more than a pipe holds is still to come.
        child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), [].as_slice()), "{line}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fit = |threads: u8| {
        let out = folder.path().join(threads.to_string());
        let models = "--model bpr --seed 5 --quiet";
        done(
            shop(),
            &format!("fit shop/events.parquet {models} --threads {threads} --out {}", out.display()),
        );
        done(shop(), &format!("recommend {} --users all --json --threads {threads}", out.display()))
    };
    assert!(fit(1) == fit(2), "lists of one and two threads differ");
    let evaluate = |threads: u8| {
        let models = "--models item-knn,vmis-knn,tifu-knn,ease,slim,bpr";
        let line = format!("evaluate shop/events.parquet {models} --json --threads {threads}");
        let mut evaluation: serde_json::Value = serde_json::from_str(&done(shop(), &line)).unwrap();
        for model in evaluation["models"].as_array_mut().unwrap() {
            let model = model.as_object_mut().unwrap();
            model.retain(|key, _| {
                !["fit_seconds", "predict_micros_p50", "predict_micros_p90"].contains(&key.as_str())
            });
        }
        evaluation
    };
    assert_eq!(evaluate(1), evaluate(2));
}
