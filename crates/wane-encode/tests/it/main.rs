//! Encoders against what sentence-transformers makes of the same texts, damaged folders, and journals.

#![allow(clippy::unwrap_used, clippy::panic)]

mod damaged;
mod journal;
mod models;
mod peers;
mod tables;
