//! Damaged, mismatched and hostile folders get errors that say the file and the mend.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use wane_encode::{Pretrained, PretrainedSettings};

use crate::models::{copy, fixture};

fn failure(folder: &Path) -> String {
    match Pretrained::open(folder, &PretrainedSettings::default()) {
        Ok(encoder) => panic!("opened as {}", encoder.fingerprint()),
        Err(error) => error.to_string(),
    }
}

fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(folder.join(file), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn missing_files_are_named() {
    let mends = [
        ("config.json", "no such file. Copy the whole folder"),
        ("tokenizer.json", "save_pretrained"),
        ("model.safetensors", "no such file. Copy the whole folder"),
        ("1_Pooling/config.json", "no such file. Copy the whole folder"),
    ];
    for (file, mend) in mends {
        let folder = copy("bert");
        fs::remove_file(folder.path().join(file)).unwrap();
        let message = failure(folder.path());
        assert!(message.contains(file) && message.contains(mend), "{message}");
    }
    let message = failure(Path::new("/no/such/folder"));
    assert!(
        message.contains("no such folder") && message.contains("config.json, tokenizer.json"),
        "{message}"
    );
}

#[test]
fn pickles_are_refused() {
    let folder = copy("bert");
    let weights = folder.path().join("model.safetensors");
    fs::rename(weights, folder.path().join("pytorch_model.bin")).unwrap();
    let message = failure(folder.path());
    assert!(
        message.contains("pytorch_model.bin: a pickle") && message.contains("safe_serialization"),
        "{message}"
    );
}

#[test]
fn settings_of_other_models_are_refused() {
    let changes = [
        ("config.json", "\"hidden_size\": 16", "\"hidden_size\": 18", "has the shape"),
        ("config.json", "\"hidden_size\": 16", "\"hidden_size\": 15", "no multiple of num_attention_heads"),
        (
            "config.json",
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 3",
            "no tensor `encoder.layer.2.",
        ),
        ("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": -2", "invalid value"),
        ("config.json", "\"intermediate_size\": 32", "\"intermediate_size\": 320000000000", "has the shape"),
        ("config.json", "\"model_type\": \"bert\"", "\"model_type\": \"t5\"", "known are bert, roberta"),
        ("config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"swish\"", "known are gelu"),
        ("config.json", "{", "", "Copy the model's folder again"),
        ("modules.json", "models.Normalize", "models.Dense", "module `Dense` cannot be read"),
        (
            "1_Pooling/config.json",
            "\"pooling_mode_max_tokens\": false",
            "\"pooling_mode_max_tokens\": true",
            "known are",
        ),
        ("tokenizer.json", "\"[UNK]\": 1", "\"[UNK]\": 99999", "it has a token 99999"),
        ("tokenizer.json", "{", "[", "Copy the model's folder again"),
        ("tokenizer.json", "\"decoder\": null", "\"decoder\": ?ull", "a part of it is damaged"),
        (
            "tokenizer.json",
            "\"normalizer\": {",
            "\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AA==\"}, \"other\": {",
            "a part of it is damaged",
        ),
    ];
    for (file, from, to, expected) in changes {
        let folder = copy("bert");
        change(folder.path(), file, from, to);
        let message = failure(folder.path());
        assert!(message.contains(expected), "{to}: {message}");
    }
    let too_many = PretrainedSettings { layers: Some(3), ..Default::default() };
    let Err(error) = Pretrained::open(&fixture("bert"), &too_many) else { panic!("3 of 2 layers") };
    assert!(error.to_string().contains("3 layers asked for, it has 2"), "{error}");
    let too_few = PretrainedSettings { max_tokens: Some(1), ..Default::default() };
    let Err(error) = Pretrained::open(&fixture("bert"), &too_few) else { panic!("2 tokens in 1") };
    assert!(error.to_string().contains("tokenizer.json: it adds 2 tokens"), "{error}");
}

#[test]
fn damaged_weights_are_refused() {
    let whole = fs::read(fixture("bert").join("model.safetensors")).unwrap();
    for keep in [0, 7, 8, 300, whole.len() / 2, whole.len() - 1] {
        let folder = copy("bert");
        fs::write(folder.path().join("model.safetensors"), &whole[..keep]).unwrap();
        let message = failure(folder.path());
        assert!(message.contains("not a whole safetensors file"), "{keep} bytes: {message}");
    }
    let folder = copy("bert");
    let mut poisoned = whole.clone();
    let end = poisoned.len();
    poisoned[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(folder.path().join("model.safetensors"), &poisoned).unwrap();
    let message = failure(folder.path());
    assert!(message.contains("NaN is not finite"), "{message}");
    // A header that promises more than any memory.
    let mut huge = whole;
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(folder.path().join("model.safetensors"), &huge).unwrap();
    assert!(failure(folder.path()).contains("not a whole safetensors file"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a file, opening and encoding end in a value or an error.
    #[test]
    fn nothing_panics(
        file in prop::sample::select(vec!["config.json", "tokenizer.json", "model.safetensors", "modules.json"]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let folder = copy("bert");
        let path = folder.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        // In a file of weights the header is the part that can be wrong.
        let end = bytes.len().min(6_000);
        edits.iter().for_each(|(place, byte)| bytes[place.index(end)] = *byte);
        fs::write(&path, bytes).unwrap();
        if let Ok(encoder) = Pretrained::open(folder.path(), &PretrainedSettings::default()) {
            let _ = encoder.encode(&["red wool scarf 红".to_owned(), String::new()]);
        }
    }
}
