//! The tokeniser of a GGUF file: byte-level byte pairs, from its lists of tokens and merges, or a `tokenizer.json` beside it.
//!
//! How text is cut before pairs are merged is named in the file (`tokenizer.ggml.pre`) and not written out. Known are `smollm` (each digit on
//! its own, then as GPT-2), `gpt-2` and `qwen2` (composed letters, then a pattern of its own); another one needs its `tokenizer.json`, for a wrong cut
//! gives wrong tokens in silence.

use std::fmt::Display;
use std::path::Path;

use candle_core::quantized::gguf_file::Value;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, DecoderWrapper, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer};

use super::gguf::{Gguf, TOKENIZER};
use crate::error::{Error, Result};
use crate::tokenizer;

/// Kinds of a token in GGUF that are taken whole: those that text never has, and those that it may have.
const CONTROL: i32 = 3;
const WHOLE: i32 = 4;
/// How Qwen2 and its followers cut text.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The tokeniser of a file, or the one beside it.
pub(super) fn open(gguf: &Gguf) -> Result<Tokenizer> {
    let beside = gguf.beside(TOKENIZER);
    if beside.exists() {
        return read(&beside);
    }
    let Some(tokens) = gguf.list("tokenizer.ggml.tokens") else {
        return Err(gguf.other("it has no tokeniser, and there is no tokenizer.json beside it"));
    };
    let kind = gguf.word("tokenizer.ggml.model").unwrap_or_default();
    let pre = gguf.word("tokenizer.ggml.pre").unwrap_or_default();
    let cut: PreTokenizerWrapper = match (kind, pre) {
        ("gpt2", "smollm") => {
            Sequence::new(vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()]).into()
        }
        ("gpt2", "gpt-2") => ByteLevel::new(false, true, true).into(),
        ("gpt2", "qwen2") => {
            let split =
                Split::new(SplitPattern::Regex(QWEN2.to_owned()), SplitDelimiterBehavior::Isolated, false);
            let split = split.map_err(|error| unbuilt(gguf, error))?;
            Sequence::new(vec![split.into(), ByteLevel::new(false, true, false).into()]).into()
        }
        _ => {
            let reason =
                format!("its tokeniser `{kind}`, `{pre}` cannot be read without a tokenizer.json beside it");
            return Err(gguf.other(reason));
        }
    };
    let vocab = vocab(tokens).ok_or_else(|| gguf.damaged("`tokenizer.ggml.tokens` are not all words"))?;
    let merges = gguf.list("tokenizer.ggml.merges").and_then(merges);
    let merges = merges.ok_or_else(|| gguf.damaged("`tokenizer.ggml.merges` are not pairs of tokens"))?;
    let built = BPE::builder().vocab_and_merges(vocab, merges).build();
    let mut tokenizer = Tokenizer::new(built.map_err(|error| unbuilt(gguf, error))?);
    tokenizer.with_pre_tokenizer(Some(cut)).with_decoder(Some(DecoderWrapper::from(ByteLevel::default())));
    if pre == "qwen2" {
        tokenizer.with_normalizer(Some(NFC)).map_err(|error| unbuilt(gguf, error))?;
    }
    let kinds = gguf.list("tokenizer.ggml.token_type").unwrap_or_default();
    let whole = tokens.iter().zip(kinds).filter_map(|(token, kind)| {
        let kind = kind.to_i32().ok().filter(|kind| [CONTROL, WHOLE].contains(kind))?;
        Some(AddedToken::from(token.to_string().ok()?.clone(), kind == CONTROL).normalized(false))
    });
    tokenizer.add_tokens(whole.collect::<Vec<_>>()).map_err(|error| unbuilt(gguf, error))?;
    Ok(tokenizer)
}

fn unbuilt(gguf: &Gguf, error: impl Display) -> Error {
    gguf.damaged(format!("its tokeniser cannot be built ({error})"))
}

fn read(path: &Path) -> Result<Tokenizer> {
    let (mut tokenizer, _bytes) = tokenizer::read(path, "Copy it again")?;
    let cut = tokenizer.with_truncation(None).map(|_| ());
    cut.map_err(|error| Error::model(path, error, "Copy it again"))?;
    Ok(tokenizer)
}

fn vocab(tokens: &[Value]) -> Option<Vocab> {
    let numbered = (0u32..).zip(tokens);
    numbered.map(|(number, token)| Some((token.to_string().ok()?.clone(), number))).collect()
}

fn merges(merges: &[Value]) -> Option<Vec<(String, String)>> {
    let pair = |merge: &Value| {
        let (one, other) = merge.to_string().ok()?.split_once(' ')?;
        Some((one.to_owned(), other.to_owned()))
    };
    merges.iter().map(pair).collect()
}
