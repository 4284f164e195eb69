//! How the server is to behave, checked: whatever reads it from a file or a command line hands over this.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::keys::Key;
use crate::store::Durability;

/// Events of a request at most, whatever is set: all of a request lie in memory at once.
pub const MOST_EVENTS: usize = 100_000;
/// Items of a list at most, whatever is set.
pub const MOST_ITEMS: usize = 1_000;

/// All settings of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Address and port.
    pub listen: SocketAddr,
    /// When an event counts as kept.
    pub durability: Durability,
    /// Events older than so many days leave the state; without a number none does.
    pub retain: Option<f64>,
    /// Where certificate and key are; without them the server speaks in the clear.
    pub tls: Option<TlsFiles>,
    /// What may be asked at most.
    pub limits: Limits,
    /// Whether interests are fitted when a model is loaded, and not when somebody asks for them first.
    pub interests_at_start: bool,
    /// Whether the log may name users.
    pub log_users: bool,
    /// Who may ask; where nobody is named, this machine alone may, and anything.
    pub keys: Vec<Key>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7700)),
            durability: Durability::default(),
            retain: None,
            tls: None,
            limits: Limits::default(),
            interests_at_start: false,
            log_users: false,
            keys: Vec::new(),
        }
    }
}

/// Files of a certificate, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, those that signed it after it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What may be asked at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Events of a request, at most [`MOST_EVENTS`].
    pub batch: usize,
    /// Items of a list, at most [`MOST_ITEMS`].
    pub k: usize,
    /// Connections at once; those beyond wait with the operating system.
    pub connections: usize,
    /// Bytes of a request's head, at least 8 KiB.
    pub header: usize,
    /// How long a request may take from its head to its answer.
    pub timeout: Duration,
    /// How long a connection may stand open without a request's whole head.
    pub idle: Duration,
    /// Requests per second of each key that has no rate of its own; without keys, of all.
    pub rate: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 << 20,
            batch: 10_000,
            k: MOST_ITEMS,
            connections: 1_024,
            header: 16 << 10,
            timeout: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            rate: None,
        }
    }
}
