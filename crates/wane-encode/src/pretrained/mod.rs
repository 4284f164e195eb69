//! Encoders that others have trained: transformers of the BERT family and static tables of token vectors, read from a folder, and
//! language models, read from a GGUF file.
//!
//! What becomes of a text is what sentence-transformers makes of it: trimmed, cut after as many tokens as the model allows,
//! pooled as its folder says (a language model's by the last token), and scaled to length 1.

mod folder;
mod linear;
mod table;
mod tensors;
mod transformer;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

use crate::decoder::LastToken;
use crate::error::{Error, Result};
use folder::Folder;
use table::Table;
use transformer::{Room, Transformer};

/// Tokens of a batch: enough for products of matrices to run at their height, few enough to stay near the processor.
const BATCH_TOKENS: usize = 256;
/// The version of what is done to a text: another one gives other vectors.
const VERSION: u8 = 1;
/// Texts that are encoded between two writes: a few seconds of work each way.
const TOGETHER: usize = 512;
const TOGETHER_BY_DECODER: usize = 32;

/// What may be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PretrainedSettings {
    /// Linear layers in 8-bit integers: faster, and nearly the same.
    pub int8: bool,
    /// Only so many of the first layers; all where not given.
    pub layers: Option<usize>,
    /// Written before each text; that of the model's folder where not given.
    pub prefix: Option<String>,
    /// Tokens after which a text is cut; as the model's folder says where not given.
    pub max_tokens: Option<usize>,
}

/// An encoder that others have trained.
pub struct Pretrained {
    network: Network,
    tokenizer: Tokenizer,
    prefix: String,
    lowercase: bool,
    fingerprint: String,
}

enum Network {
    Transformer(Box<Transformer>, Pooling),
    Table(Table),
    Decoder(Box<LastToken>),
}

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooling {
    Mean,
    /// That of the first token.
    First,
}

/// A module of sentence-transformers, in `modules.json`.
#[derive(Debug, Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// `sentence_bert_config.json`.
#[derive(Debug, Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

/// `config_sentence_transformers.json`.
#[derive(Debug, Default, Deserialize)]
struct Prompts {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

impl Pretrained {
    /// Reads a model from its folder, or a language model from its GGUF file, which may be the only one of a folder.
    ///
    /// # Errors
    /// [`Error::Model`], which says the file, what is wrong with it and how to mend it, for a model that is damaged, not
    /// whole or of a kind that cannot be read, for weights that are pickles, and for settings that the model does not have.
    pub fn open(path: &Path, settings: &PretrainedSettings) -> Result<Self> {
        if folder::is_gguf(path) {
            return Self::open_decoder(path, settings);
        }
        let folder = Folder::open(path)?;
        match folder.holds_gguf() {
            Some(path) => Self::open_decoder(path, settings),
            None => Self::open_folder(&folder, settings),
        }
    }

    fn open_folder(folder: &Folder, settings: &PretrainedSettings) -> Result<Self> {
        let tensors = folder.tensors()?;
        let (mut tokenizer, tokens) = folder.tokenizer()?;
        let sentence: SentenceConfig = folder.json("sentence_bert_config.json")?.unwrap_or_default();
        let (network, max_tokens) = match Table::open(folder, &tensors)? {
            Some(table) => (Network::Table(table), settings.max_tokens),
            None => {
                let transformer = Transformer::open(folder, &tensors, settings.layers, settings.int8)?;
                let asked = settings.max_tokens.or(sentence.max_seq_length).unwrap_or(usize::MAX);
                let max_tokens = asked.min(transformer.max_tokens());
                (Network::Transformer(Box::new(transformer), pooling(folder)?), Some(max_tokens))
            }
        };
        folder.truncate(&mut tokenizer, max_tokens)?;
        let last = tokenizer.get_vocab(true).into_values().max().unwrap_or_default() as usize;
        if last >= network.n_tokens() {
            let reason = format!("it has a token {last}, and the weights {} tokens", network.n_tokens());
            return Err(folder.error("tokenizer.json", reason, "Take the tokeniser of this model"));
        }
        let prompts: Prompts = folder.json("config_sentence_transformers.json")?.unwrap_or_default();
        let usual = prompts.default_prompt_name.and_then(|name| prompts.prompts.get(&name).cloned());
        let prefix = settings.prefix.clone().or(usual).unwrap_or_default();
        let lowercase = sentence.do_lower_case;
        let switches = [VERSION, u8::from(settings.int8), u8::from(lowercase), network.pooling() as u8];
        let digests = [tensors.digest(), Sha256::digest(&tokens).into()];
        let name = network.name(settings.int8);
        let fingerprint = fingerprint(&name, switches, max_tokens.unwrap_or_default(), &prefix, &digests);
        Ok(Self { network, tokenizer, prefix, lowercase, fingerprint })
    }

