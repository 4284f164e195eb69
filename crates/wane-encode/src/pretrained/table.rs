//! Static tables: each token has one vector, and a text's is the sum of its tokens'. No layers, hence a hundred times as fast as a
//! transformer, and blind to the order of words.
//!
//! Laid out as by model2vec (tensor `embeddings`, unknown tokens left out, `weights` of tokens where there are any), by
//! sentence-transformers' `StaticEmbedding` or by WordLlama (tensor `embedding.weight`).

use super::folder::Folder;
use super::tensors::Tensors;
use crate::error::Result;

/// Token vectors, row by row.
pub(super) struct Table {
    dim: usize,
    rows: Vec<f32>,
}

impl Table {
    /// The table of a folder, if it is one.
    pub(super) fn open(folder: &Folder, tensors: &Tensors) -> Result<Option<Self>> {
        let Some(name) = tensors.find(["embeddings", "embedding.weight"]) else { return Ok(None) };
        let &[n_tokens, dim] = tensors.shape(name)? else {
            let reason =
                format!("tensor `{name}` has the shape {:?}, not that of a table", tensors.shape(name)?);
            return Err(folder.error("model.safetensors", reason, "Copy the model's folder again"));
        };
        if tensors.find(["mapping"]).is_some() {
            let reason = "tokens that share vectors (`mapping`) cannot be read";
            return Err(folder.error(
                "model.safetensors",
                reason,
                "Take the model without a quantised vocabulary",
            ));
        }
        let mut rows = tensors.take(name, &[n_tokens, dim])?;
        if let Some(name) = tensors.find(["weights"]) {
            let weights = tensors.take(name, &[n_tokens])?;
            let weighted = rows.chunks_exact_mut(dim.max(1)).zip(weights);
            weighted.for_each(|(row, weight)| row.iter_mut().for_each(|x| *x *= weight));
        }
        Ok(Some(Self { dim, rows }))
    }

    /// Length of a vector.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Tokens that are known.
    pub(super) fn n_tokens(&self) -> usize {
        self.rows.len() / self.dim.max(1)
    }

    /// Adds up the vectors of each text's tokens.
    pub(super) fn encode(&self, texts: &[&[u32]], vectors: &mut [f32]) {
        for (text, vector) in texts.iter().zip(vectors.chunks_exact_mut(self.dim.max(1))) {
            for &token in *text {
                let row = &self.rows[token as usize * self.dim..][..self.dim];
                vector.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        }
    }
}
