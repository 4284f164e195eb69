//! A model's folder, as Hugging Face and sentence-transformers lay it out, or as WordLlama's package does: weights and tokenisers
//! in folders of their own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::de::DeserializeOwned;
use tokenizers::{PostProcessor, Tokenizer, TruncationParams};

use super::tensors::Tensors;
use crate::error::{Error, Result};
use crate::tokenizer;

/// Endings of weights that are pickles.
const PICKLES: [&str; 5] = ["bin", "pt", "pth", "pkl", "ckpt"];

/// Where a model lies.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens a folder, or the model of a name (`sentence-transformers/all-MiniLM-L6-v2`) in the cache of Hugging Face's own tools:
    /// what lies there was fetched by them, and nothing is fetched here.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self { path: path.to_owned() });
        }
        let Some(name) = hub_name(path) else {
            let mend = "Give the folder of a model, with config.json, tokenizer.json and model.safetensors, or a .gguf file";
            return Err(Error::model(path, "no such folder", mend));
        };
        let cache = hub_cache(|variable| env::var_os(variable));
        cached(&cache, name).map(|path| Self { path }).ok_or_else(|| {
            let reason = format!("no such folder, nor a model of that name in {}", cache.display());
            let mend = format!("Fetch it with `hf download {name}`, or copy its files and give their folder");
            Error::model(path, reason, &mend)
        })
    }

    /// Its path, if its weights are a GGUF file and no other layout's.
    pub(super) fn holds_gguf(&self) -> Option<&Path> {
        let mut files = fs::read_dir(&self.path).ok()?.filter_map(|file| Some(file.ok()?.path()));
        let is_there = !self.path.join("config.json").exists() && files.any(|file| is_gguf(&file));
        is_there.then_some(&self.path)
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
        tokenizer::read(path, "Copy the model's folder again")
    }

    /// Cuts texts after some tokens.
    pub(super) fn truncate(&self, tokenizer: &mut Tokenizer, max_tokens: Option<usize>) -> Result<()> {
        // Fewer than a tokeniser adds itself it (0.23) would count below 0.
        let added = tokenizer.get_post_processor().map_or(0, |end| end.added_tokens(false));
        if max_tokens.is_some_and(|max| max < added) {
            let reason = format!("it adds {added} tokens to each text, more than a text may have");
            return Err(self.error("tokenizer.json", reason, "Allow more with --max-tokens"));
        }
        let cut = max_tokens.map(|max_length| TruncationParams { max_length, ..TruncationParams::default() });
        let done = tokenizer.with_truncation(cut);
        done.map(|_| ()).map_err(|error| self.error("tokenizer.json", error, "Allow more tokens"))
    }
}

/// Whether a name is that of a language model's file.
pub(super) fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"))
}

/// A name on the hub: owner and model.
fn hub_name(path: &Path) -> Option<&str> {
    let name = path.to_str()?;
    let (owner, model) = name.split_once('/')?;
    let is_part = |part: &str| {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        part.starts_with(|first: char| first.is_ascii_alphanumeric()) && part.chars().all(is_letter)
    };
    (is_part(owner) && is_part(model)).then_some(name)
}

/// Where Hugging Face's tools keep what they fetched.
fn hub_cache(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let home = || variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from).unwrap_or_default();
    let under = |name: &str, below: &str| variable(name).map(|path| PathBuf::from(path).join(below));
    under("HF_HUB_CACHE", "")
        .or_else(|| under("HF_HOME", "hub"))
        .or_else(|| under("XDG_CACHE_HOME", "huggingface/hub"))
        .unwrap_or_else(|| home().join(".cache/huggingface/hub"))
}

/// The newest snapshot of a model.
fn cached(cache: &Path, name: &str) -> Option<PathBuf> {
    let model = cache.join(format!("models--{}", name.replace('/', "--")));
    let revision = fs::read_to_string(model.join("refs/main")).ok()?;
    Some(model.join("snapshots").join(revision.trim())).filter(|path| path.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_in_the_cache() {
        let cache = tempfile::tempdir().unwrap();
        let snapshot = cache.path().join("models--some--model-v2/snapshots/abc");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(cache.path().join("models--some--model-v2/refs")).unwrap();
        fs::write(cache.path().join("models--some--model-v2/refs/main"), "abc\n").unwrap();
        assert_eq!(cached(cache.path(), "some/model-v2"), Some(snapshot));
        assert_eq!(cached(cache.path(), "some/other"), None);
        for (path, is_name) in
            [("a/b", true), ("./a", false), ("../b", false), ("a/b/c", false), ("/a", false)]
        {
            assert_eq!(hub_name(Path::new(path)).is_some(), is_name, "{path}");
        }
    }

    #[test]
    fn the_cache_is_where_its_tools_look() {
        let of = |set: &'static [(&str, &str)]| {
            hub_cache(|name| set.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into()))
        };
        assert_eq!(of(&[("HOME", "/h")]), Path::new("/h/.cache/huggingface/hub"));
        assert_eq!(of(&[("HOME", "/h"), ("HF_HOME", "/x")]), Path::new("/x/hub"));
        assert_eq!(of(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/x")]), Path::new("/c"));
    }
}
