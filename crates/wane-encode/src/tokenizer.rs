//! `tokenizer.json`, as Hugging Face's tokenisers write it.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use tokenizers::Tokenizer;

use crate::error::{Error, Result};

/// A tokeniser without padding, and the bytes of its file, which tell it from others.
pub(crate) fn read(path: &Path, mend: &str) -> Result<(Tokenizer, Vec<u8>)> {
    let bytes = fs::read(path).map_err(|error| Error::model(path, error, "Can it be read?"))?;
    // The crate (0.23) panics at some damaged parts.
    let read = catch_unwind(|| Tokenizer::from_bytes(&bytes));
    let read = read.unwrap_or_else(|_| Err("a part of it is damaged".into()));
    let mut tokenizer = read.map_err(|error| Error::model(path, error, mend))?;
    tokenizer.with_padding(None);
    Ok((tokenizer, bytes))
}
