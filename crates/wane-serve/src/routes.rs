//! What may be asked over HTTP.
//!
//! | | |
//! |---|---|
//! | `POST /v1/events` | one event, a list, or one per line (`application/x-ndjson`): 202 when they are on the disk |
//! | `POST /v1/recommend` | a list for a user or a session |
//! | `POST /v1/recommend/batch` | many lists |
//! | `GET /v1/items/{id}/similar` | what is wanted with an item |
//! | `GET /v1/users/{id}/events` | what is kept of a user |
//! | `DELETE /v1/users/{id}` | a user is erased |
//! | `POST /v1/feedback`, `GET /v1/feedback` | what became of lists: told, and counted per model and scenario |
//! | `POST /v1/admin/model`, `GET /v1/admin/model` | which model answers: changed, and told |
//! | `GET /health/live`, `GET /health/ready` | whether it runs, and whether it can be asked |

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_http::timeout::TimeoutLayer;
use wane::recommend::{AnsweredItem, AnsweredReason};

use crate::engine::{Engine, Recommended};
use crate::error::{Error, Result};
use crate::requests::{
    self, Change, EVENTS, Recommend, WrittenBatch, WrittenChange, WrittenRecommend, WrittenSimilar,
};

/// Bytes of a request at most.
const BODY: usize = 4 << 20;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The routes over an engine.
pub fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/v1/events", post(add_events))
        .route("/v1/recommend", post(recommend))
        .route("/v1/recommend/batch", post(recommend_batch))
        .route("/v1/items/{id}/similar", get(similar))
        .route("/v1/feedback", post(add_feedback).get(feedback))
        .route("/v1/admin/model", post(change_model).get(models))
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
    recommendation_id: String,
    model: &'a str,
    as_of: &'a str,
    took_us: u64,
    items: Vec<ListedItem<'a>>,
}

impl<'a> List<'a> {
    fn of(found: &'a Recommended, asked: &Recommend, start: Instant) -> Self {
        let explain = asked.reasons.is_some();
        Self {
            recommendation_id: found.id.to_string(),
            model: &found.model.id,
            as_of: &found.answer.as_of,
            items: found.answer.items.iter().map(|item| ListedItem::of(item, explain)).collect(),
            took_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
        }
    }
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
    let now = engine.now();
    let (events, rejected) =
        sorted_out(written.into_iter().map(|event| event.and_then(|event| requests::new_event(event, now))))?;
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
    Ok(one_or_many(body)?.into_iter().map(Ok).collect())
}

/// A list of values, or one value.
fn one_or_many(body: &[u8]) -> Result<Vec<Value>> {
    Ok(match parsed(body)? {
        Value::Array(values) => values,
        one => vec![one],
    })
}

/// What is right, and of what is not, the place, the field and the reason.
fn sorted_out<T>(read: impl Iterator<Item = Result<T>>) -> Result<(Vec<T>, Vec<Value>)> {
    let (mut right, mut rejected) = (Vec::new(), Vec::new());
    for (index, read) in read.enumerate() {
        match read {
            Ok(one) => right.push(one),
            Err(Error::Field { field, reason }) => {
                rejected.push(json!({"index": index, "field": field, "reason": reason}));
            }
            Err(other) => return Err(other),
        }
    }
    Ok((right, rejected))
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| Error::field("body", error))
}

async fn recommend(State(engine): State<Arc<Engine>>, body: Bytes) -> Result<Response> {
    let start = Instant::now();
    let asked = parsed::<WrittenRecommend>(&body)?.checked(engine.now())?;
    let found = engine.recommend(&asked)?;
    Ok(Json(List::of(&found, &asked, start)).into_response())
}

async fn recommend_batch(State(engine): State<Arc<Engine>>, body: Bytes) -> Result<Response> {
    let questions = parsed::<WrittenBatch>(&body)?.checked(engine.now())?;
    let one = move |asked: Result<Recommend>| {
        let start = Instant::now();
        let list = asked.and_then(|asked| {
            let found = engine.recommend(&asked)?;
            // As text at once: a tree of values would hold scores as other numbers.
            serde_json::to_string(&List::of(&found, &asked, start))
                .map_err(|error| Error::field("answer", error))
        });
        list.unwrap_or_else(|error| error.json().to_string())
    };
    let answers = apart(move || Ok(questions.into_iter().map(one).collect::<Vec<_>>())).await?;
    let body = format!("{{\"answers\":[{}]}}", answers.join(","));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn similar(
    State(engine): State<Arc<Engine>>,
    Path(item): Path<String>,
    Query(written): Query<WrittenSimilar>,
) -> Result<Response> {
    let start = Instant::now();
    let kind = engine.usual_type(&item)?;
    let asked = written.checked(item, kind, engine.now())?;
    let found = engine.recommend(&asked)?;
    Ok(Json(List::of(&found, &asked, start)).into_response())
}

async fn add_feedback(State(engine): State<Arc<Engine>>, body: Bytes) -> Result<Response> {
    let written = one_or_many(&body)?;
    let (told, rejected) = sorted_out(written.into_iter().map(requests::feedback))?;
    let counted = engine.tell(told).await?;
    let answer =
        json!({"accepted": counted.new + counted.known, "known": counted.known, "rejected": rejected});
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

async fn feedback(State(engine): State<Arc<Engine>>) -> Result<Response> {
    Ok(Json(json!({"feedback": engine.feedback()?})).into_response())
}

async fn change_model(State(engine): State<Arc<Engine>>, body: Bytes) -> Result<Response> {
    match parsed::<WrittenChange>(&body)?.checked()? {
        Change::RollBack => engine.roll_back()?,
        Change::Load(folder, share) => {
            let engine = Arc::clone(&engine);
            apart(move || engine.load_model(&folder, share)).await?;
        }
    }
    models(State(engine)).await
}

async fn models(State(engine): State<Arc<Engine>>) -> Result<Response> {
    Ok(Json(engine.models()).into_response())
}

/// Does something that takes long without keeping other requests from being answered.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopping)?
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
