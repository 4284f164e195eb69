//! Model folders for tests: those beside this file, and copies that a test may damage.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A copy of a fixture.
pub(crate) fn copy(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_into(&fixture(name), folder.path());
    folder
}

fn copy_into(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_into(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}

/// Architectures of language models, each with a tiny model.
pub(crate) const DECODERS: [&str; 3] = ["llama", "qwen2", "qwen3"];

/// The file of a tiny language model.
pub(crate) fn tiny(kind: &str) -> PathBuf {
    fixture(kind).join("tiny.gguf")
}

/// A tiny language model with one run of bytes in the place of another as long.
pub(crate) fn changed(kind: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(tiny(kind)).unwrap();
    let place = bytes.windows(from.len()).position(|own| own == from.as_bytes()).unwrap();
    bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

/// A tiny language model whose file says one thing more, by the number of its kind and its bytes.
pub(crate) fn saying(kind: &str, key: &str, number: u32, value: &[u8]) -> Vec<u8> {
    const BOOL: u32 = 7;
    const HEAD: usize = 24;
    let mut bytes = fs::read(tiny(kind)).unwrap();
    let mut said = Vec::new();
    let mut say = |key: &str, number: u32, value: &[u8]| {
        said.extend((key.len() as u64).to_le_bytes());
        said.extend(key.as_bytes());
        said.extend(number.to_le_bytes());
        said.extend(value);
    };
    say(key, number, value);
    // Weights begin at multiples of 32: a second saying fills up.
    let own = 2 * (8 + 4) + key.len() + value.len() + 1;
    say(&"x".repeat(own.next_multiple_of(32) - own), BOOL, &[0]);
    bytes[16] += 2;
    bytes.splice(HEAD..HEAD, said);
    bytes
}

pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
