//! Reading tables and behaviour logs from files: CSV, TSV, JSONL and Parquet, plain or compressed.
//!
//! Useful for: turning files into columns and events, with every row accounted for. Not useful for: judging what
//! was read (see [`super::bot_like_users`] and its neighbours).
//!
//! The way of a log: `source` (what is this file) -> `blocks` (pieces that end at records) -> `delimited`, `jsonl`
//! or `columnar` (cells of one format, on all threads by `workers`) -> `chunk` (which row is an event, and why not)
//! -> `reader` (in order into columns, then sorted), with the accounts in `ledger`.

mod arrow_text;
mod blocks;
mod chunk;
mod columnar;
mod columns;
mod csv;
mod delimited;
mod inspection;
mod intern;
mod jsonl;
mod ledger;
mod options;
mod reader;
mod reason;
mod rules;
mod source;
mod table;
mod time;
mod workers;

pub use inspection::{FileInspection, Inspection, RejectedReason};
pub use options::{ColumnMap, Guests, Header, ReadOptions};
pub use reader::read_events;
pub use rules::{RuleResult, TypeRule};
pub use source::Format;
pub use table::{Column, Table, parse_list};
pub use time::TimeUnit;
