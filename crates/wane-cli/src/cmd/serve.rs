//! `wane serve`: a fitted model over HTTP, with what happens from now on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use wane::events::Timestamp;
use wane_serve::{Durability, Engine};

use crate::args::{DurabilityName, Serve};
use crate::terminal::Terminal;

/// Runs the command.
pub(crate) fn run(args: &Serve, terminal: Terminal) -> Result<()> {
    let address: SocketAddr = args.listen.parse().with_context(|| {
        format!("--listen {}: expected an address and a port, as in 127.0.0.1:7700", args.listen)
    })?;
    // Nobody is asked for a key yet, so nobody but this machine may ask.
    ensure!(
        address.ip().is_loopback(),
        "--listen {address}: only this machine's own addresses can be listened on, 127.0.0.1 or [::1]; put a proxy before it that asks for keys"
    );
    let spinner = terminal.spinner("reading the model");
    let durability = match args.durability {
        DurabilityName::Fsync => Durability::Fsync,
        DurabilityName::Os => Durability::Os,
    };
    let engine = Arc::new(Engine::open(&args.model, &args.state, durability, Arc::new(now))?);
    spinner.finish_and_clear();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.with_context(|| format!("--listen {address}"))?;
        let (mut interrupt, mut end) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let models = engine.models().serving;
        let name = models.first().map_or("", |model| &model.model);
        terminal.remark(format!("{name} listens on http://{}", listener.local_addr()?));
        let shutdown = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = end.recv() => {}
            }
        };
        wane_serve::run(listener, engine, shutdown).await?;
        terminal.remark("stopped: all that was acknowledged is kept");
        Ok(())
    })
}

/// The wall clock; 1970 where it stands before that.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
