//! What may be written of the server: `wane serve` and `wane key`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// Answer over HTTP, from the model's histories and the events that come in.
///
/// An event is acknowledged when it is on the disk; what was acknowledged survives the end of the process however it comes. Lists are those
/// of `wane recommend` over the same events. Routes are in docs/serving.md.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  wane serve model --state state
  wane serve model --state state --listen 127.0.0.1:8080 --durability os
  wane serve model --state state --retain 400d
  wane serve model --state state --encoder models/all-MiniLM-L6-v2
  wane serve model --state state --config serve.toml --log-format json")]
pub(crate) struct Serve {
    /// Model folder, as wane fit writes it.
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Folder of what happens from now on; made where there is none.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// Settings file: keys, TLS, limits; see config/serve.toml. Flags win over it; SIGHUP has it read again.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address and port; port 0 takes a free one; another than this machine's own needs keys [default: 127.0.0.1:7700].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Folder or name of the pretrained encoder, or the .gguf file, that made the model's vectors: it reads the texts of new items [default:
    /// the built-in encoder, where that made them].
    #[arg(long, value_name = "PATH")]
    pub(crate) encoder: Option<PathBuf>,
    /// When an event counts as kept: when the disk has it, or when the operating system has it (lost by a power cut) [default:
    /// fsync].
    #[arg(long, value_enum)]
    pub(crate) durability: Option<DurabilityName>,
    /// Take events older than this out of the state, at the start and every hour [default: keep all].
    #[arg(long, value_name = "DURATION")]
    pub(crate) retain: Option<String>,
    /// What is said while it runs; debug has a line per request [default: info].
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(crate) log: Option<LogLevel>,
    /// Lines for people or for programs [default: text].
    #[arg(long, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

/// When an event counts as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DurabilityName {
    /// The disk has it.
    Fsync,
    /// The operating system has it.
    Os,
}

/// What is said, with all that is graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What stopped something.
    Error,
    /// What somebody should look at.
    Warn,
    /// Starts, ends and changes.
    Info,
    /// Every request.
    Debug,
}

/// How it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// A line of words.
    Text,
    /// A line of JSON.
    Json,
}

/// Make a key for wane serve: the key on standard output, its lines for the settings file on standard error.
///
/// Only the key's SHA-256 stands in the file; who asks sends `Authorization: Bearer KEY`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  wane key --name shop --roles read,write 2>> serve.toml > shop.key")]
pub(crate) struct MakeKey {
    /// What logs call it.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What it may do: read (lists), write (events), admin (users, metrics and all else).
    #[arg(long, value_name = "ROLES", value_delimiter = ',', required = true)]
    pub(crate) roles: Vec<String>,
}
