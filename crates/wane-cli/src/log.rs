//! What the server says while it runs: lines on standard error, for people or for programs.

use anyhow::{Result, anyhow};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::args::{LogFormat, LogLevel};

/// The log that has been started; its level can be changed.
#[derive(Clone)]
pub(crate) struct Log {
    level: reload::Handle<Targets, Registry>,
}

impl Log {
    /// Starts it, once.
    pub(crate) fn start(level: LogLevel, format: LogFormat) -> Result<Self> {
        let (filter, handle) = reload::Layer::new(targets(level));
        let base = tracing_subscriber::registry().with(filter);
        match format {
            LogFormat::Text => base.with(fmt::layer().with_writer(std::io::stderr)).try_init()?,
            LogFormat::Json => {
                base.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()?;
            }
        }
        Ok(Self { level: handle })
    }

    /// Says more or less from now on.
    pub(crate) fn set(&self, level: LogLevel) -> Result<()> {
        self.level.reload(targets(level)).map_err(|error| anyhow!("log.level: {error}"))
    }
}

/// Wane's own lines down to a level; of others warnings alone, for at lower levels they write down what they read and send.
fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    Targets::new().with_target("wane", level).with_default(LevelFilter::WARN.min(level))
}
