//! A small language model that runs here: read from a GGUF file, deterministic, without a network.
//!
//! Two things are asked of it: how likely a text is after another ([`Reading::likelihood`]), and which of the ways in which a text may
//! go on it would take ([`Reading::choose`]). It never writes freely. A [`Reading`] is a text that was read; what follows it is read
//! on a copy, so that many questions share one beginning. [`LastToken`] asks for no words at all: it makes vectors of texts.

mod bpe;
mod gguf;
mod last_token;
mod network;
mod product;

use std::cmp::Ordering;
use std::path::Path;

use tokenizers::Tokenizer;

use crate::error::{Error, Result};
use gguf::Gguf;
pub(crate) use last_token::LastToken;
use network::{Memory, Network};

/// A language model.
pub struct Decoder {
    network: Network,
    tokenizer: Tokenizer,
    /// Tokens that texts begin with.
    begin: Option<u32>,
    name: String,
}

/// A text that a model has read.
#[derive(Clone)]
pub struct Reading<'a> {
    decoder: &'a Decoder,
    memory: Memory,
    /// Logits of what comes next.
    next: Vec<f32>,
}

impl Decoder {
    /// Reads a model from a GGUF file, or from the folder in which it is the only one.
    ///
    /// # Errors
    /// [`Error::Model`], which says the file, what is wrong with it and how to mend it, for what is no such file, damaged, of another
    /// architecture or without a tokeniser that can be read.
    pub fn open(path: &Path) -> Result<Self> {
        let (gguf, network, tokenizer) = parts(path)?;
        let begin = added(&gguf, &network, "bos");
        let name = gguf.word("general.name").unwrap_or(network.kind()).to_owned();
        Ok(Self { network, tokenizer, begin, name })
    }

    /// What the file calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// [`Error::Text`] where the tokeniser cannot read it.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(text, false);
        Ok(encoding.map_err(|error| Error::Text { reason: error.to_string() })?.get_ids().to_vec())
    }

    /// Reads a text from its beginning.
    ///
    /// # Errors
    /// [`Error::Text`] for an empty text, and for one longer than the model can look back.
    pub fn read(&self, text: &str) -> Result<Reading<'_>> {
        let mut tokens: Vec<u32> = self.begin.into_iter().collect();
        tokens.extend(self.tokens(text)?);
        let mut memory = Memory::default();
        let next = self.network.read(&tokens, &mut memory, 1)?;
        Ok(Reading { decoder: self, memory, next })
    }
}

/// A file, its network and its tokeniser, which know the same tokens.
fn parts(path: &Path) -> Result<(Gguf, Network, Tokenizer)> {
    let mut gguf = Gguf::open(path)?;
    let tokenizer = bpe::open(&gguf)?;
    let network = Network::open(&mut gguf)?;
    let last = tokenizer.get_vocab(true).into_values().max().unwrap_or_default() as usize;
    if last >= network.n_tokens() {
        let reason = format!("its tokeniser has a token {last}, and its weights {}", network.n_tokens());
        return Err(gguf.other(reason));
    }
    Ok((gguf, network, tokenizer))
}

/// The token that the file wants at the beginning (`bos`) or the end (`eos`) of texts.
fn added(gguf: &Gguf, network: &Network, which: &str) -> Option<u32> {
    let adds = gguf.flag(&format!("tokenizer.ggml.add_{which}_token")) == Some(true);
    let token = gguf.size(&format!("tokenizer.ggml.{which}_token_id")).filter(|_| adds)?;
    u32::try_from(token).ok().filter(|_| token < network.n_tokens())
}

