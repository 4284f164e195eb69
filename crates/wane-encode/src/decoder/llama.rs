//! The network of a Llama: tokens in, the likelihood of each next token out.
//!
//! Per layer, for rows `x` of one token each (H. Touvron and others, "LLaMA: open and efficient foundation language models", 2023):
//!
//! ```text
//! h = norm(x)       q, k, v = W_q h, W_k h, W_v h      q and k turned by their places (RoPE)
//! x = x + W_o softmax(q k^T / sqrt(d)) v               over the tokens up to its own; heads of q share those of k and v
//! h = norm(x)       x = x + W_down (silu(W_gate h) * W_up h)
//! ```
//!
//! `norm(x) = w * x / sqrt(mean(x^2) + eps)`. At the end `logits = W_out norm(x)`. Products with weights are candle's, each number of
//! which one thread computes; everything else is added up here in a fixed order. So the same tokens in the same steps give the same
//! bits, whatever the number of threads.
//!
//! Weights and inputs of products are numbers of 8 bits, in blocks of 32 with a scale. Of inputs that is coarse: likelihoods of SmolLM2-135M
//! move by about .1 per token, another way on another kind of processor. In `f32` they are those of transformers (tested).

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{DType, Device, Module, Tensor};
use rayon::prelude::*;

use super::gguf::Gguf;
use crate::error::{Error, Result};

/// Numbers that are multiplied side by side.
const LANES: usize = 8;
/// Tokens that are read in one step: room for their rows stays small.
const STEP: usize = 64;

/// The weights, and their sizes.
pub(super) struct Llama {
    layers: Vec<Layer>,
    norm: Vec<f32>,
    embedding: QTensor,
    output: QMatMul,
    heads: usize,
    shared_heads: usize,
    head_dim: usize,
    eps: f32,
    /// What a place turns the pairs of a head by, per step.
    turns: Vec<f32>,
    /// Tokens that it can look back on.
    max_tokens: usize,
}

struct Layer {
    attention_norm: Vec<f32>,
    query: QMatMul,
    key: QMatMul,
    value: QMatMul,
    mix: QMatMul,
    norm: Vec<f32>,
    gate: QMatMul,
    up: QMatMul,
    down: QMatMul,
}

/// Keys and values of the tokens that were read, by layer, row by row.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    tokens: usize,
}

