//! What may be asked of the load generator.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};

/// What any number may be at most: more seconds or requests per second than can be meant.
pub(crate) const MOST: f64 = 1e6;

/// Asks a server at a constant rate, and tells how long the answers take.
#[derive(Debug, Parser)]
#[command(name = "load", max_term_width = 100)]
pub(crate) struct Options {
    /// Where the server listens: an address of this machine.
    #[arg(value_parser = own_address)]
    pub(crate) address: SocketAddr,
    /// Model folder whose users and items are asked for.
    #[arg(long, value_name = "FOLDER", required_unless_present = "sessions", conflicts_with = "sessions")]
    pub(crate) model: Option<PathBuf>,
    /// Log whose sessions are asked for (its users, where it has no sessions).
    #[arg(long, value_name = "FILE")]
    pub(crate) sessions: Option<PathBuf>,
    /// The server is Serenade.
    #[arg(long, requires = "sessions")]
    pub(crate) serenade: bool,
    /// Requests per second; with --find-maximum those of the first step.
    #[arg(long, default_value_t = 1_000.0, value_parser = positive)]
    pub(crate) rate: f64,
    /// Seconds that are measured, of each step.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub(crate) seconds: f64,
    /// Seconds at the same rate before them.
    #[arg(long, default_value_t = 3.0, value_parser = not_negative)]
    pub(crate) warm_up: f64,
    /// Connections, each kept alive and with one request at a time.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) connections: u16,
    /// How many of the requests are what.
    #[arg(long, default_value = "recommend=80,events=20", value_parser = mix, conflicts_with = "sessions")]
    pub(crate) mix: Mix,
    /// Length of the lists.
    #[arg(long, default_value_t = 20, conflicts_with = "serenade")]
    pub(crate) k: usize,
    /// Whether reasons are asked for.
    #[arg(long, default_value_t = true, action = ArgAction::Set, conflicts_with = "serenade")]
    pub(crate) explain: bool,
    /// The moment of all questions; else the server's own.
    #[arg(long, value_name = "TIME", conflicts_with = "serenade")]
    pub(crate) as_of: Option<String>,
    /// How users and items are drawn: zipf takes the n-th one n times more seldom than the first.
    #[arg(long, value_enum, default_value_t = Draw::Uniform)]
    pub(crate) draw: Draw,
    /// When requests are due: poisson has gaps of any length with this mean.
    #[arg(long, value_enum, default_value_t = Arrivals::Constant)]
    pub(crate) arrivals: Arrivals,
    /// Seed of all draws.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Raise the rate until it is too much.
    #[arg(long)]
    pub(crate) find_maximum: bool,
    /// By what each step raises it.
    #[arg(long, default_value_t = 1.25, value_parser = above_one)]
    pub(crate) step: f64,
    /// Milliseconds within which 99 of 100 answers of each kind have to come.
    #[arg(long, default_value_t = 50.0, value_parser = positive)]
    pub(crate) limit_ms: f64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Cargo gives it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How one of many is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Draw {
    Uniform,
    Zipf,
}

/// When requests are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    Constant,
    Poisson,
}

/// Shares of the kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mix {
    /// That of events; the others are lists.
    pub(crate) events: f64,
}

/// No machine is loaded that may be somebody else's.
fn own_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let address: SocketAddr =
        text.parse().map_err(|_| "expected an address and a port, as in 127.0.0.1:7700".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("only this machine's own addresses may be loaded, 127.0.0.1 or [::1]".to_owned())
    }
}

fn mix(text: &str) -> Result<Mix, String> {
    let (mut recommend, mut events) = (0.0, 0.0);
    for part in text.split(',') {
        let (name, share) = part.split_once('=').ok_or("expected recommend=80,events=20")?;
        match name.trim() {
            "recommend" => recommend = not_negative(share.trim())?,
            "events" => events = not_negative(share.trim())?,
            other => return Err(format!("{other}: expected recommend or events")),
        }
    }
    let all = recommend + events;
    if all > 0.0 { Ok(Mix { events: events / all }) } else { Err("nothing would be asked".to_owned()) }
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=MOST).contains(number));
    number.ok_or_else(|| format!("expected a number from 0 to {MOST}"))
}

fn positive(text: &str) -> Result<f64, String> {
    not_negative(text)
        .and_then(|number| if number > 0.0 { Ok(number) } else { Err("expected more than 0".into()) })
}

fn above_one(text: &str) -> Result<f64, String> {
    not_negative(text)
        .and_then(|number| if number > 1.0 { Ok(number) } else { Err("expected more than 1".into()) })
}
