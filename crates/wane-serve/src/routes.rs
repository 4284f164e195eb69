//! What may be asked over HTTP.
//!
//! | | |
//! |---|---|
//! | `POST /v1/events` | one event, a list, or one per line (`application/x-ndjson`): 202 when they are on the disk |
//! | `POST /v1/recommend` | a list for a user or a session |
//! | `GET /v1/users/{id}/events` | what is kept of a user |
//! | `DELETE /v1/users/{id}` | a user is erased |
//! | `GET /health/live`, `GET /health/ready` | whether it runs, and whether it can be asked |

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_http::timeout::TimeoutLayer;
use wane::recommend::{AnsweredItem, AnsweredReason};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::requests::{EVENTS, WrittenRecommend, new_event};

/// Bytes of a request at most.
const BODY: usize = 4 << 20;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The routes over an engine.
pub fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/v1/events", post(add_events))
        .route("/v1/recommend", post(recommend))
        .route("/v1/users/{id}", axum::routing::delete(erase))
        .route("/v1/users/{id}/events", get(events))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(|| async { "ready\n" }))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "no-route", "there is no such route") })
        .method_not_allowed_fallback(|| async {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "method", "this route has other methods")
        })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, PATIENCE))
        .with_state(engine)
}

/// Answers until `shutdown` is done, and then those requests that have come.
///
/// # Errors
/// Those of the listener.
pub async fn run(
    listener: TcpListener,
    engine: Arc<Engine>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(engine)).with_graceful_shutdown(shutdown).await
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error": {"code": code, "message": message, "field": null}}))).into_response()
}

/// The answer to a question.
#[derive(Serialize)]
struct List<'a> {
    model: &'static str,
    as_of: &'a str,
    took_us: u64,
    items: Vec<ListedItem<'a>>,
}

#[derive(Serialize)]
struct ListedItem<'a> {
    item_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<&'a [AnsweredReason]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remainder: Option<&'a BTreeMap<&'static str, f64>>,
}

impl<'a> ListedItem<'a> {
    fn of(item: &'a AnsweredItem, explain: bool) -> Self {
        Self {
            item_id: &item.item,
            title: item.title.as_deref(),
            score: item.score,
            reasons: explain.then_some(&item.reasons[..]),
            remainder: explain.then_some(&item.remainder),
        }
    }
}

async fn add_events(State(engine): State<Arc<Engine>>, headers: HeaderMap, body: Bytes) -> Result<Response> {
    let written = written_events(&headers, &body)?;
    if written.len() > EVENTS {
        return Err(Error::field("events", format!("expected {EVENTS} at most, got {}", written.len())));
    }
    let (now, mut events, mut rejected) = (engine.now(), Vec::new(), Vec::new());
    for (index, event) in written.into_iter().enumerate() {
        match event.and_then(|event| new_event(event, now)) {
            Ok(event) => events.push(event),
            Err(Error::Field { field, reason }) => {
                rejected.push(json!({"index": index, "field": field, "reason": reason}));
            }
            Err(other) => return Err(other),
        }
    }
    let appended = engine.append(events).await?;
    let answer = json!({
        "accepted": appended.new + appended.known, "known": appended.known, "rejected": rejected, "durable": true,
    });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// Events one by one, each perhaps no JSON.
fn written_events(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Result<Value>>> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/x-ndjson") {
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let parsed =
            lines.map(|line| serde_json::from_slice(line).map_err(|error| Error::field("event", error)));
        return Ok(parsed.collect());
    }
    Ok(match parsed(body)? {
        Value::Array(events) => events.into_iter().map(Ok).collect(),
        one => vec![Ok(one)],
    })
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| Error::field("body", error))
}

async fn recommend(State(engine): State<Arc<Engine>>, body: Bytes) -> Result<Response> {
    let start = Instant::now();
    let asked = parsed::<WrittenRecommend>(&body)?.checked(engine.now())?;
    let answer = engine.recommend(&asked)?;
    let items = answer.items.iter().map(|item| ListedItem::of(item, asked.explain)).collect();
    let took_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(Json(List { model: engine.model_name(), as_of: &answer.as_of, took_us, items }).into_response())
}

async fn events(State(engine): State<Arc<Engine>>, Path(user): Path<String>) -> Result<Response> {
    let events: Vec<Value> = engine
        .events(&user)?
        .iter()
        .map(|event| {
            json!({
                "item_id": event.item, "event_type": event.event_type, "time": event.time.to_string(),
                "value": event.value, "event_id": event.event_id,
            })
        })
        .collect();
    Ok(Json(json!({"user_id": user, "events": events})).into_response())
}

async fn erase(State(engine): State<Arc<Engine>>, Path(user): Path<String>) -> Result<Response> {
    let erased = engine.erase(user).await?;
    let answer = json!({"events": erased.events, "bytes_are_gone": erased.bytes_are_gone});
    Ok(Json(answer).into_response())
}
