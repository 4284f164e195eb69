//! Connections: how many, how long they may stand idle, how they end. `axum::serve` bounds none of that and speaks no TLS.
//!
//! - Connections beyond the limit are not accepted: they wait with the operating system, and come in when others end. To answer them with
//!   503 would cost a handshake each, just when there is too much to do.
//! - A connection that brings no request for the idle time is ended, in whatever state it is: a handshake, a head that trickles in, HTTP/2
//!   without a stream, an answer that nobody reads.
//! - At the end no more connections are accepted, and those that there are end with the request that they are at.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, interval_at, sleep, timeout};
use tower_service::Service as _;

use crate::engine::Engine;
use crate::guard::Guard;
use crate::routes::router;
use crate::settings::Limits;

/// Requests of one HTTP/2 connection at once.
const STREAMS: u32 = 128;
/// How often an HTTP/2 connection is asked whether anyone is still there, and how long the answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// How long a connection that is to end may stand without work; its client may not know how to say farewell.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long to wait where the system has no more files to give.
const RESPITE: Duration = Duration::from_millis(100);

/// Answers until `shutdown` is done, and then those requests that have come; whether all of them were answered within their time.
pub async fn run(
    listener: TcpListener,
    engine: Arc<Engine>,
    guard: Arc<Guard>,
    shutdown: impl Future<Output = ()>,
) -> bool {
    let metrics = Arc::clone(engine.metrics());
    let routes = router(Arc::clone(&engine), Arc::clone(&guard));
    let most = guard.current().settings.limits.connections;
    let places = Arc::new(Semaphore::new(most));
    let (stop, stopping) = watch::channel(());
    tokio::pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let served = serve(stream, routes.clone(), Arc::clone(&guard), stopping.clone());
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            metrics.connections.inc();
            served.await;
            metrics.connections.dec();
            drop(place);
        });
    }
    engine.stop();
    drop((listener, stop));
    // A request takes no longer than its time, and then the answer is to be sent.
    let patience = guard.current().settings.limits.timeout + Duration::from_secs(1);
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    timeout(patience, places.acquire_many(all)).await.is_ok()
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Nobody closes it.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(RESPITE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, routes: Router, guard: Arc<Guard>, mut stopping: watch::Receiver<()>) {
    // Answers are small and whole: waiting for more to send with them would only delay them.
    let _ = stream.set_nodelay(true);
    let now = guard.current();
    let limits = now.settings.limits;
    let Some(tls) = &now.tls else { return converse(stream, routes, limits, stopping).await };
    let handshake = tokio::select! {
        done = timeout(limits.idle, tls.accept(stream)) => done,
        _ = stopping.changed() => return,
    };
    match handshake {
        Ok(Ok(stream)) => converse(stream, routes, limits, stopping).await,
        Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
        Err(_) => tracing::debug!("no TLS handshake in time"),
    }
}

/// Answers the requests of a connection until it ends.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    limits: Limits,
    mut stopping: watch::Receiver<()>,
) {
    let work = Arc::new(Work::default());
    let builder = builder(limits);
    let connection = builder.serve_connection(TokioIo::new(stream), service(routes, Arc::clone(&work)));
    tokio::pin!(connection);
    let mut tick = interval_at(Instant::now() + limits.idle, limits.idle);
    let (mut asked, mut is_ending) = (0, false);
    loop {
        let is_stopping = tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection broke off");
                }
                return;
            }
            _ = stopping.changed(), if !is_ending => true,
            _ = tick.tick() => false,
        };
        if !is_stopping && !work.is_idle_since(&mut asked) {
            continue;
        }
        if is_ending {
            return;
        }
        is_ending = true;
        tick = interval_at(Instant::now() + FAREWELL, FAREWELL);
        connection.as_mut().graceful_shutdown();
    }
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(limits.header);
    let (interval, patience) = PING;
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header).unwrap_or(u32::MAX))
        .keep_alive_interval(interval)
        .keep_alive_timeout(patience);
    builder
}

fn service(
    routes: Router,
    work: Arc<Work>,
) -> impl Service<hyper::Request<Incoming>, Response = Response, Error = Infallible, Future: Send> {
    service_fn(move |request| {
        let begun = Begun::new(&work);
        let answer = routes.clone().call(request);
        async move {
            let _begun = begun;
            answer.await
        }
    })
}

/// The requests of a connection.
#[derive(Default)]
struct Work {
    asked: AtomicU64,
    ended: AtomicU64,
}

impl Work {
    /// Whether nothing is being answered and nothing was asked since the last time.
    fn is_idle_since(&self, before: &mut u64) -> bool {
        let asked = self.asked.load(Ordering::Acquire);
        let is_same = std::mem::replace(before, asked) == asked;
        is_same && self.ended.load(Ordering::Acquire) == asked
    }
}

/// A request that is being answered, until it is dropped.
struct Begun(Arc<Work>);

impl Begun {
    fn new(work: &Arc<Work>) -> Self {
        work.asked.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(work))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}
