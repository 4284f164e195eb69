//! `wane serve`: a fitted model over HTTP, with what happens from now on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use wane::artifact::Artifact;
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
    let artifact = Artifact::load(&args.model)?;
    spinner.finish_and_clear();
    let durability = match args.durability {
        DurabilityName::Fsync => Durability::Fsync,
        DurabilityName::Os => Durability::Os,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { outlive_limits() })?;
    let engine = Arc::new(Engine::open(artifact, &args.state, durability, Arc::new(now))?);
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.with_context(|| format!("--listen {address}"))?;
        let (mut interrupt, mut end) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        terminal.remark(format!("{} listens on http://{}", engine.model_name(), listener.local_addr()?));
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
