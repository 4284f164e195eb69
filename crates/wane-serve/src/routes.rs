//! What may be asked over HTTP.
//!
//! | | |
//! |---|---|
//! | `POST /v1/events` | one event, a list, or one per line (`application/x-ndjson`): 202 when they are on the disk |
//! | `POST /v1/recommend` | a list for a user or a session |
//! | `POST /v1/recommend/batch` | many lists |
//! | `GET /v1/items/{id}/similar` | what is wanted with an item |
//! | `GET`, `PUT`, `PATCH`, `DELETE /v1/items/{id}` | what is known of an item: told, said, changed, and that it is gone |
//! | `GET /v1/users/{id}/events` | what is kept of a user |
//! | `GET /v1/users/{id}/interests` | what a user is interested in, and for how long |
//! | `DELETE /v1/users/{id}` | a user is erased |
//! | `POST /v1/feedback`, `GET /v1/feedback` | what became of lists: told, and counted per model and scenario |
//! | `POST /v1/admin/model`, `GET /v1/admin/model` | which model answers: changed, and told |
//! | `GET /metrics` | what was counted, for Prometheus |
//! | `GET /openapi.json`, `GET /docs` | what may be asked, for programs and for people |
//! | `GET /health/live`, `GET /health/ready` | whether it runs, and whether it can be asked |

mod items;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use axum::{Extension, Json, Router};
use serde::Serialize;
use serde_json::{Value, json};
use wane::pipeline::CurrentInterest;

use crate::engine::Engine;
use crate::error::{Error, Result, refusal};
use crate::guard::{Door, Guard, pass};
use crate::keys::Access;
use crate::lists;
use crate::metrics::Fate;
use crate::openapi;
use crate::requests::{
    self, Change, Recommend, WrittenBatch, WrittenChange, WrittenInterests, WrittenRecommend, WrittenSimilar,
};
use crate::settings::Limits;
use crate::store::Erased;

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
    route(Method::POST, "/v1/recommend/batch", Access::Read, || post(recommend_batch)),
    route(Method::GET, "/v1/items/{id}/similar", Access::Read, || get(similar)),
    route(Method::GET, "/v1/items/{id}", Access::Read, || get(items::item)),
    route(Method::PUT, "/v1/items/{id}", Access::Write, || put(items::put)),
    route(Method::PATCH, "/v1/items/{id}", Access::Write, || patch(items::patch)),
    route(Method::DELETE, "/v1/items/{id}", Access::Write, || delete(items::remove)),
    route(Method::POST, "/v1/feedback", Access::Write, || post(add_feedback)),
    route(Method::GET, "/v1/feedback", Access::Admin, || get(feedback)),
    route(Method::POST, "/v1/admin/model", Access::Admin, || post(change_model)),
    route(Method::GET, "/v1/admin/model", Access::Admin, || get(models)),
    route(Method::GET, "/v1/users/{id}/events", Access::Admin, || get(events)),
    route(Method::GET, "/v1/users/{id}/interests", Access::Read, || get(interests)),
    route(Method::DELETE, "/v1/users/{id}", Access::Admin, || delete(erase)),
    route(Method::GET, "/metrics", Access::Admin, || get(metrics)),
    route(Method::GET, "/openapi.json", Access::Open, || {
        get(|| async { ([(header::CONTENT_TYPE, "application/json")], openapi::DOCUMENT) })
    }),
    route(Method::GET, "/docs", Access::Open, || get(|| async { Html(openapi::PAGE.as_str()) })),
    route(Method::GET, "/health/live", Access::Open, || get(|| async { "live\n" })),
    route(Method::GET, "/health/ready", Access::Open, || get(ready)),
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

/// A user's interests.
#[derive(Serialize)]
struct InterestList {
    user_id: String,
    model: String,
    as_of: String,
    horizon_days: f64,
    by: &'static str,
    interests: Vec<CurrentInterest>,
}

