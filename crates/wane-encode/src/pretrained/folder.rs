//! A model's folder, as Hugging Face and sentence-transformers lay it out, or as WordLlama's package does: weights and tokenisers
//! in folders of their own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tokenizers::{Tokenizer, TruncationParams};

use super::tensors::Tensors;
use crate::error::{Error, Result};

/// Endings of weights that are pickles.
const PICKLES: [&str; 5] = ["bin", "pt", "pth", "pkl", "ckpt"];

/// Where a model lies.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            let mend = "Give the folder of a model, with config.json, tokenizer.json and model.safetensors";
            return Err(Error::model(path, "no such folder", mend));
        }
        Ok(Self { path: path.to_owned() })
    }

    /// An error about one of its files.
    pub(super) fn error(&self, file: &str, reason: impl ToString, mend: &str) -> Error {
        Error::model(&self.path.join(file), reason, mend)
    }

    /// A file of JSON, if it is there.
    pub(super) fn json<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>> {
        let path = self.path.join(file);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read(&path).map_err(|error| Error::model(&path, error, "Can it be read?"))?;
        let value = serde_json::from_slice(&text);
        value.map(Some).map_err(|error| Error::model(&path, error, "Copy the model's folder again"))
    }

    /// A file of JSON that must be there.
    pub(super) fn need_json<T: DeserializeOwned>(&self, file: &str) -> Result<T> {
        self.json(file)?.ok_or_else(|| self.error(file, "no such file", "Copy the whole folder of the model"))
    }

    /// Its weights.
    pub(super) fn tensors(&self) -> Result<Tensors> {
        let path = self.path.join("model.safetensors");
        let lying_there = path.exists().then(|| path.clone());
        if let Some(path) = lying_there.or_else(|| self.only_file("weights", ".safetensors")) {
            return Tensors::open(&path);
        }
        if let Some(pickle) = self.pickle() {
            let reason = "a pickle, which can run any code when it is read, and is refused";
            let mend = "Convert it where you trust it: in Python, `model.save_pretrained(folder, safe_serialization=True)`";
            return Err(Error::model(&pickle, reason, mend));
        }
        Err(Error::model(&path, "no such file", "Copy the whole folder of the model"))
    }

    /// The file of a folder within that ends so, if there is one alone.
    fn only_file(&self, folder: &str, end: &str) -> Option<PathBuf> {
        let files = fs::read_dir(self.path.join(folder)).ok()?.filter_map(|file| Some(file.ok()?.path()));
        let mut ending = files.filter(|path| path.to_string_lossy().ends_with(end));
        ending.next().filter(|_| ending.next().is_none())
    }

    fn pickle(&self) -> Option<PathBuf> {
        let files = fs::read_dir(&self.path).ok()?.filter_map(|file| Some(file.ok()?.path()));
        let is_pickle = |path: &PathBuf| {
            path.extension().is_some_and(|end| PICKLES.iter().any(|pickle| end.eq_ignore_ascii_case(pickle)))
        };
        // The order of a folder's files is nobody's promise.
        files.filter(is_pickle).min()
    }

    /// Its tokeniser, without padding, and what tells it from others.
    pub(super) fn tokenizer(&self) -> Result<(Tokenizer, Vec<u8>)> {
        let usual = self.path.join("tokenizer.json");
        let lying_there = usual.exists().then(|| usual.clone());
        let found = lying_there.or_else(|| self.only_file("tokenizers", "tokenizer_config.json"));
        let path = found.as_ref().unwrap_or(&usual);
        if !path.exists() {
            let mend = "Write it in Python: `AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`";
            return Err(Error::model(path, "no such file", mend));
        }
        let bytes = fs::read(path).map_err(|error| Error::model(path, error, "Can it be read?"))?;
        let tokenizer = Tokenizer::from_bytes(&bytes);
        let mut tokenizer =
            tokenizer.map_err(|error| Error::model(path, error, "Copy the model's folder again"))?;
        tokenizer.with_padding(None);
        Ok((tokenizer, bytes))
    }

    /// Cuts texts after some tokens.
    pub(super) fn truncate(&self, tokenizer: &mut Tokenizer, max_tokens: Option<usize>) -> Result<()> {
        let cut = max_tokens.map(|max_length| TruncationParams { max_length, ..TruncationParams::default() });
        let done = tokenizer.with_truncation(cut);
        done.map(|_| ()).map_err(|error| self.error("tokenizer.json", error, "Allow more tokens"))
    }
}
