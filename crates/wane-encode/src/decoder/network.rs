//! The network of a Llama and of its like: tokens in, the likelihood of each next token out.
//!
//! Per layer, for rows `x` of one token each (H. Touvron and others, "LLaMA: open and efficient foundation language models", 2023):
//!
//! ```text
//! h = norm(x)       q, k, v = W_q h, W_k h, W_v h      q and k turned by their places (RoPE)
//! x = x + W_o softmax(q k^T / sqrt(d)) v               over the tokens up to its own; heads of q share those of k and v
//! h = norm(x)       x = x + W_down (silu(W_gate h) * W_up h)
//! ```
//!
//! `norm(x) = w * x / sqrt(mean(x^2) + eps)`. At the end `logits = W_out norm(x)`. Qwen2 adds a bias to q, k and v; Qwen3 norms each head
//! of q and k before it is turned. Both turn number `i` of a head with `i + d/2`, a Llama's file has these side by side.
//!
//! Everything is added up in a fixed order, so the same tokens in the same steps give the same bits, whatever the number of threads.

use rayon::prelude::*;

use super::gguf::Gguf;
use super::product::Product;
use crate::error::{Error, Result};

/// Numbers that are multiplied side by side.
const LANES: usize = 8;
/// Tokens that are read in one step: room for their rows stays small.
const STEP: usize = 64;
/// Architectures that can be read.
const KINDS: [Kind; 3] = [
    Kind { name: "llama", halves: false, has_bias: false, has_head_norm: false },
    Kind { name: "qwen2", halves: true, has_bias: true, has_head_norm: false },
    Kind { name: "qwen3", halves: true, has_bias: false, has_head_norm: true },
];

/// The weights, and their sizes.
pub(super) struct Network {
    kind: Kind,
    sizes: Sizes,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    embedding: Product,
    /// The embedding again, where the file has none.
    output: Option<Product>,
    eps: f32,
    /// What a place turns the pairs of a head by, per step.
    turns: Vec<f32>,
    /// Tokens that it can look back on.
    max_tokens: usize,
}

/// An architecture, and what sets it apart.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// Places turn number `i` of a head with `i + d/2`, not with its neighbour.
    halves: bool,
    /// Something is added to queries, keys and values.
    has_bias: bool,
    /// Queries and keys are normed head by head.
    has_head_norm: bool,
}

#[derive(Clone, Copy)]
struct Sizes {
    dim: usize,
    heads: usize,
    /// Heads of keys and values.
    shared_heads: usize,
    head_dim: usize,
    inner: usize,
}

struct Layer {
    attention_norm: Vec<f32>,
    query: Heads,
    key: Heads,
    value: Heads,
    mix: Product,
    norm: Vec<f32>,
    gate: Product,
    up: Product,
    down: Product,
}

/// How queries, keys or values come of rows.
struct Heads {
    product: Product,
    bias: Option<Vec<f32>>,
    norm: Option<Vec<f32>>,
}

/// Keys and values of the tokens that were read, by layer, row by row.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    tokens: usize,
}

impl Network {
    pub(super) fn open(gguf: &mut Gguf) -> Result<Self> {
        let kind = Kind::of(gguf)?;
        let sizes = Sizes::of(gguf, kind)?;
        let n_layers = gguf.need_size(&kind.key("block_count"))?;
        let n_tokens =
            gguf.list("tokenizer.ggml.tokens").map(<[_]>::len).or(gguf.size(&kind.key("vocab_size")));
        let n_tokens = n_tokens.ok_or_else(|| gguf.damaged("it does not say how many tokens it knows"))?;
        let base = gguf.real(&kind.key("rope.freq_base")).unwrap_or(10_000.0);
        let turn = |pair: usize| base.powf(-2.0 * pair as f32 / sizes.head_dim as f32);
        let output = gguf.has("output.weight").then_some("output.weight");
        Ok(Self {
            kind,
            sizes,
            layers: (0..n_layers)
                .map(|layer| Layer::open(gguf, layer, kind, sizes))
                .collect::<Result<_>>()?,
            norm: gguf.row("output_norm.weight", sizes.dim)?,
            embedding: gguf.product("token_embd.weight", n_tokens, sizes.dim)?,
            output: output.map(|name| gguf.product(name, n_tokens, sizes.dim)).transpose()?,
            eps: gguf.real(&kind.key("attention.layer_norm_rms_epsilon")).unwrap_or(1e-5),
            turns: (0..sizes.head_dim / 2).map(turn).collect(),
            max_tokens: gguf.need_size(&kind.key("context_length"))?,
        })
    }

    /// Tokens that it knows.
    pub(super) fn n_tokens(&self) -> usize {
        self.embedding.outputs()
    }