impl Llama {
    pub(super) fn open(gguf: &mut Gguf, products: Products) -> Result<Self> {
        match gguf.word("general.architecture") {
            Some("llama") => {}
            other => {
                let name = other.unwrap_or("none");
                return Err(
                    gguf.other(format!("the architecture is `{name}`, and `llama` alone can be read"))
                );
            }
        }
        if gguf.size("llama.expert_count").is_some_and(|experts| experts > 0) {
            return Err(gguf.other("it is a mixture of experts, which cannot be read"));
        }
        let dim = gguf.need_size("llama.embedding_length")?;
        let heads = gguf.need_size("llama.attention.head_count")?;
        let shared_heads = gguf.size("llama.attention.head_count_kv").unwrap_or(heads);
        let head_dim = dim / heads;
        let turned = gguf.size("llama.rope.dimension_count").unwrap_or(head_dim);
        if head_dim * heads != dim
            || shared_heads == 0
            || !heads.is_multiple_of(shared_heads)
            || turned != head_dim
            || !head_dim.is_multiple_of(2)
        {
            let reason = format!(
                "{heads} heads, {shared_heads} of them for keys, {turned} turned numbers do not fit {dim}"
            );
            return Err(gguf.damaged(reason));
        }
        let inner = gguf.need_size("llama.feed_forward_length")?;
        let n_layers = gguf.need_size("llama.block_count")?;
        let n_tokens = gguf.list("tokenizer.ggml.tokens").map(<[_]>::len).or(gguf.size("llama.vocab_size"));
        let n_tokens = n_tokens.ok_or_else(|| gguf.damaged("it does not say how many tokens it knows"))?;
        let base = gguf.real("llama.rope.freq_base").unwrap_or(10_000.0);
        let turn = |pair: usize| base.powf(-2.0 * pair as f32 / head_dim as f32);
        let output = if gguf.has("output.weight") { "output.weight" } else { "token_embd.weight" };
        Ok(Self {
            layers: (0..n_layers)
                .map(|layer| Layer::open(gguf, products, layer, [dim, shared_heads * head_dim, inner]))
                .collect::<Result<_>>()?,
            norm: gguf.row("output_norm.weight", dim)?,
            embedding: eight_bits(gguf.matrix("token_embd.weight", n_tokens, dim)?).map_err(failed)?,
            output: products(gguf.matrix(output, n_tokens, dim)?).map_err(failed)?,
            heads,
            shared_heads,
            head_dim,
            eps: gguf.real("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
            turns: (0..head_dim / 2).map(turn).collect(),
            max_tokens: gguf.need_size("llama.context_length")?,
        })
    }

    /// Tokens that it knows.
    pub(super) fn n_tokens(&self) -> usize {
        self.embedding.shape().dims().first().copied().unwrap_or_default()
    }

    /// Reads on, and gives the last rows: `wanted` of them.
    pub(super) fn read(&self, tokens: &[u32], memory: &mut Memory, wanted: usize) -> Result<Tensor> {
        let room = self.max_tokens.saturating_sub(memory.tokens);
        if tokens.is_empty() || tokens.len() > room {
            let reason = format!("{} tokens do not fit into the {room} that are left", tokens.len());
            return Err(Error::Text { reason });
        }
        let mut rows = Vec::new();
        for step in tokens.chunks(STEP) {
            rows.extend(self.step(step, memory).map_err(failed)?);
        }
        let dim = self.norm.len();
        let last = rows.split_off(rows.len().saturating_sub(wanted * dim));
        let last = normed(&last, &self.norm, self.eps);
        let logits = tensor(last, dim).and_then(|rows| self.output.forward(&rows));
        logits.map_err(failed)
    }

    /// Rows of some tokens after the last layer.
    fn step(&self, tokens: &[u32], memory: &mut Memory) -> candle_core::Result<Vec<f32>> {
        let dim = self.norm.len();
        memory.layers.resize_with(self.layers.len(), Default::default);
        let mut rows = numbers(&self.embedding.embedding(&Tensor::new(tokens, &Device::Cpu)?)?)?;
        for (layer, (keys, values)) in self.layers.iter().zip(&mut memory.layers) {
            let own = tensor(normed(&rows, &layer.attention_norm, self.eps), dim)?;
            let mut queries = numbers(&layer.query.forward(&own)?)?;
            let mut new_keys = numbers(&layer.key.forward(&own)?)?;
            self.turn(&mut queries, self.heads, memory.tokens);
            self.turn(&mut new_keys, self.shared_heads, memory.tokens);
            keys.extend(new_keys);
            values.extend(numbers(&layer.value.forward(&own)?)?);
            let mixed = self.attend(&queries, keys, values, memory.tokens);
            add(&mut rows, &layer.mix.forward(&tensor(mixed, dim)?)?)?;
            let own = tensor(normed(&rows, &layer.norm, self.eps), dim)?;
            let mut inner = numbers(&layer.gate.forward(&own)?)?;
            let up = numbers(&layer.up.forward(&own)?)?;
            inner.iter_mut().zip(up).for_each(|(x, up)| *x = *x / (1.0 + (-*x).exp()) * up);
            let width = inner.len() / tokens.len();
            add(&mut rows, &layer.down.forward(&tensor(inner, width)?)?)?;
        }
        memory.tokens += tokens.len();
        Ok(rows)
    }

    /// Turns neighbouring numbers of each head by their token's place.
    fn turn(&self, rows: &mut [f32], heads: usize, start: usize) {
        for (place, row) in rows.chunks_exact_mut(heads * self.head_dim).enumerate() {
            for head in row.chunks_exact_mut(self.head_dim) {
                for (pair, turn) in head.as_chunks_mut::<2>().0.iter_mut().zip(&self.turns) {
                    let (sin, cos) = ((start + place) as f32 * turn).sin_cos();
                    *pair = [pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos];
                }
            }
        }
    }

    /// What each token takes from those up to its own, head by head.
    fn attend(&self, queries: &[f32], keys: &[f32], values: &[f32], start: usize) -> Vec<f32> {
        let (dim, width) = (self.norm.len(), self.shared_heads * self.head_dim);
        let sharing = self.heads / self.shared_heads;
        let scale = (self.head_dim as f32).sqrt().recip();
        let mut mixed = vec![0.0; queries.len()];
        let rows = mixed.par_chunks_exact_mut(dim).zip(queries.par_chunks_exact(dim)).enumerate();
        rows.for_each(|(place, (row, query))| {
            let known = (start + place + 1) * width;
            let mut weights = Vec::with_capacity(start + place + 1);
            let heads = row.chunks_exact_mut(self.head_dim).zip(query.chunks_exact(self.head_dim));
            for (head, (out, query)) in heads.enumerate() {
                let at = head / sharing * self.head_dim;
                let of = |row: &[f32]| dot(query, &row[at..at + self.head_dim]) * scale;
                weights.clear();
                weights.extend(keys[..known].chunks_exact(width).map(of));
                softmax(&mut weights);
                for (weight, row) in weights.iter().zip(values[..known].chunks_exact(width)) {
                    let value = &row[at..at + self.head_dim];
                    out.iter_mut().zip(value).for_each(|(sum, x)| *sum += weight * x);
                }
            }
        });
        mixed
    }
}

impl Layer {
    fn open(
        gguf: &mut Gguf,
        products: Products,
        layer: usize,
        [dim, keys, inner]: [usize; 3],
    ) -> Result<Self> {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let product = |gguf: &mut Gguf, part: &str, rows: usize, columns: usize| {
            products(gguf.matrix(&name(part), rows, columns)?).map_err(failed)
        };
        Ok(Self {
            attention_norm: gguf.row(&name("attn_norm"), dim)?,
            query: product(gguf, "attn_q", dim, dim)?,
            key: product(gguf, "attn_k", keys, dim)?,
            value: product(gguf, "attn_v", keys, dim)?,
            mix: product(gguf, "attn_output", dim, dim)?,
            norm: gguf.row(&name("ffn_norm"), dim)?,
            gate: product(gguf, "ffn_gate", inner, dim)?,
            up: product(gguf, "ffn_up", inner, dim)?,
            down: product(gguf, "ffn_down", dim, inner)?,
        })
    }
}

/// How a matrix is multiplied by.
pub(super) type Products = fn(QTensor) -> candle_core::Result<QMatMul>;

/// In integers of 8 bits, for which candle has vectorised products whatever the file has.
pub(super) fn in_8_bits(matrix: QTensor) -> candle_core::Result<QMatMul> {
    QMatMul::from_qtensor(eight_bits(matrix)?)
}

fn eight_bits(matrix: QTensor) -> candle_core::Result<QTensor> {
    if matrix.dtype() == GgmlDType::Q8_0 {
        return Ok(matrix);
    }
    let whole = matrix.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?;
    QTensor::quantize(&whole, GgmlDType::Q8_0)
}

fn failed(error: candle_core::Error) -> Error {
    Error::Text { reason: error.to_string() }
}

fn tensor(rows: Vec<f32>, width: usize) -> candle_core::Result<Tensor> {
    let n = rows.len() / width.max(1);
    Tensor::from_vec(rows, (n, width), &Device::Cpu)
}

fn numbers(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn add(rows: &mut [f32], more: &Tensor) -> candle_core::Result<()> {
    rows.iter_mut().zip(numbers(more)?).for_each(|(sum, x)| *sum += x);
    Ok(())
}

fn normed(rows: &[f32], weights: &[f32], eps: f32) -> Vec<f32> {
    let scaled = |row: &[f32]| {
        let scale = (dot(row, row) / row.len() as f32 + eps).sqrt().recip();
        row.iter().zip(weights).map(|(x, weight)| x * scale * weight).collect::<Vec<f32>>()
    };
    rows.chunks_exact(weights.len().max(1)).flat_map(scaled).collect()
}

fn softmax(weights: &mut [f32]) {
    let top = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    weights.iter_mut().for_each(|weight| *weight = (*weight - top).exp());
    let scale = weights.iter().sum::<f32>().recip();
    weights.iter_mut().for_each(|weight| *weight *= scale);
}

/// A product of vectors in lanes, which the compiler does not dare to make of one sum.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}
