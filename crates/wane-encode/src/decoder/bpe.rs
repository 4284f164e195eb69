//! The tokeniser of a GGUF file: byte-level byte pairs, from its lists of tokens and merges, or a `tokenizer.json` beside it.
//!
//! How text is cut before pairs are merged is named in the file (`tokenizer.ggml.pre`) and not written out. Known are `smollm` (each digit on
//! its own, then as GPT-2) and `gpt-2`; another one needs its `tokenizer.json`, for a wrong cut gives wrong tokens in silence.

use std::path::Path;

use candle_core::quantized::gguf_file::Value;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, DecoderWrapper, PreTokenizerWrapper, Tokenizer};

use super::gguf::Gguf;
use crate::error::{Error, Result};

/// A token's kind in GGUF that text never has.
const CONTROL: i32 = 3;

/// The tokeniser of a file, or the one beside it.
pub(super) fn open(gguf: &Gguf) -> Result<Tokenizer> {
    let beside = gguf.beside("tokenizer.json");
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
    let model = built.map_err(|error| gguf.damaged(format!("its tokeniser cannot be built ({error})")))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(cut)).with_decoder(Some(DecoderWrapper::from(ByteLevel::default())));
    let kinds = gguf.list("tokenizer.ggml.token_type").unwrap_or_default();
    let control =
        tokens.iter().zip(kinds).filter(|(_, kind)| kind.to_i32().is_ok_and(|kind| kind == CONTROL));
    let control =
        control.filter_map(|(token, _)| Some(AddedToken::from(token.to_string().ok()?.clone(), true)));
    let added = tokenizer.add_special_tokens(control.collect::<Vec<_>>());
    added.map_err(|error| gguf.damaged(format!("its tokeniser cannot be built ({error})")))?;
    Ok(tokenizer)
}

fn read(path: &Path) -> Result<Tokenizer> {
    let mut tokenizer =
        Tokenizer::from_file(path).map_err(|error| Error::model(path, error, "Copy it again"))?;
    tokenizer.with_padding(None);
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
