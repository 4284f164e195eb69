//! Encoders of the BERT family: BERT, MiniLM, RoBERTa, XLM-R, CamemBERT, DistilBERT.
//!
//! - Input: `x = LN(word + position + type)`, one row per token.
//! - Layer: `x <- LN(x + W_o attention(x))`, then `x <- LN(x + W_2 gelu(W_1 x))`; attention of each head is
//!   `softmax(q k^T / sqrt(width)) v` over the tokens of one text.
//! - The rows of many texts lie below each other in one matrix, without padding: a linear layer does not ask whose row it is,
//!   and attention looks at one text at a time. So a text's vector does not depend on its company, to the bit.
//!
//! Jacob Devlin and others, "BERT: pre-training of deep bidirectional transformers", NAACL 2019.

use pulp::Arch;
use rten_simd::{SimdOp, SimdUnaryOp};
use rten_vecmath::{ApproxGelu, Normalize, NormalizeOptions, Softmax, Sum, SumSquareSub};
use serde::Deserialize;

use super::Pooling;
use super::folder::Folder;
use super::linear::{Linear, Quantised};
use super::tensors::Tensors;
use crate::error::Result;

/// What `config.json` says; DistilBERT calls some of it otherwise.
#[derive(Debug, Deserialize)]
struct Config {
    model_type: String,
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    #[serde(alias = "activation")]
    hidden_act: String,
    #[serde(default = "usual_epsilon")]
    layer_norm_eps: f32,
    #[serde(default)]
    pad_token_id: Option<usize>,
    #[serde(default)]
    position_embedding_type: Option<String>,
}

fn usual_epsilon() -> f32 {
    1e-12
}

/// Names of a family's tensors.
struct Names {
    prefixes: [&'static str; 2],
    layer: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    mixed: &'static str,
    mixed_norm: &'static str,
    inner: &'static str,
    outer: &'static str,
    outer_norm: &'static str,
    /// How many rows of positions are passed over, where padding has a position of its own.
    is_padded: bool,
}

const BERT: Names = Names {
    prefixes: ["", "bert."],
    layer: "encoder.layer.",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    mixed: "attention.output.dense",
    mixed_norm: "attention.output.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    outer_norm: "output.LayerNorm",
    is_padded: false,
};

const ROBERTA: Names = Names { prefixes: ["", "roberta."], is_padded: true, ..BERT };

const DISTILBERT: Names = Names {
    prefixes: ["", "distilbert."],
    layer: "transformer.layer.",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    mixed: "attention.out_lin",
    mixed_norm: "sa_layer_norm",
    inner: "ffn.lin1",
    outer: "ffn.lin2",
    outer_norm: "output_layer_norm",
    is_padded: false,
};

/// Families that can be read, by their `model_type`.
const FAMILIES: [(&str, &Names); 5] = [
    ("bert", &BERT),
    ("roberta", &ROBERTA),
    ("xlm-roberta", &ROBERTA),
    ("camembert", &ROBERTA),
    ("distilbert", &DISTILBERT),
];

/// An encoder's weights.
pub(super) struct Transformer {
    dim: usize,
    heads: usize,
    epsilon: f32,
    is_tanh: bool,
    words: Vec<f32>,
    /// Rows of positions, with that of the only type of token added.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Queries, keys and values in one.
    attended: Linear,
    mixed: Linear,
    mixed_norm: Norm,
    inner: Linear,
    outer: Linear,
    outer_norm: Norm,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Room for the rows of a batch, used again from batch to batch.
#[derive(Default)]
pub(super) struct Room {
    rows: Vec<f32>,
    attended: Vec<f32>,
    context: Vec<f32>,
    inner: Vec<f32>,
    out: Vec<f32>,
    keys: Vec<f32>,
    weights: Vec<f32>,
    quantised: Quantised,
}

impl Transformer {
    /// Reads the weights of a folder; `layers`: only so many of the first.
    pub(super) fn open(
        folder: &Folder,
        tensors: &Tensors,
        layers: Option<usize>,
        int8: bool,
    ) -> Result<Self> {
        let config: Config = folder.need_json("config.json")?;
        let family = FAMILIES.iter().find(|(name, _)| *name == config.model_type);
        let names = family.map(|(_, names)| *names).ok_or_else(|| {
            let known = FAMILIES.map(|(name, _)| name).join(", ");
            let reason = format!("model_type `{}` cannot be read; known are {known}", config.model_type);
            folder.error("config.json", reason, "Choose an encoder of these families, or a static table")
        })?;
        let (dim, heads) = (config.hidden_size, config.num_attention_heads);
        let n_layers = layers.unwrap_or(config.num_hidden_layers);
        let wrong = |reason: String| folder.error("config.json", reason, "Is it that of these weights?");
        if dim == 0 || heads == 0 || dim % heads != 0 {
            return Err(wrong(format!("hidden_size {dim} is no multiple of num_attention_heads {heads}")));
        }
        if n_layers == 0 || n_layers > config.num_hidden_layers {
            let top = config.num_hidden_layers;
            return Err(folder.error(
                "config.json",
                format!("{n_layers} layers asked for, it has {top}"),
                "Ask for 1 up to that",
            ));
        }
        if config.position_embedding_type.as_deref().is_some_and(|kind| kind != "absolute") {
            return Err(wrong("only absolute positions can be read".to_owned()));
        }
        let is_tanh = match config.hidden_act.as_str() {
            "gelu" => false,
            "gelu_new" | "gelu_pytorch_tanh" => true,
            other => {
                return Err(wrong(format!(
                    "hidden_act `{other}` cannot be read; known are gelu, gelu_new, gelu_pytorch_tanh"
                )));
            }
        };
        let reader = Reader::new(tensors, names, dim, int8)?;
        Ok(Self {
            dim,
            heads,
            epsilon: config.layer_norm_eps,
            is_tanh,
            words: reader.table("embeddings.word_embeddings")?,
            positions: reader.positions(config.pad_token_id)?,
            norm: reader.norm("embeddings.LayerNorm")?,
            layers: (0..n_layers)
                .map(|n| reader.layer(n, config.intermediate_size))
                .collect::<Result<_>>()?,
        })
    }

