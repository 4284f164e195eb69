//! Reading tables and behaviour logs from files: CSV, TSV, JSONL and Parquet, plain or compressed.
//!
//! Useful for: turning files into columns and events, with every row accounted for. Not useful for: judging what
//! was read (see [`super::bot_like_users`] and its neighbours).
//!
//! The way of a log: `source` (what is this file) -> `blocks` (pieces that end at records) -> `delimited`, `jsonl`
//! or `columnar` (cells of one format, on all threads by `workers`) -> `judge` (which row is an event, and why not)
//! -> `reader` (in order into columns, then sorted), with the accounts in `ledger`.

mod arrow_text;
mod blocks;
mod chunk;
mod columnar;
mod columns;
mod csv;
mod delimited;
mod ids;
mod inspection;
mod intern;
mod jsonl;
mod judge;
mod ledger;
mod options;
mod reader;
mod reason;
mod rules;
mod source;
mod table;
mod time;
mod types;
mod workers;

pub use columns::is_user_column;
pub use ids::id_of;
pub use inspection::{FileInspection, Inspection, RejectedReason};
pub use options::{ColumnMap, Guests, Header, ReadOptions};
pub use reader::read_events;
pub use rules::{RuleResult, TypeRule};
pub use source::Format;
pub use table::{Column, Table, parse_list};
pub use time::{TimeUnit, parse_time};
