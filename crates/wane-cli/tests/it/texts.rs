//! What is written of new items is read by the encoder that made the model's vectors, and by no other.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::run::{done, failure};
use super::serve::Server;
use super::shop::shop;

const BERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wane-encode/tests/fixtures/bert");
const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wane-encode/tests/fixtures/distilbert");

/// Fits a trace model with vectors that are written as `encode` says.
fn fit(folder: &Path, encode: &str) {
    let data = |name: &str| shop().join("shop").join(name).display().to_string();
    let (events, catalogue) = (data("events.parquet"), data("catalogue.parquet"));
    done(folder, &format!("encode {catalogue} {encode} --out v.parquet"));
    let small = "--epochs 1 --dim 8 --scales 2 --batch 256";
    done(
        folder,
        &format!(
            "fit {events} --catalogue {catalogue} --vectors v.parquet --model trace {small} --out model"
        ),
    );
}

/// Puts an item of which only texts are known; says whether the model can tell anything of it.
fn speaks(server: &Server, item: &str) -> bool {
    let (status, told) = server.ask(
        "PUT",
        &format!("/v1/items/{item}"),
        &json!({"title": "Travel Jacket", "brand": "Nobody"}),
    );
    assert_eq!((status, &told["recommendable"]), (200, &json!(true)), "{told}");
    told["reason"].is_null()
}

/// What reads texts for the model that answers.
fn encoder(server: &Server) -> Value {
    server.ask("GET", "/v1/admin/model", &Value::Null).1["serving"][0]["encoder"].clone()
}

#[test]
fn the_built_in_encoder_needs_no_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // One that is shortened is still the same encoder.
    for (place, more) in ["", "--first 64"].into_iter().enumerate() {
        fit(path, more);
        let server = Server::with(&path.join("model"), &path.join(format!("state{place}")), &[]);
        assert!(encoder(&server).as_str().unwrap().starts_with("hashed-256-"), "{}", encoder(&server));
        assert!(speaks(&server, "new"));
    }
    // Axes of a catalogue are not known any more, and of vectors by another template or seed nothing can be said.
    for (place, more) in ["--pca 8", "--template {brand}", "--seed 7"].into_iter().enumerate() {
        fit(path, more);
        let server = Server::with(&path.join("model"), &path.join(format!("other{place}")), &[]);
        assert!(encoder(&server).is_null() && !speaks(&server, "new"), "{more}");
    }
}

#[test]
fn a_pretrained_encoder_is_the_very_one_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (model, state) = (path.join("model"), path.join("state"));
    // This encoder cuts texts early: longer ones that begin alike are alike.
    fit(path, &format!("--encoder {BERT} --template {{brand}}"));
    let server = Server::with(&model, &state, &[]);
    assert!(encoder(&server).is_null() && !speaks(&server, "new"));
    drop(server);
    let refused = |more: &str| failure(path, &format!("serve model --state state {more}"));
    let message = refused(&format!("--encoder {OTHER}"));
    assert!(message.contains("by transformer-2x16-") && message.contains("[encoder]"), "{message}");
    let message = refused(&format!("--encoder {BERT}"));
    assert!(message.contains("not those of its items' texts"), "{message}");
    let settings = |text: &str| fs::write(path.join("serve.toml"), format!("[encoder]\n{text}")).unwrap();
    settings(&format!("path = '{BERT}'\nint8 = true"));
    assert!(refused("--config serve.toml").contains("-int8-"));
    settings("int8 = true");
    assert!(refused("--config serve.toml").contains("name it with path"));
    settings("template = '{title'");
    assert!(refused("--config serve.toml").contains("encoder.template"));
    settings("path = './nowhere'");
    assert!(refused("--config serve.toml").contains("./nowhere: no such folder"));
    // With its template it reads what was said before, and keeps what it read.
    settings(&format!("path = '{BERT}'\ntemplate = '{{brand}}'"));
    for _ in 0..2 {
        let server = Server::with(&model, &state, &["--config", path.join("serve.toml").to_str().unwrap()]);
        assert!(encoder(&server).as_str().unwrap().starts_with("transformer-2x16-"));
        let (_, told) = server.ask("GET", "/v1/items/new", &Value::Null);
        assert!(told["reason"].is_null(), "{told}");
        assert!(speaks(&server, "another"));
    }
    assert!(state.join("texts.journal").exists());
}