    /// Length of a vector.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Number of layers.
    pub(super) fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// Tokens that are known.
    pub(super) fn n_tokens(&self) -> usize {
        self.words.len() / self.dim
    }

    /// Tokens that a text may have.
    pub(super) fn max_tokens(&self) -> usize {
        self.positions.len() / self.dim
    }

    /// One vector for each text, given by its tokens (all below [`Self::n_tokens`], at most [`Self::max_tokens`]).
    pub(super) fn encode(&self, texts: &[&[u32]], pooling: Pooling, room: &mut Room, vectors: &mut [f32]) {
        self.embed(texts, &mut room.rows);
        for layer in &self.layers {
            self.pass(layer, texts, room);
        }
        let mut rows = room.rows.as_slice();
        for (text, vector) in texts.iter().zip(vectors.chunks_exact_mut(self.dim)) {
            let (own, rest) = rows.split_at(text.len() * self.dim);
            pooling.pool(own, vector);
            rows = rest;
        }
    }

    fn embed(&self, texts: &[&[u32]], rows: &mut Vec<f32>) {
        rows.clear();
        for text in texts {
            for (token, position) in text.iter().zip(self.positions.chunks_exact(self.dim)) {
                let word = &self.words[*token as usize * self.dim..][..self.dim];
                rows.extend(word.iter().zip(position).map(|(word, position)| word + position));
            }
        }
        self.norm.apply(rows, self.epsilon);
    }

