//! Nothing is encoded twice, whatever ended the work.

use std::cell::Cell;
use std::fs;

use wane_encode::{Journal, Pretrained, PretrainedSettings, TextHash};

use crate::models::fixture;

fn encoder(layers: usize) -> Pretrained {
    let settings = PretrainedSettings { layers: Some(layers), ..Default::default() };
    Pretrained::open(&fixture("bert"), &settings).unwrap()
}

fn texts(n: usize) -> Vec<String> {
    (0..n).map(|text| format!("scarf number {}", text / 2)).chain([String::new()]).collect()
}

#[test]
fn what_was_encoded_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.parquet.part");
    let encoder = encoder(2);
    let heard = Cell::new(0);
    let encode = |n| {
        heard.set(0);
        let mut journal = Journal::open(&path, &encoder).unwrap();
        journal.encode(&encoder, &texts(n), |more| heard.set(heard.get() + more)).unwrap()
    };
    let first = encode(40);
    assert_eq!((first.texts, first.known, heard.get()), (20, 0, 20));
    assert_eq!(first.vectors[40 * 16..], [0.0; 16]);
    let whole = fs::read(&path).unwrap();
    let again = encode(40);
    assert_eq!((again.known, &again.vectors), (20, &first.vectors));
    // Whatever was cut off or garbled is encoded anew, and the vectors are the same.
    for keep in [0, 5, 60, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..keep]).unwrap();
        let found = encode(40);
        assert!(found.known < 20, "{keep} bytes");
        assert_eq!(found.vectors, first.vectors);
        assert_eq!(fs::read(&path).unwrap().len(), whole.len());
    }
    let mut garbled = whole.clone();
    let middle = garbled.len() / 2;
    garbled[middle] ^= 1;
    fs::write(&path, &garbled).unwrap();
    assert_eq!(encode(40).vectors, first.vectors);
    let more = encode(60);
    assert_eq!((more.texts, more.known), (30, 20));
}

#[test]
fn another_encoder_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (one, two) = (encoder(1), encoder(2));
    let by_one = Journal::open(&path, &one).unwrap().encode(&one, &texts(10), |_| ()).unwrap();
    let by_two = Journal::open(&path, &two).unwrap().encode(&two, &texts(10), |_| ()).unwrap();
    assert_eq!(by_two.known, 0);
    assert_ne!(by_one.vectors, by_two.vectors);
    let journal = Journal::open(&path, &two).unwrap();
    journal.finish().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_journal_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/folder/v.part");
    let error = Journal::open(&path, &encoder(1)).unwrap_err().to_string();
    assert!(error.contains("v.part") && error.contains("nothing is encoded twice"), "{error}");
}

#[test]
fn hashes_are_read_as_they_are_written() {
    let hash = TextHash::of("red wool scarf");
    assert_eq!(TextHash::from_hex(&hash.to_hex()), Some(hash));
    assert_ne!(hash, TextHash::of("red wool scarf "));
    assert_eq!(TextHash::from_hex("12"), None);
    assert_eq!(TextHash::from_hex(&"z".repeat(32)), None);
}