    /// Its architecture.
    pub(super) fn kind(&self) -> &'static str {
        self.kind.name
    }

    /// Numbers of a token's row.
    pub(super) fn dim(&self) -> usize {
        self.sizes.dim
    }

    pub(super) fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// Tokens that it can look back on.
    pub(super) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Reads on, and gives the logits after the last tokens, row by row: `wanted` of them.
    pub(super) fn read(&self, tokens: &[u32], memory: &mut Memory, wanted: usize) -> Result<Vec<f32>> {
        let last = self.rows(tokens, memory, wanted)?;
        Ok(self.output.as_ref().unwrap_or(&self.embedding).apply(&last))
    }

    /// Reads on, and gives the last tokens' rows after the last norm: `wanted` of them.
    pub(super) fn rows(&self, tokens: &[u32], memory: &mut Memory, wanted: usize) -> Result<Vec<f32>> {
        let room = self.max_tokens.saturating_sub(memory.tokens);
        if tokens.is_empty() || tokens.len() > room {
            let reason = format!("{} tokens do not fit into the {room} that are left", tokens.len());
            return Err(Error::Text { reason });
        }
        let mut rows = Vec::new();
        for step in tokens.chunks(STEP) {
            rows.extend(self.step(step, memory));
        }
        let last = rows.split_off(rows.len().saturating_sub(wanted * self.sizes.dim));
        Ok(normed(&last, &self.norm, self.eps))
    }

    /// Rows of some tokens after the last layer.
    fn step(&self, tokens: &[u32], memory: &mut Memory) -> Vec<f32> {
        let Sizes { heads, shared_heads, .. } = self.sizes;
        memory.layers.resize_with(self.layers.len(), Default::default);
        let mut rows: Vec<f32> =
            tokens.iter().flat_map(|token| self.embedding.weights(*token as usize)).collect();
        for (layer, (keys, values)) in self.layers.iter().zip(&mut memory.layers) {
            let own = normed(&rows, &layer.attention_norm, self.eps);
            let mut queries = layer.query.of(&own, self.eps);
            let mut new_keys = layer.key.of(&own, self.eps);
            self.turn(&mut queries, heads, memory.tokens);
            self.turn(&mut new_keys, shared_heads, memory.tokens);
            keys.extend(new_keys);
            values.extend(layer.value.of(&own, self.eps));
            let mixed = self.attend(&queries, keys, values, memory.tokens);
            add(&mut rows, &layer.mix.apply(&mixed));
            let own = normed(&rows, &layer.norm, self.eps);
            let mut gated = layer.gate.apply(&own);
            let up = layer.up.apply(&own);
            gated.iter_mut().zip(up).for_each(|(x, up)| *x = *x / (1.0 + (-*x).exp()) * up);
            add(&mut rows, &layer.down.apply(&gated));
        }
        memory.tokens += tokens.len();
        rows
    }

    /// Turns pairs of numbers of each head by their token's place.
    fn turn(&self, rows: &mut [f32], heads: usize, start: usize) {
        let head_dim = self.sizes.head_dim;
        for (place, row) in rows.chunks_exact_mut(heads * head_dim).enumerate() {
            let turns = self.turns.iter().map(|turn| ((start + place) as f32 * turn).sin_cos());
            let turns: Vec<(f32, f32)> = turns.collect();
            for head in row.chunks_exact_mut(head_dim) {
                if self.kind.halves {
                    let (ones, others) = head.split_at_mut(turns.len());
                    let pairs = ones.iter_mut().zip(others).zip(&turns);
                    pairs.for_each(|((one, other), turn)| turn_pair(one, other, *turn));
                } else {
                    let pairs = head.as_chunks_mut::<2>().0.iter_mut().zip(&turns);
                    pairs.for_each(|([one, other], turn)| turn_pair(one, other, *turn));
                }
            }
        }
    }

    /// What each token takes from those up to its own, head by head.
    fn attend(&self, queries: &[f32], keys: &[f32], values: &[f32], start: usize) -> Vec<f32> {
        let Sizes { heads, shared_heads, head_dim, .. } = self.sizes;
        let (whole, width, sharing) = (heads * head_dim, shared_heads * head_dim, heads / shared_heads);
        let scale = (head_dim as f32).sqrt().recip();
        let mut mixed = vec![0.0; queries.len()];
        let rows = mixed.par_chunks_exact_mut(whole).zip(queries.par_chunks_exact(whole)).enumerate();
        rows.for_each(|(place, (row, query))| {
            let known = (start + place + 1) * width;
            let mut weights = Vec::with_capacity(start + place + 1);
            let heads = row.chunks_exact_mut(head_dim).zip(query.chunks_exact(head_dim));
            for (head, (out, query)) in heads.enumerate() {
                let at = head / sharing * head_dim;
                let of = |row: &[f32]| dot(query, &row[at..at + head_dim]) * scale;
                weights.clear();
                weights.extend(keys[..known].chunks_exact(width).map(of));
                softmax(&mut weights);
                for (weight, row) in weights.iter().zip(values[..known].chunks_exact(width)) {
                    let value = &row[at..at + head_dim];
                    out.iter_mut().zip(value).for_each(|(sum, x)| *sum += weight * x);
                }
            }
        });
        mixed
    }
}

