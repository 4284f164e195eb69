//! `wane serve`: a fitted model over HTTP, with what happens from now on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use wane::events::Timestamp;
use wane_serve::{Engine, Guard};

use crate::args::{LogFormat, Serve};
use crate::log::Log;
use crate::serve_config::ServeConfig;
use crate::terminal::Terminal;
use crate::texts::{TextSettings, encoders};

/// Runs the command.
pub(crate) fn run(args: &Serve, terminal: Terminal) -> Result<()> {
    Server::new(args.clone())?.run(terminal, |_| Ok(()))
}

/// A server whose settings were checked.
pub(crate) struct Server {
    args: Serve,
    config: ServeConfig,
    guard: Arc<Guard>,
}

impl Server {
    /// Checks everything that can be checked without the model.
    pub(crate) fn new(args: Serve) -> Result<Self> {
        let config = ServeConfig::load(&args)?;
        let guard = Arc::new(Guard::new(config.settings.clone())?);
        Ok(Self { args, config, guard })
    }

    /// Answers until it is told to end. `greet` hears of the address as soon as it can be asked.
    pub(crate) fn run(self, terminal: Terminal, greet: impl FnOnce(SocketAddr) -> Result<()>) -> Result<()> {
        let spinner = terminal.spinner("reading the model");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async { outlive_limits() })?;
        let durability = self.config.settings.durability;
        let encoders = encoders(&self.config.texts, self.args.state.clone())?;
        let engine = Engine::open(&self.args.model, &self.args.state, durability, Arc::new(now), encoders)?;
        let engine = Arc::new(engine);
        spinner.finish_and_clear();
        let log = Log::start(self.config.level, self.config.format)?;
        self.config.say();
        if self.config.settings.interests_at_start {
            engine.fit_interests();
        }
        runtime.block_on(self.serve(engine, log, terminal, greet))
    }

    async fn serve(
        self,
        engine: Arc<Engine>,
        log: Log,
        terminal: Terminal,
        greet: impl FnOnce(SocketAddr) -> Result<()>,
    ) -> Result<()> {
        let Self { args, config, guard } = self;
        let address = config.settings.listen;
        let listener = TcpListener::bind(address).await.with_context(|| format!("--listen {address}"))?;
        let (mut interrupt, mut end) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let started_with = (config.format, config.texts.clone());
        tokio::spawn(reread(args, started_with, Arc::clone(&guard), log, signal(SignalKind::hangup())?));
        tokio::spawn(wane_serve::retire_hourly(Arc::clone(&engine), Arc::clone(&guard)));
        let say = |text: String| match config.format {
            LogFormat::Text => terminal.remark(text),
            // A program reads along.
            LogFormat::Json => tracing::info!("{text}"),
        };
        let scheme = if config.settings.tls.is_some() { "https" } else { "http" };
        let models = engine.models().serving;
        let name = models.first().map_or("", |model| &model.model);
        say(format!("{name} listens on {scheme}://{}", listener.local_addr()?));
        greet(listener.local_addr()?)?;
        let shutdown = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = end.recv() => {}
            }
        };
        let all_were_answered = wane_serve::run(listener, engine, guard, shutdown).await;
        if !all_were_answered {
            tracing::warn!("some connections did not end in time and were cut");
        }
        say("stopped: all that was acknowledged is kept".into());
        Ok(())
    }
}

/// Settings that the guard does not have, and that do not change before a new start.
type Fixed = (LogFormat, TextSettings);

/// Reads the settings again whenever the process is hung up.
async fn reread(args: Serve, started_with: Fixed, guard: Arc<Guard>, log: Log, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        if let Err(error) = change(&args, &started_with, &guard, &log) {
            tracing::error!("the settings stay as they were: {error:#}");
        }
    }
}

fn change(args: &Serve, (format, texts): &Fixed, guard: &Guard, log: &Log) -> Result<()> {
    if args.config.is_none() {
        bail!("there is no file to read: start with --config FILE");
    }
    let config = ServeConfig::load(args)?;
    let mut fixed = guard.change(config.settings.clone())?;
    if config.format != *format {
        fixed.push("log.format");
    }
    if config.texts != *texts {
        fixed.push("encoder");
    }
    log.set(config.level)?;
    config.say();
    if !fixed.is_empty() {
        tracing::warn!("changed in the file, but not before the server starts again: {}", fixed.join(", "));
    }
    Ok(())
}

/// A file that has reached its limit (`ulimit -f`) ends a process by a signal, unless it is handled: then the write fails, and is answered so.
fn outlive_limits() -> std::io::Result<()> {
    /// `SIGXFSZ` of Linux, on all processors but MIPS, and of the BSDs.
    const FILE_IS_AT_ITS_LIMIT: i32 = 25;
    // The handler stays when what would tell of the signal is dropped.
    signal(SignalKind::from_raw(FILE_IS_AT_ITS_LIMIT)).map(drop)
}

/// The wall clock; 1970 where it stands before that.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