async fn add_events(
    State(engine): State<Arc<Engine>>,
    Extension(limits): Extension<Limits>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let written = written_events(&headers, &body)?;
    at_most("events", limits.batch, written.len())?;
    let now = engine.now();
    let (events, rejected) =
        sorted_out(written.into_iter().map(|event| event.and_then(|event| requests::new_event(event, now))))?;
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

async fn recommend(
    State(engine): State<Arc<Engine>>,
    Extension(limits): Extension<Limits>,
    body: Bytes,
) -> Result<Response> {
    let start = Instant::now();
    let asked = parsed::<WrittenRecommend>(&body)?.checked(engine.now())?;
    at_most("k", limits.k, asked.k)?;
    Ok(json_text(engine.recommend(&asked, |found| lists::text(found, &asked, start))??))
}

async fn recommend_batch(
    State(engine): State<Arc<Engine>>,
    Extension(limits): Extension<Limits>,
    body: Bytes,
) -> Result<Response> {
    let questions = parsed::<WrittenBatch>(&body)?.checked(engine.now())?;
    let one = move |asked: Result<Recommend>| {
        let start = Instant::now();
        let list = asked.and_then(|asked| {
            at_most("k", limits.k, asked.k)?;
            // As text at once: a tree of values would hold scores as other numbers.
            engine.recommend(&asked, |found| lists::text(found, &asked, start))?
        });
        list.unwrap_or_else(|error| error.json().to_string().into_bytes())
    };
    let answers = apart(move || Ok(questions.into_iter().map(one).collect::<Vec<_>>())).await?;
    Ok(json_text([&b"{\"answers\":["[..], &answers.join(&b','), b"]}"].concat()))
}

/// An answer that is written already.
fn json_text(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn similar(
    State(engine): State<Arc<Engine>>,
    Extension(limits): Extension<Limits>,
    item: Id,
    written: std::result::Result<Query<WrittenSimilar>, QueryRejection>,
) -> Result<Response> {
    let start = Instant::now();
    let (Path(item), Query(written)) = (item?, written?);
    let kind = engine.usual_type(&item)?;
    let asked = written.checked(item, kind, engine.now())?;
    at_most("k", limits.k, asked.k)?;
    Ok(json_text(engine.recommend(&asked, |found| lists::text(found, &asked, start))??))
}

async fn add_feedback(
    State(engine): State<Arc<Engine>>,
    Extension(limits): Extension<Limits>,
    body: Bytes,
) -> Result<Response> {
    let written = one_or_many(&body)?;
    at_most("feedback", limits.batch, written.len())?;
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
        Change::RollBack => {
            let engine = Arc::clone(&engine);
            apart(move || engine.roll_back()).await?;
        }
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

/// An id in a path, perhaps no text.
type Id = std::result::Result<Path<String>, PathRejection>;

/// Does something that takes long without keeping other requests from being answered.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopping)?
}

async fn events(State(engine): State<Arc<Engine>>, user: Id) -> Result<Response> {
    let Path(user) = user?;
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

async fn interests(
    State(engine): State<Arc<Engine>>,
    Extension(limits): Extension<Limits>,
    user: Id,
    written: std::result::Result<Query<WrittenInterests>, QueryRejection>,
) -> Result<Response> {
    let (Path(user), Query(written)) = (user?, written?);
    let asked = written.checked(engine.now())?;
    at_most("k", limits.k, asked.k)?;
    let found = apart(move || {
        let found = engine.interests(&user, &asked)?;
        Ok(InterestList {
            model: found.model.id.clone(),
            as_of: asked.as_of.to_string(),
            horizon_days: found.horizon,
            by: found.by.name(),
            interests: found.interests,
            user_id: user,
        })
    });
    Ok(Json(found.await?).into_response())
}

async fn erase(State(engine): State<Arc<Engine>>, user: Id) -> Result<Response> {
    let Path(user) = user?;
    let Erased { events, bytes_are_gone } = engine.erase(user.clone()).await?;
    let counts_are_gone = engine.counts_are_without(&user);
    let answer =
        json!({"events": events, "bytes_are_gone": bytes_are_gone, "counts_are_gone": counts_are_gone});
    Ok(Json(answer).into_response())
}

async fn ready(State(engine): State<Arc<Engine>>) -> Result<&'static str> {
    engine.ready().map(|()| "ready\n")
}

async fn metrics(State(engine): State<Arc<Engine>>) -> Response {
    let (models, histories, behind) =
        (engine.models().serving, engine.histories_kept(), engine.counts_are_behind());
    let text = engine.metrics().text(&models, histories, behind);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response()
}