impl Kind {
    /// That of a file, if it can be read: what would change the numbers in silence is refused.
    fn of(gguf: &Gguf) -> Result<Self> {
        let name = gguf.word("general.architecture").unwrap_or("none");
        let Some(kind) = KINDS.into_iter().find(|kind| kind.name == name) else {
            let known = KINDS.map(|kind| format!("`{}`", kind.name)).join(", ");
            return Err(gguf.other(format!("the architecture is `{name}`, and {known} alone can be read")));
        };
        if gguf.size(&kind.key("expert_count")).is_some_and(|experts| experts > 0) {
            return Err(gguf.other("it is a mixture of experts, which cannot be read"));
        }
        if gguf.flag(&kind.key("attention.causal")) == Some(false) {
            return Err(gguf.other("its tokens look ahead, which cannot be read"));
        }
        let scaling = gguf.word(&kind.key("rope.scaling.type")).filter(|scaling| *scaling != "none");
        if let Some(scaling) = scaling.or(gguf.has("rope_freqs.weight").then_some("by frequency")) {
            return Err(gguf.other(format!("its places are scaled ({scaling}), which cannot be read")));
        }
        Ok(kind)
    }

    fn key(self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }
}

impl Sizes {
    fn of(gguf: &Gguf, kind: Kind) -> Result<Self> {
        let dim = gguf.need_size(&kind.key("embedding_length"))?;
        let heads = gguf.need_size(&kind.key("attention.head_count"))?;
        let shared_heads = gguf.size(&kind.key("attention.head_count_kv")).unwrap_or(heads);
        let head_dim = gguf.size(&kind.key("attention.key_length")).unwrap_or(dim / heads);
        let value_dim = gguf.size(&kind.key("attention.value_length")).unwrap_or(head_dim);
        let turned = gguf.size(&kind.key("rope.dimension_count")).unwrap_or(head_dim);
        let fits = shared_heads > 0
            && heads.is_multiple_of(shared_heads)
            && head_dim > 0
            && head_dim.is_multiple_of(2)
            && [value_dim, turned] == [head_dim; 2]
            && heads.checked_mul(head_dim).is_some();
        if !fits {
            let reason = format!(
                "{heads} heads of {head_dim} numbers, {shared_heads} of them for keys, values of {value_dim}, {turned} \
                 turned numbers do not fit together"
            );
            return Err(gguf.damaged(reason));
        }
        let inner = gguf.need_size(&kind.key("feed_forward_length"))?;
        Ok(Self { dim, heads, shared_heads, head_dim, inner })
    }
}

impl Layer {
    fn open(gguf: &mut Gguf, layer: usize, kind: Kind, sizes: Sizes) -> Result<Self> {
        let Sizes { dim, heads, shared_heads, head_dim, inner } = sizes;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let product = |gguf: &mut Gguf, part: &str, rows: usize, columns: usize| {
            gguf.product(&name(part), rows, columns)
        };
        let of_heads = |gguf: &mut Gguf, part: &str, heads: usize| {
            let bias = format!("blk.{layer}.{part}.bias");
            let has_bias = kind.has_bias || gguf.has(&bias);
            let norm = name(&format!("{part}_norm"));
            let has_norm = gguf.has(&norm) || kind.has_head_norm && part != "attn_v";
            Ok::<_, Error>(Heads {
                product: product(gguf, part, heads * head_dim, dim)?,
                bias: has_bias.then(|| gguf.row(&bias, heads * head_dim)).transpose()?,
                norm: has_norm.then(|| gguf.row(&norm, head_dim)).transpose()?,
            })
        };
        Ok(Self {
            attention_norm: gguf.row(&name("attn_norm"), dim)?,
            query: of_heads(gguf, "attn_q", heads)?,
            key: of_heads(gguf, "attn_k", shared_heads)?,
            value: of_heads(gguf, "attn_v", shared_heads)?,
            mix: product(gguf, "attn_output", dim, heads * head_dim)?,
            norm: gguf.row(&name("ffn_norm"), dim)?,
            gate: product(gguf, "ffn_gate", inner, dim)?,
            up: product(gguf, "ffn_up", inner, dim)?,
            down: product(gguf, "ffn_down", dim, inner)?,
        })
    }
}

impl Heads {
    fn of(&self, rows: &[f32], eps: f32) -> Vec<f32> {
        let mut heads = self.product.apply(rows);
        if let Some(bias) = &self.bias {
            for row in heads.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
            }
        }
        self.norm.as_ref().map(|norm| normed(&heads, norm, eps)).unwrap_or(heads)
    }
}

fn add(rows: &mut [f32], more: &[f32]) {
    rows.iter_mut().zip(more).for_each(|(sum, x)| *sum += x);
}

fn normed(rows: &[f32], weights: &[f32], eps: f32) -> Vec<f32> {
    let scaled = |row: &[f32]| {
        let scale = (dot(row, row) / row.len() as f32 + eps).sqrt().recip();
        row.iter().zip(weights).map(|(x, weight)| x * scale * weight).collect::<Vec<f32>>()
    };
    rows.chunks_exact(weights.len().max(1)).flat_map(scaled).collect()
}

fn turn_pair(one: &mut f32, other: &mut f32, (sin, cos): (f32, f32)) {
    (*one, *other) = (*one * cos - *other * sin, *one * sin + *other * cos);
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
