//! `tokenizer.json`, as Hugging Face's tokenisers write it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer;

use crate::error::{Error, Result};

/// A tokeniser without padding, and the bytes of its file, which tell it from others.
pub(crate) fn read(path: &Path, mend: &str) -> Result<(Tokenizer, Vec<u8>)> {
    let bytes = fs::read(path).map_err(|error| Error::model(path, error, "Can it be read?"))?;
    // The crate (0.23) panics at parts that are no JSON at all.
    serde_json::from_slice::<Value>(&bytes).map_err(|error| Error::model(path, error, mend))?;
    let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| Error::model(path, error, mend))?;
    tokenizer.with_padding(None);
    Ok((tokenizer, bytes))
}
