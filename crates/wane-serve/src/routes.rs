//! What may be asked over HTTP.
//!
//! | | |
//! |---|---|
//! | `POST /v1/events` | one event, a list, or one per line (`application/x-ndjson`): 202 when they are on the disk |
//! | `POST /v1/recommend` | a list for a user or a session |
//! | `GET /v1/users/{id}/events` | what is kept of a user |
//! | `DELETE /v1/users/{id}` | a user is erased |
//! | `GET /metrics` | what was counted, for Prometheus |
//! | `GET /health/live`, `GET /health/ready` | whether it runs, and whether it can be asked |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Extension, Json, Router};
use serde::Serialize;
use serde_json::{Value, json};
use wane::recommend::{AnsweredItem, AnsweredReason};

use crate::engine::Engine;
use crate::error::{Error, Result, refusal};
use crate::guard::{Door, Guard, pass};
use crate::keys::Access;
use crate::metrics::Fate;
use crate::requests::{WrittenRecommend, new_event};
use crate::settings::Limits;

/// A route, as it is written here and nowhere else: what is not in [`ROUTES`] is not served, and what is there says who may ask for it.
pub struct Route {
    /// GET, POST, …; a GET answers HEAD too.
    pub method: Method,
    /// The path, with its parameters by name.
    pub path: &'static str,
    /// What a key must be allowed to do.
    pub access: Access,
    handler: fn() -> MethodRouter<Arc<Engine>>,
}

/// All routes.
pub const ROUTES: &[Route] = &[
    route(Method::POST, "/v1/events", Access::Write, || post(add_events)),
    route(Method::POST, "/v1/recommend", Access::Read, || post(recommend)),
    route(Method::GET, "/v1/users/{id}/events", Access::Admin, || get(events)),
    route(Method::DELETE, "/v1/users/{id}", Access::Admin, || delete(erase)),
    route(Method::GET, "/metrics", Access::Admin, || get(metrics)),
    route(Method::GET, "/health/live", Access::Open, || get(|| async { "live\n" })),
    route(Method::GET, "/health/ready", Access::Open, || get(|| async { "ready\n" })),
];

const fn route(
    method: Method,
    path: &'static str,
    access: Access,
    handler: fn() -> MethodRouter<Arc<Engine>>,
) -> Route {
    Route { method, path, access, handler }
}

/// The routes over an engine, each behind its guard.
pub fn router(engine: Arc<Engine>, guard: Arc<Guard>) -> Router {
    let behind = |route, access| {
        let (guard, metrics) = (Arc::clone(&guard), Arc::clone(engine.metrics()));
        from_fn_with_state(Door { guard, metrics, route, access }, pass)
    };
    let other = || behind("other", Access::Open);
    let no_route = || async { refusal(StatusCode::NOT_FOUND, "no-route", "there is no such route") };
    let no_method =
        || async { refusal(StatusCode::METHOD_NOT_ALLOWED, "method", "this route has other methods") };
    let all = ROUTES.iter().fold(Router::new(), |router, route| {
        router.route(route.path, (route.handler)().route_layer(behind(route.path, route.access)))
    });
    all.fallback(no_route.layer(other()))
        .method_not_allowed_fallback(no_method.layer(other()))
        // The guard has bounded it.
        .layer(DefaultBodyLimit::disable())
        .with_state(engine)
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

async fn add_events(
    State(engine): State<Arc<Engine>>,
    Extension(limits): Extension<Limits>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let written = written_events(&headers, &body)?;
    at_most("events", limits.batch, written.len())?;
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
    let metrics = engine.metrics();
    metrics.came(Fate::Rejected, rejected.len());
    let appended = engine.append(events).await?;
    metrics.came(Fate::New, appended.new);
    metrics.came(Fate::Known, appended.known);
    let answer = json!({
        "accepted": appended.new + appended.known, "known": appended.known, "rejected": rejected, "durable": true,
    });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// Checks what the settings bound.
fn at_most(field: &str, most: usize, got: usize) -> Result<()> {
    if got > most {
        return Err(Error::field(field, format!("expected {most} at most, got {got}")));
    }
    Ok(())
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

async fn recommend(
    State(engine): State<Arc<Engine>>,
    Extension(limits): Extension<Limits>,
    body: Bytes,
) -> Result<Response> {
    let start = Instant::now();
    let asked = parsed::<WrittenRecommend>(&body)?.checked(engine.now())?;
    at_most("k", limits.k, asked.k)?;
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

async fn metrics(State(engine): State<Arc<Engine>>) -> Response {
    let text = engine.metrics().text(engine.model_name(), engine.histories_kept());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response()
}
