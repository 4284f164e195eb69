//! Encoders and language models against what their Python peers make of the same texts, damaged files, and journals.

#![allow(clippy::unwrap_used, clippy::panic)]

mod damaged;
mod decoder;
mod journal;
mod last_token;
mod models;
mod peers;
mod tables;