    fn pass(&self, layer: &Layer, texts: &[&[u32]], room: &mut Room) {
        layer.attended.apply(&room.rows, &mut room.attended, &mut room.quantised);
        room.context.resize(room.rows.len(), 0.0);
        let mut start = 0;
        for text in texts {
            let end = start + text.len();
            let attended = &room.attended[3 * start * self.dim..3 * end * self.dim];
            let context = &mut room.context[start * self.dim..end * self.dim];
            let width = self.dim / self.heads;
            for start in (0..self.dim).step_by(width) {
                let head = Head { attended, dim: self.dim, width, start };
                head.attend(&mut room.keys, &mut room.weights, context);
            }
            start = end;
        }
        layer.mixed.apply(&room.context, &mut room.out, &mut room.quantised);
        add(&mut room.rows, &room.out);
        layer.mixed_norm.apply(&mut room.rows, self.epsilon);
        layer.inner.apply(&room.rows, &mut room.inner, &mut room.quantised);
        if self.is_tanh {
            ApproxGelu {}.map_mut(&mut room.inner);
        } else {
            gelu(&mut room.inner);
        }
        layer.outer.apply(&room.inner, &mut room.out, &mut room.quantised);
        add(&mut room.rows, &room.out);
        layer.outer_norm.apply(&mut room.rows, self.epsilon);
    }
}

/// One head of attention over the tokens of one text.
#[derive(Clone, Copy)]
struct Head<'a> {
    /// A row of queries, keys and values for each token.
    attended: &'a [f32],
    dim: usize,
    width: usize,
    /// Where the head begins in a row.
    start: usize,
}

impl Head<'_> {
    /// `context` has a row of outputs for each token; `keys` and `weights` are scratch space.
    fn attend(self, keys: &mut Vec<f32>, weights: &mut Vec<f32>, context: &mut [f32]) {
        let n = context.len() / self.dim;
        keys.resize(self.width * n, 0.0);
        weights.resize(n * n, 0.0);
        self.gather_keys(n, keys);
        // Closures that consume what they change are inlined, and only so see the processor's wide registers.
        let sums = &mut weights[..];
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let sums = sums;
                self.weigh(keys, sums, n)
            },
        );
        for weights in weights.chunks_exact_mut(n) {
            Softmax::new_mut(weights).dispatch();
        }
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let context = context;
                self.mix(weights, n, context)
            },
        );
    }

    /// Keys number by number, so that a query meets those of all tokens side by side; scaled once for all queries.
    fn gather_keys(self, n: usize, keys: &mut [f32]) {
        let scale = 1.0 / (self.width as f32).sqrt();
        for (token, row) in self.attended.chunks_exact(3 * self.dim).enumerate() {
            let own = &row[self.dim + self.start..][..self.width];
            own.iter().enumerate().for_each(|(place, key)| keys[place * n + token] = key * scale);
        }
    }

    #[inline(always)]
    fn weigh(self, keys: &[f32], weights: &mut [f32], n: usize) {
        weights.fill(0.0);
        for (weights, row) in weights.chunks_exact_mut(n).zip(self.attended.chunks_exact(3 * self.dim)) {
            for (query, keys) in row[self.start..][..self.width].iter().zip(keys.chunks_exact(n)) {
                for (sum, key) in weights.iter_mut().zip(keys) {
                    *sum += query * key;
                }
            }
        }
    }

    #[inline(always)]
    fn mix(self, weights: &[f32], n: usize, context: &mut [f32]) {
        for (out, weights) in context.chunks_exact_mut(self.dim).zip(weights.chunks_exact(n)) {
            let out = &mut out[self.start..][..self.width];
            out.fill(0.0);
            for (weight, row) in weights.iter().zip(self.attended.chunks_exact(3 * self.dim)) {
                for (sum, value) in out.iter_mut().zip(&row[2 * self.dim + self.start..][..self.width]) {
                    *sum += weight * value;
                }
            }
        }
    }
}

/// `x / 2 (1 + erf(x / sqrt(2)))`, with `erf(|z|) = 1 - (1 + sum of a_k |z|^k)^-16` to 3e-7 (Abramowitz and Stegun, 7.1.28):
/// without an exponential, which this is called too often for.
fn gelu(rows: &mut [f32]) {
    const A: [f32; 6] =
        [0.070_523_08, 0.042_282_01, 0.009_270_527, 0.000_152_014_3, 0.000_276_567_2, 0.000_043_063_8];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for x in rows {
                let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
                let sum = A.iter().rev().fold(0.0f32, |sum, a| sum.mul_add(z, *a)).mul_add(z, 1.0);
                let sum = sum * sum;
                let sum = sum * sum;
                let sum = sum * sum;
                let erf = 1.0 - 1.0 / (sum * sum);
                *x = 0.5 * (*x + x.abs() * erf);
            }
        },
    );
}