    fn open_decoder(path: &Path, settings: &PretrainedSettings) -> Result<Self> {
        if settings.int8 {
            let reason = "a language model is read in 8-bit integers as it is";
            return Err(Error::model(path, reason, "Leave --int8 out"));
        }
        if settings.layers.is_some() {
            let reason = "a language model's vectors are those of its last layer";
            return Err(Error::model(path, reason, "Leave --layers out"));
        }
        if settings.max_tokens == Some(0) {
            return Err(Error::model(path, "no text has 0 tokens", "Allow more with --max-tokens"));
        }
        let (decoder, tokenizer, digest) = LastToken::open(path, settings.max_tokens)?;
        let prefix = settings.prefix.clone().unwrap_or_default();
        let (max_tokens, network) = (decoder.max_tokens(), Network::Decoder(Box::new(decoder)));
        let fingerprint =
            fingerprint(&network.name(false), [VERSION, 0, 0, 0], max_tokens, &prefix, &[digest]);
        Ok(Self { network, tokenizer, prefix, lowercase: false, fingerprint })
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        match &self.network {
            Network::Transformer(own, _) => own.dim(),
            Network::Table(own) => own.dim(),
            Network::Decoder(own) => own.dim(),
        }
    }

    /// What tells this encoder from all that would give other vectors: kind and sizes, then a hash of weights, tokeniser and
    /// settings.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether it is a static table, which takes next to no time.
    pub fn is_table(&self) -> bool {
        matches!(self.network, Network::Table(_))
    }

    /// Texts that are a few seconds of work.
    pub(crate) fn texts_together(&self) -> usize {
        match self.network {
            Network::Decoder(_) => TOGETHER_BY_DECODER,
            Network::Transformer(..) | Network::Table(_) => TOGETHER,
        }
    }

    /// The tokens of a text as the network meets them.
    ///
    /// # Errors
    /// [`Error::Text`] where the tokeniser cannot read it.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let mut text = Cow::Borrowed(text.trim());
        if self.lowercase {
            text = text.to_lowercase().into();
        }
        if !self.prefix.is_empty() {
            text = format!("{}{text}", self.prefix).into();
        }
        let adds_tokens = matches!(self.network, Network::Transformer(..));
        let encoding = self.tokenizer.encode_fast(text, adds_tokens);
        let encoding = encoding.map_err(|error| Error::Text { reason: error.to_string() })?;
        Ok(match &self.network {
            Network::Decoder(own) => own.framed(encoding.get_ids()),
            Network::Transformer(..) | Network::Table(_) => encoding.get_ids().to_vec(),
        })
    }

    /// Vectors of texts, row by row, each of length 1 (zeros where the network says nothing). The vector of a text does not
    /// depend on the others, nor on the number of threads.
    ///
    /// # Errors
    /// [`Error::Text`] where the model cannot read one.
    pub fn encode<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<f32>> {
        let tokens: Vec<Vec<u32>> =
            texts.par_iter().map(|text| self.tokens(text.as_ref())).collect::<Result<_>>()?;
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&text| std::cmp::Reverse(tokens[text].len()));
        let batches = batches(&order, &tokens);
        let dim = self.dim();
        let rows = batches.par_iter().map_init(Room::default, |room, batch| {
            let own: Vec<&[u32]> = batch.iter().map(|&text| tokens[text].as_slice()).collect();
            let mut rows = vec![0.0; own.len() * dim];
            match &self.network {
                Network::Transformer(network, pooling) => network.encode(&own, *pooling, room, &mut rows),
                Network::Table(table) => table.encode(&own, &mut rows),
                Network::Decoder(decoder) => decoder.encode(&own, &mut rows)?,
            }
            rows.chunks_exact_mut(dim).for_each(to_length_1);
            Ok(rows)
        });
        let rows: Vec<Vec<f32>> = rows.collect::<Result<_>>()?;
        let mut vectors = vec![0.0; texts.len() * dim];
        for (batch, rows) in batches.iter().zip(rows) {
            for (&text, row) in batch.iter().zip(rows.chunks_exact(dim)) {
                vectors[text * dim..][..dim].copy_from_slice(row);
            }
        }
        Ok(vectors)
    }
}

