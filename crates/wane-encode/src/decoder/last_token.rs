//! A language model as an encoder: the row of a text's last token after the last norm, from which it would say what comes next.
//!
//! A token looks back and never ahead, so the last one alone has seen the whole text. The file says which tokens are to stand before and behind
//! texts: models trained as encoders (Qwen3-Embedding) gather what they know in the one behind.

use std::path::Path;

use tokenizers::Tokenizer;

use super::network::{Memory, Network};
use super::{added, parts};
use crate::error::{Error, Result};

/// Ways in which vectors of tokens become one, by their number in GGUF: not said, or by the last token.
const POOLING: [usize; 2] = [0, 3];

/// A network whose last token's row is the vector of a text.
pub(crate) struct LastToken {
    network: Network,
    begin: Option<u32>,
    end: Option<u32>,
    max_tokens: usize,
}

impl LastToken {
    /// Reads a model as [`super::Decoder::open`] does; texts are cut after so many tokens, or as many as the model can look back on. Gives its
    /// tokeniser too, and what tells its file from others.
    pub(crate) fn open(path: &Path, max_tokens: Option<usize>) -> Result<(Self, Tokenizer, [u8; 32])> {
        let (mut gguf, network, tokenizer) = parts(path)?;
        let pooling = gguf.size(&format!("{}.pooling_type", network.kind())).unwrap_or_default();
        if !POOLING.contains(&pooling) {
            let reason = format!(
                "its vectors are not those of the last token (`pooling_type` {pooling}), which cannot be read"
            );
            return Err(gguf.other(reason));
        }
        let [begin, end] = ["bos", "eos"].map(|which| added(&gguf, &network, which));
        let max_tokens = max_tokens.unwrap_or(usize::MAX).min(network.max_tokens());
        let digest = gguf.digest()?;
        Ok((Self { network, begin, end, max_tokens }, tokenizer, digest))
    }

    pub(crate) fn dim(&self) -> usize {
        self.network.dim()
    }

    pub(crate) fn n_tokens(&self) -> usize {
        self.network.n_tokens()
    }

    pub(crate) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Architecture, layers and numbers of a vector.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}x{}", self.network.kind(), self.network.n_layers(), self.dim())
    }

    /// A text's tokens between those that stand before and behind, cut so that all are as many as may be.
    pub(crate) fn framed(&self, tokens: &[u32]) -> Vec<u32> {
        let added = self.begin.iter().count() + self.end.iter().count();
        let own = tokens.iter().take(self.max_tokens.saturating_sub(added));
        let mut framed: Vec<u32> = self.begin.iter().chain(own).chain(&self.end).copied().collect();
        framed.truncate(self.max_tokens);
        framed
    }

    /// Writes the vectors of texts; one without tokens keeps its zeros.
    pub(crate) fn encode(&self, texts: &[&[u32]], vectors: &mut [f32]) -> Result<()> {
        for (tokens, vector) in texts.iter().zip(vectors.chunks_exact_mut(self.dim())) {
            if tokens.is_empty() {
                continue;
            }
            let row = self.network.rows(tokens, &mut Memory::default(), 1)?;
            if row.iter().any(|x| !x.is_finite()) {
                let reason = "its numbers are not finite: copy the model's file again".to_owned();
                return Err(Error::Text { reason });
            }
            vector.iter_mut().zip(row).for_each(|(own, x)| *own = x);
        }
        Ok(())
    }
}