fn add(rows: &mut [f32], more: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || rows.iter_mut().zip(more).for_each(|(own, more)| *own += more),
    );
}

impl Norm {
    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias` of every row.
    fn apply(&self, rows: &mut [f32], epsilon: f32) {
        let n = self.weight.len();
        for row in rows.chunks_exact_mut(n) {
            let mean = Sum::new(row).dispatch() / n as f32;
            let variance = SumSquareSub::new(row, mean).dispatch() / n as f32;
            let options = NormalizeOptions {
                pre_scale_bias: mean,
                scale: 1.0 / (variance + epsilon).sqrt(),
                element_scale: Some(&self.weight),
                element_bias: Some(&self.bias),
                ..NormalizeOptions::default()
            };
            Normalize::new_mut(row, options).dispatch();
        }
    }
}

/// Takes tensors by the names of a family.
struct Reader<'a> {
    tensors: &'a Tensors,
    names: &'static Names,
    prefix: &'static str,
    dim: usize,
    int8: bool,
}

impl<'a> Reader<'a> {
    fn new(tensors: &'a Tensors, names: &'static Names, dim: usize, int8: bool) -> Result<Self> {
        let has_words = |prefix: &&str| {
            tensors.find([format!("{prefix}embeddings.word_embeddings.weight").as_str()]).is_some()
        };
        let prefix = names.prefixes.into_iter().find(has_words).unwrap_or_default();
        Ok(Self { tensors, names, prefix, dim, int8 })
    }

    /// A table with as many rows as it has.
    fn table(&self, name: &str) -> Result<Vec<f32>> {
        let name = format!("{}{name}.weight", self.prefix);
        let rows = self.tensors.shape(&name)?.first().copied().unwrap_or_default();
        self.tensors.take(&name, &[rows, self.dim])
    }

    fn positions(&self, padding: Option<usize>) -> Result<Vec<f32>> {
        let mut positions = self.table("embeddings.position_embeddings")?;
        if self.names.is_padded {
            // Positions begin after that of padding.
            let passed = (padding.unwrap_or(1) + 1) * self.dim;
            positions.drain(..passed.min(positions.len()));
        }
        let kind = "embeddings.token_type_embeddings";
        if self.tensors.find([format!("{}{kind}.weight", self.prefix).as_str()]).is_some() {
            let kinds = self.table(kind)?;
            let first = kinds.get(..self.dim).unwrap_or_default();
            positions.chunks_exact_mut(self.dim).for_each(|row| add(row, first));
        }
        Ok(positions)
    }

    fn norm(&self, name: &str) -> Result<Norm> {
        let of = |part: &str| self.tensors.take(&format!("{}{name}.{part}", self.prefix), &[self.dim]);
        Ok(Norm { weight: of("weight")?, bias: of("bias")? })
    }

    fn layer(&self, number: usize, inner: usize) -> Result<Layer> {
        let (dim, names) = (self.dim, self.names);
        let full = |name: &str| format!("{}{number}.{name}", names.layer);
        Ok(Layer {
            attended: self.linear(&[names.query, names.key, names.value].map(full), dim, dim)?,
            mixed: self.linear(&[full(names.mixed)], dim, dim)?,
            mixed_norm: self.norm(&full(names.mixed_norm))?,
            inner: self.linear(&[full(names.inner)], dim, inner)?,
            outer: self.linear(&[full(names.outer)], inner, dim)?,
            outer_norm: self.norm(&full(names.outer_norm))?,
        })
    }

    /// Layers with the same inputs as one, their outputs side by side.
    fn linear(&self, names: &[String], inputs: usize, outputs: usize) -> Result<Linear> {
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            weights.extend(self.tensors.take(&format!("{}{name}.weight", self.prefix), &[outputs, inputs])?);
            bias.extend(self.tensors.take(&format!("{}{name}.bias", self.prefix), &[outputs])?);
        }
        Ok(Linear::new(&weights, bias, self.int8))
    }
}
