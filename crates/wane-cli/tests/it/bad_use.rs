//! Exit status 1 and 2, and errors that name the mend.

use std::fs;

use super::run::{failure, wane};
use super::shop::{Log, shop};

const MODELS: &str = "Models: popularity, decayed-popularity, personal-count, personal-frequency, related, content, \
                      item-knn, vmis-knn, tifu-knn, ease, slim, bpr, trace";

#[test]
fn a_line_that_cannot_be_understood_ends_with_2() {
    for (line, expected) in [
        ("", "Usage: wane"),
        ("evaluat model", "a similar subcommand exists: 'evaluate'"),
        ("inspect", "<EVENTS>..."),
        ("fit --out model", "<EVENTS>..."),
        ("features --out f.parquet", "<EVENTS>..."),
        ("inspect log.csv --dedup", "a similar argument exists: '--dedupe'"),
        (
            "evaluate log.csv --protocol hold-out",
            "[possible values: time-split, leave-one-out, pre-split, next-item]",
        ),
        ("evaluate log.csv --trials trials.jsonl", "--tune <N>"),
        ("recommend model", "--user <ID>"),
        ("recommend model --user a --users b.csv", "cannot be used with"),
        ("recommend model --user a -k 0", "0 is not in 1..=10000"),
        ("inspect log.csv --threads 0", "0 is not in 1..=1024"),
    ] {
        let run = wane(shop(), line);
        assert_eq!(run.status, Some(2), "wane {line}");
        assert!(run.err.contains(expected), "wane {line}\n{}", run.err);
        assert_eq!(run.out, "", "wane {line}");
    }
}

#[test]
fn help_has_an_example_for_every_verb() {
    for verb in ["demo", "simulate", "inspect", "features", "fit", "evaluate", "recommend", "explain"] {
        let run = wane(shop(), &format!("{verb} --help"));
        assert_eq!(run.status, Some(0));
        assert!(run.out.contains(&format!("\n  wane {verb} ")), "{}", run.out);
    }
}

#[test]
fn missing_files_are_named_once() {
    for line in ["inspect no.csv", "evaluate no.csv", "fit no.csv --out m", "features no.csv --out f.parquet"]
    {
        assert_eq!(failure(shop(), line), "no.csv: No such file or directory (os error 2)", "{line}");
    }
    assert_eq!(
        failure(shop(), "recommend shop --user u000"),
        "shop: is not a Wane model folder: there is no manifest.json in it. Give the folder that `wane fit --out` wrote"
    );
    assert_eq!(failure(shop(), "evaluate"), "no log: name at least one file, e.g. wane evaluate events.csv");
}

#[test]
fn settings_of_another_protocol_are_not_ignored() {
    for setting in ["--targets next-basket", "--test-span 8w", "--valid-span 5%"] {
        assert_eq!(
            failure(shop(), &format!("evaluate shop/events.parquet --protocol leave-one-out {setting}")),
            "--targets, --test-span and --valid-span belong to --protocol time-split; leave them out here"
        );
    }
}

#[test]
fn unknown_names_are_errors_that_list_the_known() {
    assert_eq!(
        failure(shop(), "evaluate shop/events.parquet --models item-nn"),
        format!("unknown model `item-nn`. {MODELS}")
    );
    assert_eq!(
        failure(shop(), "fit shop/events.parquet --model svd --out m"),
        format!("unknown model `svd`. {MODELS}")
    );
    assert_eq!(
        failure(shop(), "recommend model --user nobody"),
        "user `nobody` has no events in the model's log (ids look like `u000`); give newer events with --events"
    );
    assert_eq!(
        failure(shop(), "fit shop/events.parquet --model related --out m"),
        "the model `related` has no relations to work with. Give a --catalogue with list columns named r_NAME, or \
         leave the model out"
    );
}

