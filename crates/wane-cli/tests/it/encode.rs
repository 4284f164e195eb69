//! `wane encode`: vectors that the other commands read.

use std::fs;

use super::run::{done, failure, json};
use super::shop::shop;

#[test]
fn encoded_items_are_ranked_by_their_text() {
    let folder = tempfile::tempdir().unwrap();
    let items = "item,title,colour\n1,wool scarf,red\n2,wool scarf long,blue\n3,garden hose,green\n4,,\n";
    fs::write(folder.path().join("items.csv"), items).unwrap();
    fs::write(folder.path().join("log.csv"), "user,item,time\na,1,2024-01-01\nb,3,2024-01-02\n").unwrap();
    let told = done(folder.path(), "encode items.csv --template {title},{colour} --dim 64 --out v.parquet");
    assert!(told.contains("3 items, 64 numbers each, by hashed-64-"), "{told}");
    assert!(told.contains("1 items have no text") && told.contains("1: wool scarf,red"), "{told}");
    done(folder.path(), "fit log.csv --catalogue items.csv --vectors v.parquet --model content --out m");
    let list = json(folder.path(), "recommend m --user a --no-repeat -k 1 --json");
    assert_eq!(list[0]["items"][0]["item"], "2", "{list}");
}

#[test]
fn vectors_are_made_shorter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let catalogue = shop().join("shop/catalogue.parquet");
    let encode = |more: &str| done(path, &format!("encode {} {more}", catalogue.display()));
    let told = encode("--first 16 --out first.parquet");
    assert!(
        told.contains("60 items, 16 numbers each, by hashed-256-") && told.contains("/first-16"),
        "{told}"
    );
    let told = encode("--pca 8 --out pca.parquet");
    assert!(told.contains("60 items, 8 numbers each") && told.contains("/pca-8-"), "{told}");
    // Axes are one catalogue's: what tells them apart stands where encoders are compared.
    assert!(told.split_once("/pca-8-").unwrap().1.contains('+'), "{told}");
    let told = encode("--first 9999 --out all.parquet");
    assert!(told.contains("/first-256+"), "{told}");
    let log = shop().join("shop/events.parquet");
    json(path, &format!("evaluate {} --vectors pca.parquet --models content --json", log.display()));
    // Nothing tells items apart, so there is no axis.
    fs::write(path.join("same.csv"), "item,title\n1,tea\n2,tea\n").unwrap();
    let message = failure(path, "encode same.csv --pca 8 --out same.parquet");
    assert!(message.contains("all texts have the same vector"), "{message}");
}

#[test]
fn vectors_alone_are_a_catalogue_and_other_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = shop().join("shop/catalogue.parquet");
    done(folder.path(), &format!("encode {} --out v.parquet", catalogue.display()));
    let log = shop().join("shop/events.parquet");
    let evaluate =
        |more: &str| format!("evaluate {} --models popularity,content {more} --json", log.display());
    let found = json(folder.path(), &evaluate("--vectors v.parquet"));
    assert_eq!(found["models"].as_array().unwrap().len(), 2);
    let message = failure(folder.path(), &evaluate(&format!("--vectors {}", catalogue.display())));
    assert!(message.contains("no column of vectors") && message.contains("wane encode"), "{message}");
    fs::write(folder.path().join("others.csv"), "item,title\nX1,scarf\nX2,hose\n").unwrap();
    done(folder.path(), "encode others.csv --out others.parquet");
    let message = failure(folder.path(), &evaluate("--vectors others.parquet"));
    assert!(message.contains("others.parquet has no item of the log"), "{message}");
    let message = failure(folder.path(), &evaluate(""));
    assert!(message.contains("no vectors to work with") && message.contains("--vectors"), "{message}");
}

#[test]
fn templates_and_lengths_are_checked() {
    let catalogue = "shop/catalogue.parquet";
    let message = failure(shop(), &format!("encode {catalogue} --template {{colour}} --out v.parquet"));
    assert!(message.contains("`colour`") && message.contains("Known are: title"), "{message}");
    let message = failure(shop(), &format!("encode {catalogue} --template {{title --out v.parquet"));
    assert!(message.contains("letter 1: a brace that is not closed"), "{message}");
    let message = failure(shop(), &format!("encode {catalogue} --dim 4 --out v.parquet"));
    assert!(message.contains("dim: expected 8 to 4096, got 4"), "{message}");
}

#[test]
fn a_pretrained_encoder_encodes_each_text_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |second: &str| {
        let items = format!("item,title\n1,wool scarf\n2,{second}\n3,garden hose\n4,wool scarf\n5,\n");
        fs::write(folder.path().join("items.csv"), items).unwrap();
    };
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../wane-encode/tests/fixtures/bert");
    let command = format!("encode items.csv --encoder {model} --out v.parquet");
    write("blue scarf");
    let told = done(folder.path(), &command);
    assert!(told.contains("4 items, 16 numbers each, by transformer-2x16-"), "{told}");
    assert!(told.contains("3 different texts; 0 of them known, 3 encoded"), "{told}");
    write("red scarf");
    let told = done(folder.path(), &command);
    assert!(told.contains("3 different texts; 2 of them known, 1 encoded"), "{told}");
    let told = done(folder.path(), &format!("{command} --int8"));
    assert!(told.contains("0 of them known") && told.contains("-int8-"), "{told}");
    assert!(!folder.path().join("v.parquet.journal").exists());
    let message = failure(folder.path(), "encode items.csv --encoder ./no-model --out v.parquet");
    assert!(message.contains("./no-model: no such folder"), "{message}");
}

#[test]
fn a_language_model_encodes_each_text_once() {
    let folder = tempfile::tempdir().unwrap();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../wane-encode/tests/fixtures/qwen3/tiny.gguf");
    let command = format!("encode items.csv --encoder {model} --out v.parquet");
    let write = |second: &str| {
        let items = format!("item,title\n1,wool scarf\n2,{second}\n3,\n");
        fs::write(folder.path().join("items.csv"), items).unwrap();
    };
    write("blue scarf");
    let told = done(folder.path(), &command);
    assert!(told.contains("2 items, 32 numbers each, by qwen3-2x32-"), "{told}");
    assert!(told.contains("0 of them known, 2 encoded"), "{told}");
    write("red scarf");
    let told = done(folder.path(), &command);
    assert!(told.contains("1 of them known, 1 encoded"), "{told}");
    for setting in ["--int8", "--layers 1"] {
        let message = failure(folder.path(), &format!("{command} {setting}"));
        assert!(message.contains("tiny.gguf: ") && message.contains("Leave --"), "{message}");
    }
}