/// Runs of texts in order, each of about [`BATCH_TOKENS`] tokens.
fn batches<'a>(order: &'a [usize], tokens: &[Vec<u32>]) -> Vec<&'a [usize]> {
    let (mut batches, mut start, mut held) = (Vec::new(), 0, 0);
    for (place, &text) in order.iter().enumerate() {
        if held > 0 && held + tokens[text].len() > BATCH_TOKENS {
            batches.push(&order[start..place]);
            (start, held) = (place, 0);
        }
        held += tokens[text].len();
    }
    batches.push(&order[start..]);
    batches
}

/// How a folder says that tokens are pooled: the mean where it says nothing.
fn pooling(folder: &Folder) -> Result<Pooling> {
    let modules: Vec<Module> = folder.json("modules.json")?.unwrap_or_default();
    let mut found = Pooling::Mean;
    for module in &modules {
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" | "Normalize" => {}
            "Pooling" => {
                let file = format!("{}/config.json", module.path);
                let modes: BTreeMap<String, serde_json::Value> = folder.need_json(&file)?;
                let is_on = |(_, value): &(&String, &serde_json::Value)| value.as_bool() == Some(true);
                let on = modes.iter().filter(|(name, _)| name.starts_with("pooling_mode_")).filter(is_on);
                let on: Vec<&str> = on.map(|(name, _)| name.as_str()).collect();
                found = match on[..] {
                    ["pooling_mode_mean_tokens"] => Pooling::Mean,
                    ["pooling_mode_cls_token"] => Pooling::First,
                    _ => {
                        let reason =
                            format!("pools by {}; known are mean_tokens and cls_token", on.join(" and "));
                        return Err(folder.error(&file, reason, "Choose a model that pools so"));
                    }
                };
            }
            other => {
                let reason =
                    format!("module `{other}` cannot be read; known are Transformer, Pooling, Normalize");
                return Err(folder.error("modules.json", reason, "Choose a model without it"));
            }
        }
    }
    Ok(found)
}

/// A name, and a hash of all that makes other vectors.
fn fingerprint(
    name: &str,
    switches: [u8; 4],
    max_tokens: usize,
    prefix: &str,
    digests: &[[u8; 32]],
) -> String {
    let mut hash = Sha256::new();
    hash.update(switches);
    hash.update((max_tokens as u64).to_le_bytes());
    hash.update((prefix.len() as u64).to_le_bytes());
    hash.update(prefix);
    digests.iter().for_each(|digest| hash.update(digest));
    hash.finalize().iter().take(8).fold(format!("{name}-"), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Network {
    fn pooling(&self) -> Pooling {
        match self {
            Self::Transformer(_, pooling) => *pooling,
            Self::Table(_) | Self::Decoder(_) => Pooling::Mean,
        }
    }

    fn n_tokens(&self) -> usize {
        match self {
            Self::Transformer(own, _) => own.n_tokens(),
            Self::Table(own) => own.n_tokens(),
            Self::Decoder(own) => own.n_tokens(),
        }
    }

    fn name(&self, int8: bool) -> String {
        match self {
            Self::Transformer(own, _) => {
                format!("transformer-{}x{}{}", own.n_layers(), own.dim(), if int8 { "-int8" } else { "" })
            }
            Self::Table(own) => format!("table-{}", own.dim()),
            Self::Decoder(own) => own.name(),
        }
    }
}

impl Pooling {
    /// One vector from those of a text's tokens.
    fn pool(self, rows: &[f32], vector: &mut [f32]) {
        match self {
            Self::First => vector.iter_mut().zip(rows).for_each(|(own, x)| *own = *x),
            // The length does not matter: it will be 1.
            Self::Mean => rows.chunks_exact(vector.len()).for_each(|row| {
                vector.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }),
        }
    }
}

fn to_length_1(row: &mut [f32]) {
    let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|x| *x /= length);
    }
}
