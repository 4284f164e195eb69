//! Reading tables and behaviour logs from files: CSV, TSV, JSONL and Parquet, plain or compressed.
//!
//! Useful for: turning files into columns and events, with every row accounted for. Not useful for: judging what
//! was read (cleaning is a step of its own).

mod arrow_text;
mod csv;
mod source;
mod table;

pub use source::Format;
pub use table::{Column, Table, parse_list};
