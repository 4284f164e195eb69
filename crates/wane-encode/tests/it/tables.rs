//! Static tables: a text's vector is the mean of its tokens'.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView, serialize};
use wane_encode::{Pretrained, PretrainedSettings};

use crate::models::{cosine, fixture};

/// Writes a table over the tokens of a fixture: token t has the vector (t, 1, 0).
fn write(folder: &Path, name: &str, weights: Option<Vec<f32>>) -> usize {
    let tokenizer = fs::read(fixture("bert").join("tokenizer.json")).unwrap();
    fs::write(folder.join("tokenizer.json"), &tokenizer).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&tokenizer).unwrap();
    let n = read["model"]["vocab"].as_object().unwrap().len();
    let bytes = |numbers: Vec<f32>| numbers.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    let table = bytes((0..n).flat_map(|token| [token as f32, 1.0, 0.0]).collect());
    let weights = weights.map(bytes);
    let mut tensors = HashMap::from([(name, TensorView::new(Dtype::F32, vec![n, 3], &table).unwrap())]);
    if let Some(weights) = &weights {
        tensors.insert("weights", TensorView::new(Dtype::F32, vec![n], weights).unwrap());
    }
    fs::write(folder.join("model.safetensors"), serialize(tensors, None).unwrap()).unwrap();
    n
}

#[test]
fn a_text_is_the_mean_of_its_tokens() {
    for name in ["embedding.weight", "embeddings"] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), name, None);
        let encoder = Pretrained::open(folder.path(), &PretrainedSettings::default()).unwrap();
        let tokens = encoder.tokens("red tea, red").unwrap();
        assert_eq!(tokens.len(), 4, "no tokens but those of the text: {tokens:?}");
        let mean = tokens.iter().map(|&token| token as f32).sum::<f32>() / 4.0;
        let row = encoder.encode(&["red tea, red".to_owned(), String::new()]).unwrap();
        assert!(cosine(&row[..3], &[mean, 1.0, 0.0]) > 0.999_999);
        assert_eq!(row[3..], [0.0; 3]);
    }
}

#[test]
fn weights_of_tokens_count() {
    let folder = tempfile::tempdir().unwrap();
    let n = write(folder.path(), "embeddings", None);
    let plain = Pretrained::open(folder.path(), &PretrainedSettings::default()).unwrap();
    let tea = plain.tokens("tea").unwrap()[0] as usize;
    let weights = (0..n).map(|token| if token == tea { 0.0 } else { 1.0 }).collect();
    write(folder.path(), "embeddings", Some(weights));
    let weighted = Pretrained::open(folder.path(), &PretrainedSettings::default()).unwrap();
    let vector = |encoder: &Pretrained, text: &str| encoder.encode(&[text.to_owned()]).unwrap();
    assert!(cosine(&vector(&weighted, "red tea"), &vector(&plain, "red")) > 0.999_999);
    assert_ne!(weighted.fingerprint(), plain.fingerprint());
}
