//! Text in, vectors out: how items are told apart by what is written of them.
//!
//! 1. A [`Template`] turns a catalogue's columns into one text per item ([`item_texts`]).
//! 2. An encoder turns texts into vectors whose cosine says how alike they are: [`HashedEncoder`] needs no download and no training,
//!    [`Pretrained`] is read from a folder and knows what words mean. A [`Journal`] sees to it that no text is encoded twice.
//!
//! ```
//! use wane_encode::{HashedEncoder, HashedSettings};
//!
//! let texts = ["red wool scarf", "blue wool scarf", "garden hose"].map(String::from);
//! let encoder = HashedEncoder::fit(&texts, &HashedSettings::default())?;
//! let vectors = encoder.encode(&texts);
//! let cosine = |a: usize, b: usize| -> f32 {
//!     let row = |item: usize| &vectors[item * encoder.dim()..(item + 1) * encoder.dim()];
//!     row(a).iter().zip(row(b)).map(|(a, b)| a * b).sum()
//! };
//! assert!(cosine(0, 1) > 0.3 && cosine(0, 1) > cosine(0, 2) + 0.2);
//! # Ok::<(), wane_encode::Error>(())
//! ```

mod decoder;
mod error;
mod hashed;
mod item_text;
mod journal;
mod pretrained;
mod summary;
mod template;
mod tokenizer;

pub use decoder::{Decoder, Reading};
pub use error::{Error, Result};
pub use hashed::{HashedEncoder, HashedSettings};
pub use item_text::{item_texts, known_columns, row_text};
pub use journal::{Encoded, Journal, TextHash};
pub use pretrained::{Pretrained, PretrainedSettings};
pub use summary::{Sentence, Summary, TagWord, summarise};
pub use template::Template;