impl Reading<'_> {
    /// Mean logarithm of the probability of a text's tokens, if it came next.
    ///
    /// # Errors
    /// As [`Decoder::read`].
    pub fn likelihood(&self, text: &str) -> Result<f64> {
        let tokens = self.decoder.tokens(text)?;
        let (Some(&first), Some((_, known))) = (tokens.first(), tokens.split_last()) else {
            return Err(Error::Text { reason: "a text without tokens".to_owned() });
        };
        let mut sum = log_probability(&self.next, first);
        if !known.is_empty() {
            let logits = self.decoder.network.read(known, &mut self.memory.clone(), known.len())?;
            let rows = logits.chunks_exact(self.next.len());
            sum += rows.zip(&tokens[1..]).map(|(row, &token)| log_probability(row, token)).sum::<f64>();
        }
        Ok(sum / tokens.len() as f64)
    }

    /// Writes on in the likeliest way that a list of slots allows, each of which has some alternatives: wherever these part, the likeliest
    /// token of those that may come is taken, the first of equals by number. Gives what was written, and the reading after it.
    ///
    /// # Errors
    /// As [`Decoder::read`].
    pub fn choose(&self, slots: &[Vec<String>]) -> Result<(String, Self)> {
        let tokens = |text: &String| self.decoder.tokens(text);
        let slots = slots.iter().map(|slot| slot.iter().map(tokens).collect::<Result<_>>());
        let slots: Vec<Vec<Vec<u32>>> = slots.collect::<Result<_>>()?;
        let (mut reading, mut unread, mut written) = (self.clone(), Vec::new(), Vec::new());
        let mut ways = Vec::new();
        begin_slot(&slots, 0, &mut ways);
        while let Some(first) = ways.first() {
            let mut token = first.next(&slots);
            if ways.iter().any(|way| way.next(&slots) != token) {
                reading.read_on(&mut unread)?;
                let allowed = ways.iter().map(|way| way.next(&slots));
                token = likeliest(&reading.next, allowed);
            }
            written.push(token);
            unread.push(token);
            let mut longer = Vec::new();
            for way in ways.iter().filter(|way| way.next(&slots) == token) {
                way.advance(&slots, &mut longer);
            }
            ways = longer;
        }
        reading.read_on(&mut unread)?;
        let text = self.decoder.tokenizer.decode(&written, true);
        Ok((text.map_err(|error| Error::Text { reason: error.to_string() })?, reading))
    }

    fn read_on(&mut self, tokens: &mut Vec<u32>) -> Result<()> {
        if !tokens.is_empty() {
            self.next = self.decoder.network.read(tokens, &mut self.memory, 1)?;
            tokens.clear();
        }
        Ok(())
    }
}

/// A place in slots: which alternative of which, and how many of its tokens are written.
#[derive(Clone, Copy)]
struct Way {
    slot: usize,
    alternative: usize,
    written: usize,
}

impl Way {
    fn next(&self, slots: &[Vec<Vec<u32>>]) -> u32 {
        slots[self.slot][self.alternative][self.written]
    }

    /// One token further: within the alternative, or at the beginning of all that may follow it.
    fn advance(self, slots: &[Vec<Vec<u32>>], ways: &mut Vec<Self>) {
        let written = self.written + 1;
        if written < slots[self.slot][self.alternative].len() {
            ways.push(Self { written, ..self });
        } else {
            begin_slot(slots, self.slot + 1, ways);
        }
    }
}

/// The beginnings of a slot's alternatives; an empty one lets the next slot begin.
fn begin_slot(slots: &[Vec<Vec<u32>>], slot: usize, ways: &mut Vec<Way>) {
    for (alternative, tokens) in slots.get(slot).into_iter().flatten().enumerate() {
        if tokens.is_empty() {
            begin_slot(slots, slot + 1, ways);
        } else {
            ways.push(Way { slot, alternative, written: 0 });
        }
    }
}

fn log_probability(logits: &[f32], token: u32) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - top).exp()).sum();
    let own = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    f64::from(own - top) - sum.ln()
}

fn likeliest(logits: &[f32], allowed: impl Iterator<Item = u32>) -> u32 {
    let logit = |token: u32| logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let better = |best: u32, own: u32| match logit(own).total_cmp(&logit(best)) {
        Ordering::Greater => own,
        Ordering::Equal => best.min(own),
        Ordering::Less => best,
    };
    allowed.reduce(better).unwrap_or_default()
}