#[test]
fn columns_that_are_not_there_are_errors_that_list_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log.csv"), "who,what,when\na,b,2024-01-01\n").unwrap();
    for (line, expected) in [
        (
            "inspect log.csv",
            "log.csv: no user column. Columns found: who, what, when. Name it: --map user=COLUMN (or its place, \
             --map user=1)",
        ),
        (
            "inspect log.csv --map user=whom",
            "log.csv: no column `whom`, which is given for user. Columns found: who, what, when. Give one of these \
             names, or a place from 1",
        ),
        (
            "inspect log.csv --map customer=who",
            "setting `map`: expected ROLE=COLUMN with user, item, time, type, value or session, got customer=who",
        ),
    ] {
        assert_eq!(failure(folder.path(), line), expected, "{line}");
    }
    assert_eq!(wane(folder.path(), "inspect log.csv --map user=who,item=what,time=3").status, Some(0));
}

#[test]
fn values_out_of_form_say_which_form_is_right() {
    let folder = tempfile::tempdir().unwrap();
    Log::new().write_csv(&folder.path().join("log.csv"));
    for (line, expected) in [
        (
            "inspect log.csv --max-reject all",
            "--max-reject: expected 1% or 0.01, got `all`: invalid float literal",
        ),
        ("inspect log.csv --max-reject 200%", "--max-reject: expected a share from 0% to 100%, got `200%`"),
        (
            "inspect log.csv --time-unit m",
            "--time-unit m: unknown variant `m`, expected one of `s`, `ms`, `us`, `ns`",
        ),
        ("inspect log.csv --types 1", "--types: expected OLD=NEW, got `1`"),
        ("inspect log.csv --not-after soon", "`soon` is no moment: write 2024-05-01 or 2024-05-01T12:00:00Z"),
        (
            "evaluate log.csv --test-span 9",
            "setting `test-span`: expected a duration such as 30m, 12h, 14d or 8w, got 9",
        ),
        (
            "evaluate log.csv --test-span 50w",
            "setting `test and validation span`: expected together less than the log's 23.2 days, got 350 days \
             and 10 %",
        ),
        (
            "evaluate log.csv --withhold-items 100%",
            "all items with training events are withheld. Withhold fewer, 10% say",
        ),
        (
            "evaluate log.csv --withhold-items many",
            "--withhold-items: expected 1% or 0.01, got `many`: invalid float literal",
        ),
        ("evaluate --protocol pre-split", "this protocol needs --train, --valid and --test"),
    ] {
        assert_eq!(failure(folder.path(), line), expected, "{line}");
    }
}

#[test]
fn settings_files_are_checked_key_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let said = |text: &str| {
        let path = folder.path().join("wane.toml");
        fs::write(&path, text).unwrap();
        failure(shop(), &format!("evaluate shop/events.parquet --models ease --config {}", path.display()))
    };
    assert_eq!(said("[models.eas]\nridge = 1"), format!("unknown model `eas`. {MODELS}"));
    assert_eq!(
        said("[models.ease]\nrigde = 1"),
        "[models.ease]: unknown field `rigde`, expected one of `ridge`, `neighbours`, `max_items`, `decay`, \
         `training_decay`, `repeat`"
    );
    assert_eq!(said("[models.ease]\nmodel = \"bpr\""), "[models.ease]: unknown field `model`; leave it out");
    assert_eq!(said("[models.ease]\nridge = -1"), "setting `ridge`: expected a number above 0, got -1");
    assert_eq!(said("[model.ease]\nridge = 1"), "unknown field `model`, expected `models`");
    assert_eq!(
        said("[models.ease.decay]\nhalf_life = \"soon\""),
        "[models.ease]: setting `half_life`: expected a duration such as 30m, 12h, 14d or 8w, got soon"
    );
    assert_eq!(
        said("[models.ease.decay.types.wish]\nweight = 1"),
        "unknown event type in the decay settings `wish`. Event types of this log: cart, favourite, purchase, view"
    );
}
